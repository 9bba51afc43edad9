//! Logs in a Loki, by its documented behaviour: a small server that does what Loki's documentation says.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use obs_logs::{
    AgentId, Batch, BearerTokens, Collector, Cursor, Direction, Filter, Level, Limits, Line, LogStore, LogsApi, Loki,
    Owner, PodName, Read, Start, StoreError, Stream, TokenKey, TraceId, UserId,
};
use serde_json::{Value, json};
use tower::ServiceExt;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Tenant, labels, time, line, structured metadata. A line with the labels, time and text of another is stored once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    tenant: String,
    labels: BTreeMap<String, String>,
    time: u64,
    text: String,
    metadata: BTreeMap<String, String>,
}

#[derive(Default)]
struct FakeLoki {
    lines: BTreeMap<(String, BTreeMap<String, String>, u64, String), Stored>,
    /// Limits that were asked for.
    limits: BTreeSet<usize>,
    /// What is answered to pushes, instead of taking them.
    refusal: Option<StatusCode>,
}

type Shared = Arc<Mutex<FakeLoki>>;

fn tenant(headers: &HeaderMap) -> Result<String, StatusCode> {
    let tenant = headers.get("x-scope-orgid").ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(tenant.to_str().unwrap().to_owned())
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let texts = value.as_object().into_iter().flatten();
    texts.map(|(name, value)| (name.clone(), value.as_str().expect("metadata are strings").to_owned())).collect()
}

async fn push(
    State(loki): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    let (tenant, mut loki) = (tenant(&headers)?, loki.lock().unwrap());
    if let Some(status) = loki.refusal {
        return Err(status);
    }
    for stream in body["streams"].as_array().unwrap() {
        let labels = texts(&stream["stream"]);
        for value in stream["values"].as_array().unwrap() {
            let time: u64 = value[0].as_str().unwrap().parse().unwrap();
            let text = value[1].as_str().unwrap().to_owned();
            let key = (tenant.clone(), labels.clone(), time, text.clone());
            let (labels, metadata) = (labels.clone(), texts(&value[2]));
            loki.lines.entry(key).or_insert(Stored { tenant: tenant.clone(), labels, time, text, metadata });
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What stands behind `prefix` in the query, up to the quote that ends it.
fn operand(query: &str, prefix: &str) -> Option<String> {
    let rest = &query[query.find(prefix)? + prefix.len()..];
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    Some(stream.next().unwrap().unwrap())
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> String {
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap().replace('+', " ").into_bytes();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].replace('+', " ").bytes());
    }
    String::from_utf8(bytes).unwrap()
}

async fn query_range(
    State(loki): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, StatusCode> {
    let query = query.unwrap_or_default();
    let parameters: HashMap<_, _> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, decoded(value))).collect();
    let (tenant, mut loki) = (tenant(&headers)?, loki.lock().unwrap());
    let number = |name: &str| parameters[name].parse::<u64>().unwrap();
    let limit = number("limit") as usize;
    if limit > 5_000 {
        return Err(StatusCode::BAD_REQUEST);
    }
    loki.limits.insert(limit);
    let (query, start, end) = (&parameters["query"], number("start"), number("end"));
    let (agent, text) = (operand(query, "| agent_id=").unwrap(), operand(query, "|= "));
    let (levels, trace) = (operand(query, ",level=~"), operand(query, "| trace_id="));
    let mut found: Vec<_> = loki
        .lines
        .values()
        .filter(|line| {
            line.tenant == tenant
                && line.labels["stream"] == "agent"
                && [&line.labels, &line.metadata].iter().any(|part| part.get("agent_id") == Some(&agent))
                && (start..end).contains(&line.time)
                && text.as_ref().is_none_or(|text| line.text.contains(text.as_str()))
                && levels.as_ref().is_none_or(|levels| {
                    levels.split('|').any(|level| line.labels.get("level").is_some_and(|known| known == level))
                })
                && trace.as_ref().is_none_or(|trace| line.metadata.get("trace_id") == Some(trace))
        })
        .collect();
    // Lines of the same time come in no order that one could rely on: it changes with the query.
    found.sort_by_key(|line| (line.time, line.text.len() * 31 % (2 + limit % 7), line.text.clone()));
    if parameters.get("direction").is_none_or(|direction| direction == "backward") {
        found.reverse();
    }
    found.truncate(limit);
    let mut streams: BTreeMap<BTreeMap<String, String>, Vec<Value>> = BTreeMap::new();
    for line in found {
        let labels = line.labels.clone().into_iter().chain(line.metadata.clone()).collect();
        streams.entry(labels).or_default().push(json!([line.time.to_string(), line.text]));
    }
    let result: Vec<_> =
        streams.into_iter().rev().map(|(stream, values)| json!({"stream": stream, "values": values})).collect();
    Ok(Json(json!({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})))
}

struct Served {
    url: String,
    loki: Shared,
}

async fn served() -> Served {
    let loki = Shared::default();
    let router = Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/loki/api/v1/query_range", get(query_range))
        .with_state(loki.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served { url, loki }
}

impl Served {
    fn store(&self) -> Loki {
        Loki::at(self.url.clone()).tenant("swarm").poll(Duration::from_millis(10)).build().unwrap()
    }
}

fn agent(id: &str) -> AgentId {
    AgentId::parse(id).unwrap()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn line(timestamp: i64, message: &str) -> Line<'_> {
    Line { timestamp, stream: Stream::Stdout, level: Level::Info, message, trace_id: None, fields: "", cut: false }
}

async fn append(store: &Loki, id: &str, lines: &[Line<'_>]) {
    let mut batch = Batch::default();
    let agent = batch.lines_of(&Owner { agent_id: agent(id), user_id: None });
    lines.iter().for_each(|line| agent.push(line));
    store.append(batch).await.unwrap();
}

fn read(direction: Direction, limit: usize) -> Read {
    Read { agent: agent("a"), filter: Filter::default(), start: Start::Outside, direction, limit }
}

/// The messages of all pages.
async fn all(store: &Loki, mut read: Read) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        let page = store.read(read.clone()).await.unwrap();
        assert!(page.found.len() <= read.limit);
        messages.extend(page.found.into_iter().map(|found| found.entry.message));
        if page.done {
            return messages;
        }
        read.start = Start::After(page.ended);
    }
}

#[tokio::test]
async fn pages_join_without_gap_or_repeat_whatever_times_are_equal() {
    let served = served().await;
    let store = served.store();
    let begin = now() - 1_000_000;
    // A few lines at each of a few times, and very many at one.
    let texts: Vec<_> = (0..700).map(|n| format!("{n:04}{}", "x".repeat(n % 13))).collect();
    let time = |n: usize| begin + if (300..600).contains(&n) { 300 } else { n as i64 / 3 };
    let lines: Vec<_> = texts.iter().enumerate().map(|(n, text)| line(time(n), text)).collect();
    append(&store, "a", &lines).await;
    append(&store, "b", &[line(begin, "another")]).await;
    for limit in [1_000, 333, 40] {
        let forward = all(&store, read(Direction::Forward, limit)).await;
        let mut backward = all(&store, read(Direction::Backward, limit)).await;
        backward.reverse();
        assert!(forward == backward, "one order in both directions");
        let mut sorted = forward.clone();
        sorted.sort();
        assert!(sorted == texts, "{} lines with pages of {limit}", sorted.len());
    }
    assert!(served.loki.lock().unwrap().limits.last().is_some_and(|most| *most <= 5_000));
    let newest = store.read(read(Direction::Backward, 5)).await.unwrap();
    let on = Read { start: Start::After(newest.began), ..read(Direction::Forward, 100) };
    assert!(store.read(on.clone()).await.unwrap().found.is_empty());
    append(&store, "a", &[line(now(), "new")]).await;
    assert_eq!(all(&store, on).await, ["new"]);
}

#[tokio::test]
async fn what_is_pushed_comes_back_as_it_was() {
    let served = served().await;
    let store = served.store();
    let at = now() - 1_000;
    let lines = [
        line(at, "plain \"text\"\n"),
        Line { stream: Stream::Stderr, level: Level::Error, cut: true, ..line(at + 1, "bad") },
        Line {
            trace_id: TraceId::parse(TRACE),
            level: Level::Debug,
            fields: r#"{"n":[1,2],"s":"x"}"#,
            ..line(at + 2, "traced")
        },
        line(at + 3, r#"{"message":"a text that looks like JSON"}"#),
        line(at + 4, ""),
    ];
    append(&store, "a", &lines).await;
    let page = store.read(read(Direction::Forward, 10)).await.unwrap();
    let entries: Vec<_> = page.found.iter().map(|found| serde_json::to_value(&found.entry).unwrap()).collect();
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (at..at + 5).collect::<Vec<_>>());
    let members = |entry: &Value| {
        let mut entry = entry.as_object().unwrap().clone();
        entry.retain(|name, _| name != "timestamp" && name != "seq");
        Value::Object(entry)
    };
    assert_eq!(members(&entries[0]), json!({"level": "info", "message": "plain \"text\"\n"}));
    assert_eq!(members(&entries[1]), json!({"level": "error", "message": "bad", "stream": "stderr", "cut": true}));
    assert_eq!(
        members(&entries[2]),
        json!({"level": "debug", "message": "traced", "trace_id": TRACE, "fields": {"n": [1, 2], "s": "x"}})
    );
    assert_eq!(
        members(&entries[3]),
        json!({"level": "info", "message": "{\"message\":\"a text that looks like JSON\"}"})
    );
    assert_eq!(members(&entries[4]), json!({"level": "info", "message": ""}));

    let found = async |filter: Filter| {
        let wish = Read { filter, ..read(Direction::Forward, 10) };
        store.read(wish).await.unwrap().found.iter().map(|found| found.cursor.at as i64 - at).collect::<Vec<_>>()
    };
    assert_eq!(found(Filter { level: Some(Level::Warn), ..Filter::default() }).await, [1]);
    assert_eq!(found(Filter { trace_id: TraceId::parse(TRACE), ..Filter::default() }).await, [2]);
    assert_eq!(found(Filter { q: Some("\"text\"".to_owned()), ..Filter::default() }).await, [0]);
    assert_eq!(found(Filter { q: Some("tex".to_owned()), ..Filter::default() }).await, [0, 3]);
    assert_eq!(
        found(Filter { q: Some("level".to_owned()), ..Filter::default() }).await,
        [0; 0],
        "how it is written is no text of it"
    );
}

#[tokio::test]
async fn what_vector_sends_is_read_too() {
    let served = served().await;
    let at = now();
    let body = json!({"streams": [{
        "stream": {"stream": "agent", "service": "agent", "level": "warn", "namespace": "swarm-agents"},
        "values": [[at.to_string(), format!(r#"{{"timestamp":"x","level":"WARN","message":"hello","trace_id":"{TRACE}","n":1}}"#), {"agent_id": "a", "user_id": "u"}]],
    }]});
    push(
        State(served.loki.clone()),
        HeaderMap::from_iter([("x-scope-orgid".parse().unwrap(), "swarm".parse().unwrap())]),
        Json(body),
    )
    .await
    .unwrap();
    let wish =
        Read { filter: Filter { level: Some(Level::Warn), ..Filter::default() }, ..read(Direction::Backward, 10) };
    let page = served.store().read(wish).await.unwrap();
    let entry = serde_json::to_value(&page.found[0].entry).unwrap();
    assert_eq!(
        (&entry["level"], &entry["message"], &entry["trace_id"]),
        (&json!("warn"), &json!("hello"), &json!(TRACE))
    );
    assert_eq!(entry["fields"], json!({"n": 1}));
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let served = served().await;
    append(&served.store(), "a", &[line(now(), "of swarm")]).await;
    let other = Loki::at(served.url.clone()).tenant("other").build().unwrap();
    assert!(all(&other, read(Direction::Forward, 10)).await.is_empty());
    let none = Loki::at(served.url.clone()).build().unwrap();
    let err = none.read(read(Direction::Forward, 10)).await.unwrap_err();
    assert_eq!(err.to_string(), "Loki does not answer as it should: status 401");
}

#[tokio::test]
async fn a_push_that_may_succeed_later_is_an_error_and_one_that_never_will_is_not() {
    let served = served().await;
    let store = served.store();
    let mut batch = Batch::default();
    batch.lines_of(&Owner { agent_id: agent("a"), user_id: None }).push(&line(now(), "x"));
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::INTERNAL_SERVER_ERROR] {
        served.loki.lock().unwrap().refusal = Some(status);
        assert!(matches!(store.append(batch.clone()).await, Err(StoreError::Remote { .. })));
    }
    served.loki.lock().unwrap().refusal = Some(StatusCode::BAD_REQUEST);
    store.append(batch).await.unwrap();
}

#[tokio::test]
async fn nothing_is_there_from_now_on_if_nothing_was_wanted() {
    let served = served().await;
    let store = served.store();
    append(&store, "a", &[line(now() - 1_000, "old")]).await;
    let page = store.read(read(Direction::Backward, 0)).await.unwrap();
    append(&store, "a", &[line(now(), "new")]).await;
    assert!(page.began > Cursor::default());
    let on = Read { start: Start::After(page.began), ..read(Direction::Forward, 10) };
    assert_eq!(all(&store, on).await, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_forgot_where_it_was_pushes_nothing_twice() {
    let served = served().await;
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let at = |n: i64| jiff::Timestamp::from_nanosecond(i128::from(now() - 60_000_000_000 + n * 1_000_000)).unwrap();
    // Loki takes no lines that are too old: these are new.
    let text: String = (0..100).map(|n| format!("{} stdout F line {n}\n", at(n))).collect();
    std::fs::write(logs.join("agent-a_swarm-agents_main-1.log"), text).unwrap();
    for checkpoints in [None, None, Some(root.path().join("checkpoints")), Some(root.path().join("checkpoints"))] {
        let mut store = Loki::at(served.url.clone()).tenant("swarm");
        if let Some(file) = checkpoints {
            store = store.checkpoints(file);
        }
        let collector = Collector::of_directory(&logs, PodName::with_prefix("agent-"));
        let collecting = collector.start(Arc::new(store.build().unwrap())).unwrap();
        tokio::task::spawn_blocking(|| collecting.stop()).await.unwrap();
    }
    assert!(root.path().join("checkpoints").exists());
    let messages = all(&served.store(), read(Direction::Forward, 30)).await;
    assert_eq!(messages, (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_interface_over_a_loki_pages_and_follows() {
    let served = served().await;
    let store = served.store();
    let begin = now() - 1_000_000;
    let texts: Vec<_> = (0..25).map(|n| n.to_string()).collect();
    let lines: Vec<_> = texts.iter().enumerate().map(|(n, text)| line(begin + n as i64 / 4, text)).collect();
    append(&store, "a", &lines).await;
    let owners = HashMap::from([(agent("a"), UserId::parse("u").unwrap())]);
    let tokens = BearerTokens::new().with("t", UserId::parse("u").unwrap());
    let api = LogsApi::new(Arc::new(store.clone()), tokens, owners, TokenKey::from_bytes([1; 32]));
    let router = api.limits(Limits::default().requests(1_000, 1_000)).router();
    let request = |path: &str| {
        http::Request::get(path).header("authorization", "Bearer t").body(axum::body::Body::empty()).unwrap()
    };
    let get = async |path: &str| -> Value {
        let response = router.clone().oneshot(request(path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    };
    let mut page = get("/v1/agents/a/logs?tail=10&order=desc").await;
    let mut messages = Vec::new();
    loop {
        messages
            .extend(page["logs"].as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()));
        let Some(token) = page["next_token"].as_str() else { break };
        page = get(&format!("/v1/agents/a/logs?tail=10&order=desc&next_token={token}")).await;
    }
    messages.sort_by_key(|message| message.parse::<u32>().unwrap());
    assert_eq!(messages, texts);
    let response = router.clone().oneshot(request("/v1/agents/a/logs?follow=1&tail=1")).await.unwrap();
    append(&store, "a", &[line(now(), "the newest")]).await;
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("the newest") {
        text.push_str(str::from_utf8(&body.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap());
    }
    assert_eq!(text.matches("data:").count(), 2);
}
