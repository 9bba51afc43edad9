//! Spans before a receiver that is not ours and that misbehaves: what is accepted is acknowledged or counted as lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use obs_runtime::config::{ObservabilityConfig, OtlpProtocol, SpanEvents};
use obs_runtime::tracing::Span;
use obs_runtime::{Report, Telemetry, correlated, info, info_span, observed, record, warn};
use serde_json::Value;

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp_receiver.py");

/// The receiver in a process of its own; it ends with this.
struct Receiver {
    process: Child,
    protocol: OtlpProtocol,
    port: u16,
    journal: PathBuf,
}

impl Receiver {
    /// `None` where there is no Python with the official protos.
    fn start(protocol: OtlpProtocol, answers: &[&str]) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("otlp-{}-{}.jsonl", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let journal = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_file(&journal);
        Self::listen(protocol, journal, 0, answers)
    }

    fn listen(protocol: OtlpProtocol, journal: PathBuf, port: u16, answers: &[&str]) -> Option<Self> {
        let python = tests::python("opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc")?;
        let mut process = Command::new(python)
            .arg(RECEIVER)
            .arg(if protocol == OtlpProtocol::Grpc { "grpc" } else { "http" })
            .arg(&journal)
            .arg(port.to_string())
            .args(answers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("no port: {line:?}"));
        Some(Receiver { process, protocol, port, journal })
    }

    /// Another one at the same address, once this one is gone.
    fn again(mut self, answers: &[&str]) -> Self {
        self.process.wait().expect("it is ours");
        Self::listen(self.protocol, self.journal.clone(), self.port, answers).expect("it was there before")
    }

    fn config(&self) -> ObservabilityConfig {
        ObservabilityConfig {
            otlp_endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            otlp_protocol: self.protocol,
            otlp_delay: Duration::from_millis(20),
            // So that there are several requests.
            otlp_batch: 256,
            ..ObservabilityConfig::default()
        }
    }

    fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.journal).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
    }

    /// Waits until so many requests have been seen.
    fn wait_for(&self, requests: usize) {
        let deadline = Instant::now() + LONG;
        while self.requests().len() < requests {
            assert!(Instant::now() < deadline, "{} requests", self.requests().len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const LONG: Duration = Duration::from_secs(60);

fn telemetry(config: ObservabilityConfig) -> Telemetry {
    Telemetry::builder("faults").config(config).log_writer(std::io::sink()).build().expect("nothing is wrong")
}

fn work(telemetry: &Telemetry, spans: usize) {
    telemetry.in_scope(|| (0..spans).for_each(|_| drop(info_span!("work").entered())));
}

/// What the journal and the report must say of so many spans, whatever happened.
#[track_caller]
fn balanced(offered: u64, report: &Report, requests: &[Value]) {
    assert_eq!(report.spans_sent + report.spans_lost, offered, "{report:?}");
    let acknowledged: u64 = requests.iter().map(|request| request["acknowledged"].as_u64().expect("a number")).sum();
    assert_eq!(report.spans_sent, acknowledged, "{report:?}");
    let mut taken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for request in requests {
        let answer = request["answer"].as_str().expect("text");
        for span in request["spans"].as_array().expect("spans") {
            taken.entry(span["span_id"].as_str().expect("an id")).or_default().push(answer);
        }
    }
    for answers in taken.values() {
        // A span comes again only after an answer that did not arrive, or that said no.
        let settled = |answer: &&&str| ["take", "slow", "together", "partial", "refuse"].contains(*answer);
        assert!(answers.iter().filter(settled).count() <= 1, "{answers:?}");
        assert!(answers.iter().rev().skip(1).all(|answer| !settled(&answer)), "{answers:?}");
    }
    assert!(requests.iter().all(|request| request["whole"] == true), "the official definition knows all of it");
}

/// Receivers that answer so, one for each protocol; none where there is no Python with the official protos.
fn receivers(answers: &[&str]) -> impl Iterator<Item = Receiver> {
    [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf].into_iter().filter_map(|it| Receiver::start(it, answers))
}

/// Runs so many spans past receivers that answer so.
fn past(answers: &[&str], timeout: Duration, spans: usize) -> impl Iterator<Item = (Report, Vec<Value>)> {
    receivers(answers).map(move |receiver| {
        let telemetry = telemetry(ObservabilityConfig { otlp_timeout: timeout, ..receiver.config() });
        work(&telemetry, spans);
        let report = telemetry.shutdown(LONG);
        let requests = receiver.requests();
        balanced(spans as u64, &report, &requests);
        (report, requests)
    })
}

#[test]
fn a_receiver_that_takes_gets_every_span_once() {
    for (report, requests) in past(&["take"], LONG, 3_000) {
        assert_eq!(report.spans_sent, 3_000);
        let ids: BTreeSet<_> = requests
            .iter()
            .flat_map(|request| request["spans"].as_array().expect("spans"))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|span| span["span_id"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids.len(), 3_000);
    }
}

#[test]
fn one_that_is_slow_gets_all_that_there_is_room_for() {
    for (report, _) in past(&["slow:0.03"], LONG, 5_000) {
        assert_eq!(report.spans_sent, 5_000, "{report:?}");
    }

    for receiver in receivers(&["slow:0.03"]) {
        let telemetry = telemetry(ObservabilityConfig { otlp_queue_bytes: 256 << 10, ..receiver.config() });
        work(&telemetry, 20_000);
        let report = telemetry.shutdown(LONG);
        balanced(20_000, &report, &receiver.requests());
        assert!(report.spans_sent > 500 && report.spans_lost > 0, "{report:?}");
    }
}

#[test]
fn one_that_takes_gets_the_next_request_before_it_has_answered() {
    let answers = ["take", "together:4", "together:4", "together:4", "together:4", "take"];
    for (report, _) in past(&answers, LONG, 3_000) {
        assert_eq!(report.spans_sent, 3_000, "{report:?}");
    }
}

#[test]
fn one_that_is_not_ready_or_full_for_a_moment_loses_nothing() {
    for (report, requests) in past(&["unavailable", "full:0.05", "unavailable", "take"], LONG, 700) {
        assert_eq!(report.spans_sent, 700, "{report:?}");
        assert!(requests.len() >= 4);
    }
}

#[test]
fn one_that_refuses_or_is_full_for_good_is_not_asked_again() {
    for (report, requests) in past(&["refuse", "full", "take"], LONG, 1_200) {
        assert!(report.spans_lost > 0 && report.spans_sent > 0, "{report:?}");
        assert!(!report.problems.is_empty());
        let refused: u64 =
            requests[..2].iter().map(|request| request["spans"].as_array().expect("spans").len() as u64).sum();
        assert_eq!(report.spans_lost, refused);
    }
}

#[test]
fn what_it_takes_in_part_is_counted_in_part() {
    for (report, _) in past(&["partial:7", "take"], LONG, 600) {
        assert_eq!((report.spans_sent, report.spans_lost), (593, 7));
    }
}

#[test]
fn a_lost_acknowledgement_sends_that_batch_twice_and_no_other() {
    for (report, requests) in past(&["take", "lose", "take"], LONG, 1_500) {
        assert_eq!(report.spans_sent, 1_500);
        let ids = |request: &Value| {
            let spans = request["spans"].as_array().expect("spans");
            spans.iter().map(|span| span["span_id"].to_string()).collect::<Vec<_>>()
        };
        let lost = requests.iter().find(|request| request["answer"] == "lose").expect("the second one");
        assert_eq!(requests.iter().filter(|request| ids(request) == ids(lost)).count(), 2, "the same batch once more");
    }
}

#[test]
fn one_that_never_answers_costs_its_batches_their_timeout_and_no_more() {
    for (report, _) in past(&["hang", "take"], Duration::from_millis(300), 600) {
        assert!(report.spans_lost > 0 && report.spans_sent > 0, "{report:?}");
    }
}

#[test]
fn one_that_is_killed_in_the_middle_and_comes_back_loses_nothing() {
    for receiver in receivers(&["take", "die"]) {
        // Until it is there again, however long a busy machine takes to start it.
        let telemetry = telemetry(ObservabilityConfig { otlp_timeout: LONG, ..receiver.config() });
        // One span is one request, however spans are put together.
        work(&telemetry, 1);
        telemetry.flush(LONG);
        work(&telemetry, 300);
        receiver.wait_for(2);
        let receiver = receiver.again(&["take"]);
        work(&telemetry, 300);
        let report = telemetry.shutdown(LONG);
        balanced(601, &report, &receiver.requests());
        assert_eq!((report.spans_sent, report.spans_lost), (601, 0), "{report:?}");
    }
}

#[test]
fn one_that_is_gone_for_good_does_not_take_memory_or_hold_up_the_end() {
    for receiver in receivers(&["take", "die"]) {
        let telemetry = telemetry(ObservabilityConfig { otlp_queue_bytes: 256 << 10, ..receiver.config() });
        work(&telemetry, 1);
        telemetry.flush(LONG);
        work(&telemetry, 1);
        receiver.wait_for(2);
        work(&telemetry, 20_000);
        let begin = Instant::now();
        let report = telemetry.shutdown(Duration::from_millis(200));
        assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
        balanced(20_002, &report, &receiver.requests());
        assert_eq!(report.spans_sent, 1);
    }
}

#[correlated]
#[observed(name = "agent.create", kind = "server", user_id, size, ratio = 0.5, late(agent_id), links = &others)]
fn create(headers: &http::HeaderMap, user_id: &str, size: i64, others: Vec<Span>) -> Result<(), String> {
    let _ = headers;
    record!(agent_id = "a1");
    info!("creating");
    warn!(node = "n1", attempts = 2, "no room");
    Err("no node has room".to_owned())
}

/// Every field of a span of the official definition, but for the attributes of links, which ours have none of.
#[test]
fn every_field_says_what_the_code_did() {
    for receiver in receivers(&["take"]) {
        let config =
            ObservabilityConfig { span_events: SpanEvents::Warn, event_attribute_limit: 2, ..receiver.config() };
        let telemetry = telemetry(config);
        let headers: http::HeaderMap = [("traceparent", TRACEPARENT), ("tracestate", "vendor=1")]
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("ASCII")))
            .collect();
        let before = now();
        telemetry.in_scope(|| {
            let other = info_span!("other");
            create(&headers, "u1", 3, vec![other]).expect_err("on purpose");
        });
        let after = now();
        assert_eq!(telemetry.shutdown(LONG).spans_sent, 2);

        let requests = receiver.requests();
        let spans: Vec<&Value> =
            requests.iter().flat_map(|request| request["spans"].as_array().expect("spans")).collect();
        let named = |name: &str| *spans.iter().find(|span| span["name"] == name).expect("it arrived");
        let (span, other) = (named("agent.create"), named("other"));
        assert_eq!(span["trace_id"], TRACEPARENT[3..35]);
        assert_eq!(span["parent_span_id"], TRACEPARENT[36..52]);
        assert_eq!(span["trace_state"], "vendor=1");
        assert_eq!(span["flags"], 0x301, "sampled, and the parent is known to be remote");
        assert_eq!(span["kind"], 2, "server");
        assert_eq!(span["scope"], module_path!());
        assert_eq!(span["span_id"].as_str().map(str::len), Some(16));
        let (start, end) = (span["start_time_unix_nano"].as_u64(), span["end_time_unix_nano"].as_u64());
        assert!(before <= start && start < end && end <= after, "{before:?} {start:?} {end:?} {after:?}");
        assert_eq!(span["status"], serde_json::json!({"code": 2, "message": "no node has room"}));
        let attributes: Vec<String> = (span["attributes"].as_array().expect("attributes").iter())
            .map(|pair| format!("{}={}", pair[0].as_str().expect("a key"), pair[1]))
            .collect();
        let expected = [
            r#"user_id={"string_value":"u1"}"#,
            r#"size={"int_value":3}"#,
            r#"ratio={"double_value":0.5}"#,
            r#"agent_id={"string_value":"a1"}"#,
            r#"outcome={"string_value":"error"}"#,
            r#"error={"string_value":"no node has room"}"#,
        ];
        assert!(attributes[0].starts_with("request_id="), "none came, so one was made");
        assert_eq!(attributes[1..7], expected);
        assert!(attributes.iter().any(|pair| pair.starts_with("error.type=")));
        assert!(attributes.iter().any(|pair| *pair == format!(r#"code.file.path={{"string_value":"{}"}}"#, file!())));
        assert!(attributes.iter().any(|pair| pair.starts_with(r#"code.line.number={"int_value":"#)));
        assert_eq!((&span["dropped_attributes_count"], &span["dropped_events_count"]), (&0.into(), &0.into()));
        let [warned, failed] = &span["events"].as_array().expect("events")[..] else { panic!("{span}") };
        assert_eq!((&warned["name"], &failed["name"]), (&"no room".into(), &"agent.create failed".into()));
        assert_eq!(
            warned["attributes"].to_string(),
            r#"[["level",{"string_value":"warn"}],["node",{"string_value":"n1"}]]"#
        );
        assert_eq!(warned["dropped_attributes_count"], 1);
        let time = warned["time_unix_nano"].as_u64();
        assert!(before <= time && time <= after);
        assert_eq!(span["links"], serde_json::json!([{"trace_id": other["trace_id"], "span_id": other["span_id"]}]));
        assert_eq!(span["dropped_links_count"], 0);
        assert_eq!((&other["kind"], &other["status"]["code"], &other["flags"]), (&1.into(), &0.into(), &0x103.into()));
        assert_eq!(other["parent_span_id"], "");
        let resource = requests[0]["resource"].to_string();
        assert!(resource.contains(r#"["service.name",{"string_value":"faults"}]"#), "{resource}");
        assert!(requests.iter().all(|request| request["whole"] == true));
    }

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// To the microsecond: both sides read clocks of their own.
    fn now() -> Option<u64> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        u64::try_from(now.as_nanos()).ok()
    }
}
