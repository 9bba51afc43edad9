//! Logs in CloudWatch, over the emulator moto, with the bounds that the documentation of PutLogEvents has and moto has not.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use obs_logs::aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use obs_logs::aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use obs_logs::aws_sdk_cloudwatchlogs::{Client, Config};
use obs_logs::{CloudWatch, CloudWatchBuilder, Direction, Filter, Level, Line, LogStore, Read, StoreError};
use obs_runtime::testing::capture_async;
use serde_json::{Value, json};

use crate::suite::{Opened, TRACE, all, append, batch, entries, line, now, read};

const MISSING: &str = "/not/there";
const MILLISECOND: i64 = 1_000_000;

/// The emulator of all tests, which ends with its standard input. A test has a log group of its own.
static MOTO: LazyLock<Option<Moto>> = LazyLock::new(Moto::start);

struct Moto {
    _process: Child,
    url: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let python = tests::python("moto.server")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/log_stores/emulator.py");
        let mut process =
            Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Moto { _process: process, url: format!("http://127.0.0.1:{}/", port.trim()) })
    }
}

/// The way to the emulator: what passes is looked at, and may be answered here.
#[derive(Clone, Debug)]
struct Gate {
    url: String,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Operations and what they asked for.
    requests: Vec<(String, Value)>,
    /// Nothing is answered any more.
    hangs: bool,
    /// Status and body of the next answers to requests to put events; `None` lets one through.
    puts: VecDeque<Option<(u16, Value)>>,
    /// The same for requests to get events.
    gets: VecDeque<Option<(u16, Value)>>,
}

impl Gate {
    async fn pass(self, request: HttpRequest) -> Result<(u16, Vec<u8>), ConnectorError> {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let operation = request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        if self.seen.lock().unwrap().hangs {
            std::future::pending::<()>().await;
        }
        let answer = {
            let mut seen = self.seen.lock().unwrap();
            seen.requests.push((operation.clone(), asked.clone()));
            match &*operation {
                "PutLogEvents" => {
                    assert_bounds(&asked);
                    seen.puts.pop_front().flatten()
                }
                "GetLogEvents" => seen.gets.pop_front().flatten(),
                _ => None,
            }
        };
        if let Some((status, answer)) = answer {
            return Ok((status, answer.to_string().into_bytes()));
        }
        let mut forward = self.http.post(&self.url).body(body);
        for (name, value) in request.headers() {
            forward = forward.header(name, value);
        }
        let failed = |err: reqwest::Error| ConnectorError::io(err.into());
        let response = forward.send().await.map_err(failed)?;
        let (status, body) = (response.status().as_u16(), response.bytes().await.map_err(failed)?);
        let mut text = String::from_utf8(body.to_vec()).unwrap();
        if operation == "GetLogEvents" && asked["logGroupName"] != MISSING {
            // Of a missing stream, moto says that its group is missing.
            text = text.replace("The specified log group does not exist.", "The specified log stream does not exist.");
        }
        Ok((status, text.into_bytes()))
    }
}

/// What the documentation says of a request.
fn assert_bounds(asked: &Value) {
    let events = asked["logEvents"].as_array().unwrap();
    let times: Vec<_> = events.iter().map(|event| event["timestamp"].as_i64().unwrap()).collect();
    let texts: Vec<_> = events.iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert!((1..=10_000).contains(&events.len()), "{} events", events.len());
    assert!(times.is_sorted(), "by their times");
    assert!(times.last().unwrap() - times[0] < 24 * 60 * 60 * 1000, "within a day");
    assert!(texts.iter().all(|text| !text.is_empty()), "each has a text");
    let bytes: usize = texts.iter().map(|text| text.len() + 26).sum();
    assert!(bytes <= 1_048_576, "{bytes} bytes");
}

impl HttpConnector for Gate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gate = self.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = gate.pass(request).await?;
            Ok(HttpResponse::new(status.try_into().unwrap(), body.into()))
        })
    }
}

impl HttpClient for Gate {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

struct Served {
    client: Client,
    group: String,
    seen: Arc<Mutex<Seen>>,
}

impl Served {
    async fn start() -> Option<Self> {
        static GROUPS: AtomicUsize = AtomicUsize::new(0);
        let moto = MOTO.as_ref()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let gate = Gate { url: moto.url.clone(), http: reqwest::Client::new(), seen: seen.clone() };
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "tests"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&moto.url)
            .http_client(gate)
            .build();
        let client = Client::from_conf(config);
        let group = format!("/swarm/{}/agent", GROUPS.fetch_add(1, Relaxed));
        client.create_log_group().log_group_name(&group).send().await.unwrap();
        Some(Served { client, group, seen })
    }

    fn builder(&self) -> CloudWatchBuilder {
        CloudWatch::in_group(self.client.clone(), &self.group).poll(Duration::from_millis(10))
    }

    fn store(&self) -> CloudWatch {
        self.builder().build().unwrap()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// How often an operation was asked for.
    fn asked(&self, operation: &str) -> usize {
        self.seen().requests.iter().filter(|(name, _)| name == operation).count()
    }
}

fn error(kind: &str) -> Option<(u16, Value)> {
    Some((400, json!({"__type": kind, "message": "for the test"})))
}

async fn open() -> Option<Opened> {
    let (served, root) = (Served::start().await?, tempfile::tempdir().unwrap());
    let store = served.builder().checkpoints(root.path().join("checkpoints")).build().unwrap();
    Some(Opened { store: Arc::new(store), tick: MILLISECOND, ordered: true, _held: Box::new((served, root)) })
}

suite!(open());

#[tokio::test]
async fn requests_keep_to_the_bounds_of_cloudwatch() {
    let Some(served) = Served::start().await else { return };
    let store = served.store();
    let begin = now() - 72 * 60 * 60 * 1_000 * MILLISECOND;
    // Many, long ones, and some days of them, not in their order.
    let long = "é".repeat(200_000);
    let mut lines: Vec<_> = (0..25_000).map(|n| line(begin + n % 7 * MILLISECOND, "short")).collect();
    lines.extend((0..12).map(|n| line(begin + n * 6 * 60 * 60 * 1_000 * MILLISECOND, &long)));
    lines.reverse();
    append(&store, "a", &lines).await;
    // The first found no stream; the events are at least three requests by their number, and six by their bytes.
    assert!(served.asked("PutLogEvents") >= 9, "{}", served.asked("PutLogEvents"));
    assert_eq!(served.asked("CreateLogStream"), 1);
    assert_eq!(entries(&store, read(Direction::Forward, 1_000)).await.len(), lines.len());
}

#[tokio::test]
async fn lines_that_cloudwatch_never_takes_are_counted_and_the_others_are_there() {
    let Some(served) = Served::start().await else { return };
    let store = served.store();
    let refused = async |lines: &[Line<'_>]| {
        let seen = capture_async(append(&store, "a", lines)).await;
        seen.metric("obs_logs_skipped_total", &[("reason", "refused")]).unwrap_or_default()
    };
    // Too long for an event, however it is written.
    let endless = "x".repeat(1 << 20);
    assert_eq!(refused(&[line(now(), &endless), line(now(), "short")]).await, 1.0);
    assert_eq!(all(&store, read(Direction::Forward, 10)).await, ["short"]);
    // Of six, the first two are too old, the first three expired, the last one is too new.
    let info = json!({"tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 3, "tooNewLogEventStartIndex": 5});
    served.seen().puts.push_back(Some((200, json!({"rejectedLogEventsInfo": info}))));
    assert_eq!(refused(&["1", "2", "3", "4", "5", "6"].map(|text| line(now(), text))).await, 4.0);
    served.seen().puts.push_back(error("InvalidParameterException"));
    assert_eq!(refused(&[line(now(), "wrong")]).await, 1.0);
}

#[tokio::test]
async fn an_append_that_failed_half_way_repeats_nothing() {
    let Some(served) = Served::start().await else { return };
    let store = served.store();
    append(&store, "a", &[line(now() - MILLISECOND, "before")]).await;
    let (at, long) = (now() / MILLISECOND * MILLISECOND, "x".repeat(700_000));
    // Two requests and one of another agent's; the second of all fails.
    let twice = [line(at, "same"), line(at, "same"), line(at, &long), line(at, &long)];
    let half = batch("a", &twice);
    served.seen().puts.extend([None, error("ThrottlingException")]);
    let err = store.append(half).await.unwrap_err();
    assert!(matches!(err, StoreError::Remote { what: "CloudWatch", status: Some(400), .. }), "{err:?}");
    // When it is tried again there are more lines.
    let more: Vec<_> = twice.iter().copied().chain([line(at, "same"), line(at, "after")]).collect();
    append(&store, "a", &more).await;
    append(&store, "a", &[line(at + MILLISECOND, "same")]).await;
    let messages = all(&store, read(Direction::Forward, 100)).await;
    let short: Vec<_> = messages.iter().map(|message| if message.len() > 10 { "long" } else { message }).collect();
    assert_eq!(short, ["before", "same", "same", "long", "long", "same", "after", "same"]);
}

#[tokio::test]
async fn what_fails_is_told_and_counted_by_its_reason() {
    let Some(served) = Served::start().await else { return };
    let store = served.store();
    append(&store, "a", &[line(now(), "x")]).await;
    let failed = async |answer: Option<(u16, Value)>| {
        served.seen().gets.push_back(answer);
        store.read(read(Direction::Backward, 10)).await.unwrap_err()
    };
    let seen = capture_async(async {
        failed(error("ThrottlingException")).await;
        failed(error("AccessDeniedException")).await;
        failed(Some((500, json!({"__type": "ServiceUnavailableException"})))).await.to_string()
    })
    .await;
    assert_eq!(seen.value, "CloudWatch does not answer as it should: status 500");
    for reason in ["throttled", "refused", "unavailable"] {
        assert_eq!(seen.metric("obs_logs_remote_errors_total", &[("reason", reason)]), Some(1.0), "{reason}");
    }
    let elsewhere = CloudWatch::in_group(served.client.clone(), MISSING).build().unwrap();
    let missing = elsewhere.read(read(Direction::Forward, 1)).await;
    assert!(matches!(missing, Err(StoreError::Remote { .. })), "a missing group is a mistake: {missing:?}");
    assert!(elsewhere.append(batch("a", &[line(now(), "x")])).await.is_err());
}

#[tokio::test]
async fn what_vector_sends_is_read_too() {
    let Some(served) = Served::start().await else { return };
    let (client, stream, at) = (&served.client, "agent-a", now() / MILLISECOND);
    client.create_log_stream().log_group_name(&served.group).log_stream_name(stream).send().await.unwrap();
    let sent = format!(r#"{{"timestamp":"x","level":"WARN","message":"hello","trace_id":"{TRACE}","n":1}}"#);
    let event = obs_logs::aws_sdk_cloudwatchlogs::types::InputLogEvent::builder().timestamp(at).message(sent);
    let put = client.put_log_events().log_group_name(&served.group).log_stream_name(stream);
    put.log_events(event.build().unwrap()).send().await.unwrap();
    let wish =
        Read { filter: Filter { level: Some(Level::Warn), ..Filter::default() }, ..read(Direction::Backward, 10) };
    let found = entries(&served.store(), wish).await;
    let entry = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(
        entry,
        json!({
            "timestamp": entry["timestamp"], "seq": at * 1_000, "level": "warn", "message": "hello",
            "trace_id": TRACE, "fields": {"n": 1},
        })
    );
}

#[tokio::test]
async fn answers_may_be_empty_or_short_and_go_on() {
    let Some(served) = Served::start().await else { return };
    let event = |time: i64, text: &str| json!({"timestamp": time, "message": text, "ingestionTime": 1});
    let begin = now() / MILLISECOND - 1_000;
    let answer = |token: &str, events: Value| {
        Some((200, json!({"events": events, "nextForwardToken": token, "nextBackwardToken": token})))
    };
    // A millisecond in two answers, with an empty one between them.
    served.seen().gets.extend([
        answer("1", json!([event(begin, "a"), event(begin + 1, "b")])),
        answer("2", json!([])),
        answer("3", json!([event(begin + 1, "c"), event(begin + 2, "d")])),
        answer("3", json!([])),
    ]);
    let forward = store_page(&served, Direction::Forward).await;
    served.seen().gets.extend([
        answer("1", json!([event(begin + 1, "c"), event(begin + 2, "d")])),
        answer("2", json!([])),
        answer("3", json!([event(begin, "a"), event(begin + 1, "b")])),
        answer("3", json!([])),
    ]);
    let mut backward = store_page(&served, Direction::Backward).await;
    backward.reverse();
    assert_eq!(forward, backward);
    let (messages, ties): (Vec<_>, Vec<_>) = forward.into_iter().unzip();
    assert_eq!((messages, ties), (vec!["a".to_owned(), "b".into(), "c".into(), "d".into()], vec![1, 1, 2, 1]));
}

/// The lines of a page, and the ties of their cursors.
async fn store_page(served: &Served, direction: Direction) -> Vec<(String, u64)> {
    let page = served.store().read(read(direction, 100)).await.unwrap();
    assert!(page.done);
    page.found.into_iter().map(|found| (found.entry.message, found.cursor.tie)).collect()
}

#[tokio::test]
async fn cloudwatch_that_never_answers_is_an_error() {
    let Some(served) = Served::start().await else { return };
    served.seen().hangs = true;
    let store = served.builder().timeout(Duration::from_millis(20)).build().unwrap();
    let err = store.read(read(Direction::Forward, 1)).await.unwrap_err();
    assert!(matches!(err, StoreError::Remote { status: None, .. }), "{err:?}");
}
