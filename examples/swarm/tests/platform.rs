//! What telemetry says of one run of the whole platform, seen from outside: its processes are real, its spans come over
//! OTLP, its log lines from files, its metrics over HTTP.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use swarm::collect::span::Span;
use swarm::collect::tree;
use swarm::drive::evidence::Evidence;
use swarm::drive::platform::{LogLine, Platform, Scrape};
use swarm::drive::workload::{self, Workload};

const PROGRAM: &str = env!("CARGO_BIN_EXE_swarm");
/// How long anything may take to show.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run that is over, with everything it left.
struct Run {
    workload: Workload,
    evidence: Evidence,
    spans: Vec<Span>,
    lines: Vec<LogLine>,
    scrapes: Vec<Scrape>,
    /// The pod of the created agent, as Kubernetes would be told of it.
    manifest: Value,
    /// The environment of its process.
    environment: BTreeMap<String, String>,
    ended: Vec<(String, Option<ExitStatus>)>,
}

/// The one run that all tests here look at.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| tokio::runtime::Runtime::new().unwrap().block_on(record()))
}

async fn record() -> Run {
    let directory = Directory::new();
    let platform = Platform::start(Path::new(PROGRAM), &directory.0, &[]).await.unwrap();
    let workload = workload::run(&platform).await.unwrap();
    let evidence = Evidence::gather(&platform, &workload, PATIENCE).await.unwrap();
    let scrapes = until("nothing is in flight", async || {
        let scrapes = platform.scrapes().await.unwrap();
        in_flight(&scrapes).is_empty().then_some(scrapes)
    })
    .await;
    let agent_id = workload.created.agent_id();
    let pods = platform.pods().await.unwrap();
    let pod = pods.iter().find(|pod| pod.agent_id.as_str() == agent_id).expect("the agent runs");
    let run = Run {
        spans: platform.spans().await.unwrap(),
        lines: platform.log_lines().unwrap(),
        manifest: platform.manifest(agent_id).unwrap(),
        environment: environment_of(pod.process_id),
        scrapes,
        evidence,
        workload,
        ended: Vec::new(),
    };
    Run { ended: platform.stop().await, ..run }
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Directory(std::env::temp_dir().join(format!("swarm-test-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks again and again until there is an answer.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn in_flight(scrapes: &[Scrape]) -> Vec<String> {
    let busy = |scrape: &Scrape| {
        let found = scrape.samples.find("operations_in_flight", &[]).filter(|sample| sample.value != 0.0);
        found.map(|sample| format!("{}: {sample:?}", scrape.service)).collect::<Vec<_>>()
    };
    scrapes.iter().flat_map(busy).collect()
}

#[cfg(target_os = "linux")]
fn environment_of(process_id: u32) -> BTreeMap<String, String> {
    let bytes = std::fs::read(format!("/proc/{process_id}/environ")).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(not(target_os = "linux"))]
fn environment_of(_: u32) -> BTreeMap<String, String> {
    BTreeMap::new()
}

impl Run {
    fn sum(&self, service: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
        let scrapes = self.scrapes.iter().filter(|scrape| scrape.service == service);
        scrapes.filter_map(|scrape| scrape.samples.sum(name, labels)).sum()
    }

    /// The trace of the client that created the agent and talked to it.
    fn trace_id(&self) -> String {
        self.workload.client.trace_id.to_string()
    }

    /// The spans below a request, which all name it.
    fn spans_of(&self, request_id: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.text("request_id") == Some(request_id)).collect()
    }

    /// Those of the agent's creation.
    fn creation(&self) -> Vec<&Span> {
        self.spans_of(&self.workload.created.request_id)
    }
}

fn service_of(file: &str) -> String {
    format!("swarm-{}", file.split('-').next().unwrap_or_default())
}

#[test]
fn nothing_that_must_be_there_is_missing() {
    assert_eq!(run().evidence.missing, Vec::<String>::new());
}

#[test]
fn one_request_is_one_tree_across_the_four_services() {
    let run = run();
    let spans: Vec<_> = run.creation().into_iter().cloned().collect();
    let services: BTreeSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
    let four = ["swarm-agent", "swarm-control", "swarm-gateway", "swarm-scheduler"];
    assert_eq!(services, BTreeSet::from(four), "\n{}", tree::render(&spans));
    assert!(spans.len() >= 6, "\n{}", tree::render(&spans));
    let roots = tree::roots(&spans);
    assert_eq!(roots.len(), 1, "\n{}", tree::render(&spans));
    let root = roots[0];
    assert_eq!((root.service.as_str(), root.kind.as_str()), ("swarm-gateway", "server"));
    assert_eq!(root.name, "POST /v1/agents");
    // Every line of the picture is one of the spans: none hangs in a circle.
    assert_eq!(tree::render(&spans).lines().count(), spans.len());
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "a span was sent twice");
}

#[test]
fn the_trace_of_a_client_goes_through_every_service_and_every_span_in_it_names_its_request() {
    let run = run();
    let (created, session) = (&run.workload.created.request_id, &run.workload.session.request.request_id);
    let theirs: Vec<_> = run.spans.iter().filter(|span| span.trace_id == run.trace_id()).collect();
    for (request_id, services) in [
        (created, &["swarm-agent", "swarm-control", "swarm-gateway", "swarm-scheduler"][..]),
        (session, &["swarm-agent", "swarm-control", "swarm-gateway"]),
    ] {
        let spans = run.spans_of(request_id);
        let of: BTreeSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
        assert_eq!(of, BTreeSet::from_iter(services.iter().copied()));
        let spans: Vec<_> = spans.into_iter().cloned().collect();
        for root in tree::roots(&spans) {
            assert_eq!(root.parent_id, Some(run.workload.client.span_id.to_string()), "{}", root.name);
        }
        for span in &spans {
            assert_eq!(span.trace_id, run.trace_id(), "{} of {}", span.name, span.service);
            assert_eq!(Some(span.trace_state.as_str()), run.workload.client.state.as_deref(), "{}", span.name);
        }
    }
    let unnamed: Vec<_> = theirs
        .iter()
        .filter(|span| ![Some(created.as_str()), Some(session)].contains(&span.text("request_id")))
        .map(|span| format!("{} of {}", span.name, span.service))
        .collect();
    assert_eq!(unnamed, Vec::<String>::new());
    // Who says nothing begins a trace.
    let anas = run.workload.sent.iter().find(|sent| sent.user_id == "ana" && sent.method == "POST").unwrap();
    let spans: Vec<_> = run.spans_of(&anas.request_id).into_iter().cloned().collect();
    assert!(tree::roots(&spans).iter().all(|root| root.parent_id.is_none() && root.trace_id != run.trace_id()));
}

#[test]
fn servers_hang_under_the_clients_that_called_them() {
    let run = run();
    let spans = run.creation();
    let is_clients = |span: &Span| span.parent_id == Some(run.workload.client.span_id.to_string());
    for server in spans.iter().filter(|span| span.kind == "server" && !is_clients(span)) {
        let parent = spans.iter().find(|span| Some(&span.span_id) == server.parent_id.as_ref()).unwrap();
        assert_eq!(parent.kind, "client", "{} hangs under {}", server.name, parent.name);
        assert_ne!(parent.service, server.service);
    }
    let boot = spans.iter().find(|span| span.name == "boot").unwrap();
    let parent = spans.iter().find(|span| Some(&span.span_id) == boot.parent_id.as_ref()).unwrap();
    assert_eq!((parent.service.as_str(), parent.name.as_str()), ("swarm-scheduler", "create_pod"));
}

#[test]
fn every_log_line_of_the_request_names_its_trace_and_span_and_request() {
    let run = run();
    let (spans, trace_id) = (run.creation(), run.trace_id());
    let request_id = run.workload.created.request_id.as_str();
    let lines: Vec<_> = run.lines.iter().filter(|line| line.text("request_id") == Some(request_id)).collect();
    assert!(lines.len() >= 8, "{} lines", lines.len());
    for line in &lines {
        assert_eq!(line.text("trace_id"), Some(trace_id.as_str()), "{}", line.raw);
        let span = spans.iter().find(|span| Some(span.span_id.as_str()) == line.text("span_id"));
        let span = span.unwrap_or_else(|| panic!("its span was not exported: {}", line.raw));
        assert_eq!(span.service, service_of(&line.file), "{}", line.raw);
    }
    // And the other way round.
    let session = run.workload.session.request.request_id.as_str();
    for line in run.lines.iter().filter(|line| line.text("trace_id") == Some(&trace_id)) {
        assert!([Some(request_id), Some(session)].contains(&line.text("request_id")), "{}", line.raw);
    }
    let files: BTreeSet<_> = lines.iter().map(|line| service_of(&line.file)).collect();
    assert_eq!(files.len(), 4, "{files:?}");
}

#[test]
fn a_log_line_stands_in_the_span_that_wrote_it() {
    let run = run();
    let spans = run.creation();
    let span_of = |message: &str| {
        let line = run.evidence.lines.iter().find(|line| line.text("message") == Some(message));
        let line = line.unwrap_or_else(|| panic!("nobody wrote {message:?}"));
        spans.iter().find(|span| Some(span.span_id.as_str()) == line.text("span_id")).unwrap().name.as_str()
    };
    assert_eq!(span_of("Agent requested"), "create_agent");
    assert_eq!(span_of("Creating agent"), "create_agent");
    assert_eq!(span_of("Agent created"), "create_agent");
    assert_eq!(span_of("Scheduling agent"), "schedule_agent");
    assert_eq!(span_of("Agent booting"), "boot");
    assert_eq!(span_of("Model loaded"), "load_model");
}

#[test]
fn a_message_is_below_its_session_and_that_below_its_request_down_into_the_agent() {
    let run = run();
    let session = &run.workload.session;
    for message in &session.messages {
        let branch = tree::branch(&run.evidence.session_spans, "message_id", &message.message_id);
        let answer = branch.iter().find(|span| span.name == "ask_model").expect("the agent's span");
        let above = tree::upwards(&branch, answer);
        let names: Vec<_> = above.iter().rev().map(|span| (span.service.as_str(), span.name.as_str())).collect();
        let expected = [
            ("swarm-gateway", "GET /v1/agents/{agent_id}/session"),
            ("swarm-gateway", "open_session"),
            ("swarm-gateway", "websocket session"),
            ("swarm-gateway", "converse"),
            ("swarm-gateway", "websocket message"),
            ("swarm-gateway", "exchange"),
            ("swarm-gateway", "agent.send_message"),
            ("swarm-agent", "POST /messages"),
            ("swarm-agent", "answer"),
            ("swarm-agent", "ask_model"),
        ];
        assert_eq!(names, expected);
        // Each id is on the span that it begins with, and on every one below.
        for (key, id, begin) in [
            ("request_id", &session.request.request_id, 0),
            ("session_id", &session.session_id, 2),
            ("message_id", &message.message_id, 4),
        ] {
            for (level, span) in above.iter().rev().enumerate() {
                assert_eq!(span.text(key), (level >= begin).then_some(id.as_str()), "{key} of {}", span.name);
            }
        }
        assert!(above.iter().all(|span| span.text("outcome") == Some("ok")));
    }
}

#[test]
fn every_log_line_of_a_message_names_trace_span_request_session_and_message() {
    let run = run();
    let session = &run.workload.session;
    let (spans, trace_id) = (run.spans_of(&session.request.request_id), run.trace_id());
    for message in &session.messages {
        let mut services = BTreeSet::new();
        for line in run.lines.iter().filter(|line| line.text("message_id") == Some(&message.message_id)) {
            assert_eq!(line.text("trace_id"), Some(trace_id.as_str()), "{}", line.raw);
            assert_eq!(line.text("request_id"), Some(session.request.request_id.as_str()), "{}", line.raw);
            assert_eq!(line.text("session_id"), Some(session.session_id.as_str()), "{}", line.raw);
            assert_eq!(line.text("agent_id"), Some(run.workload.created.agent_id()), "{}", line.raw);
            assert_eq!(line.text("user_id"), Some("ben"), "{}", line.raw);
            let span = spans.iter().find(|span| Some(span.span_id.as_str()) == line.text("span_id"));
            services.insert(span.unwrap_or_else(|| panic!("its span was not exported: {}", line.raw)).service.as_str());
        }
        assert_eq!(services, BTreeSet::from(["swarm-agent", "swarm-gateway"]), "{}", message.message_id);
        assert!(message.answer.contains(&message.text), "{}", message.answer);
    }
    assert_eq!(session.messages[0].message_id, "m-1", "the user's own id");
    assert_eq!(session.messages[1].message_id.len(), 36, "an id of the gateway's");
    // What control says of the session bears its id too, and no message's.
    let of_control: Vec<_> = run
        .lines
        .iter()
        .filter(|line| line.file == "control" && line.text("session_id") == Some(&session.session_id))
        .collect();
    assert!(of_control.len() >= 2 && of_control.iter().all(|line| !line.fields.contains_key("message_id")));
}

#[test]
fn sessions_and_messages_are_counted() {
    let run = run();
    let gateway = |name: &str, labels: &[(&str, &str)]| run.sum("swarm-gateway", name, labels);
    assert_eq!(gateway("sessions_total", &[]), 1.0);
    assert_eq!(gateway("session_duration_seconds_count", &[]), 1.0);
    for direction in ["inbound", "outbound"] {
        assert_eq!(gateway("websocket_messages_total", &[("direction", direction)]), 2.0, "{direction}");
    }
    let agent = [("agent_id", run.workload.created.agent_id())];
    assert_eq!(run.sum("swarm-control", "agent_sessions_total", &agent), 1.0);
    // All are over, and say so rather than nothing.
    for (service, name, labels) in [
        ("swarm-gateway", "sessions_active", &[][..]),
        ("swarm-gateway", "websocket_connections_active", &[]),
        ("swarm-control", "user_sessions_active", &[("user_id", "ana")]),
        ("swarm-control", "user_sessions_active", &[("user_id", "ben")]),
    ] {
        let scrape = run.scrapes.iter().find(|scrape| scrape.service == service).unwrap();
        assert_eq!(scrape.samples.sum(name, labels), Some(0.0), "{name}");
    }
}

#[test]
fn log_lines_name_the_user_always_and_the_agent_once_it_is_known() {
    let run = run();
    let agent_id = run.workload.created.agent_id();
    assert_ne!(agent_id, "");
    let mut known = BTreeSet::new();
    for line in &run.evidence.lines {
        assert_eq!(line.text("user_id"), Some("ben"), "{}", line.raw);
        if let Some(named) = line.text("agent_id") {
            assert_eq!(named, agent_id, "{}", line.raw);
            known.insert(&line.file);
        }
        assert!(line.fields.contains_key("agent_id") || !known.contains(&line.file), "{}", line.raw);
    }
    assert_eq!(known.len(), 4, "each of the four services learns the agent's id");
}

#[test]
fn the_pod_and_the_environment_of_the_agent_carry_the_trace() {
    let run = run();
    let spans = run.creation();
    let create_pod = spans.iter().find(|span| span.name == "create_pod").unwrap();
    let annotations = &run.manifest["metadata"]["annotations"];
    let expected = format!("00-{}-{}-", run.trace_id(), create_pod.span_id);
    let traceparent = annotations["traceparent"].as_str().expect("an annotation `traceparent`");
    assert!(traceparent.starts_with(&expected), "{traceparent} is not {expected}…");
    assert_eq!(annotations["tracestate"].as_str(), run.workload.client.state.as_deref());
    assert_eq!(annotations["x-request-id"], run.workload.created.request_id.as_str());
    if cfg!(target_os = "linux") {
        assert_eq!(run.environment.get("TRACEPARENT").map(String::as_str), Some(traceparent));
        assert_eq!(run.environment.get("X_REQUEST_ID"), Some(&run.workload.created.request_id));
    }
}

#[test]
fn a_failure_is_logged_once_where_it_begins() {
    let run = run();
    let [error] = run.evidence.errors.as_slice() else { panic!("{} error lines", run.evidence.errors.len()) };
    assert_eq!(error.file, "scheduler");
    assert_eq!(error.text("target"), Some("swarm::scheduler::nodes"));
    assert_eq!(error.text("error"), Some("no node in region `atlantis` has 65536 MiB free"));
    assert_eq!(run.workload.failed.status, Some(503));
    assert_eq!(run.workload.failed.body["code"], "no_capacity");
    let spans = run.spans_of(&run.workload.failed.request_id);
    for (service, name) in [
        ("swarm-scheduler", "choose_node"),
        ("swarm-scheduler", "schedule_agent"),
        ("swarm-control", "create_agent"),
        ("swarm-gateway", "create_agent"),
    ] {
        let span = spans.iter().find(|span| span.service == service && span.name == name).unwrap();
        assert_eq!((span.text("outcome"), span.status.as_str()), (Some("error"), "error"), "{service} {name}");
    }
}

#[test]
fn a_client_that_goes_away_cancels_its_request_in_every_service() {
    let run = run();
    let cancelled: BTreeSet<_> =
        run.evidence.abandoned.iter().map(|span| (span.service.as_str(), span.name.as_str())).collect();
    let expected = [
        ("swarm-gateway", "POST /v1/agents"),
        ("swarm-gateway", "create_agent"),
        ("swarm-control", "POST /agents"),
        ("swarm-control", "create_agent"),
        ("swarm-scheduler", "swarm.scheduler.v1.Scheduler/ScheduleAgent"),
        ("swarm-scheduler", "pull_image"),
    ];
    for span in expected {
        assert!(cancelled.contains(&span), "{span:?} is not among {cancelled:?}");
    }
    let request_id = run.workload.abandoned.request_id.as_str();
    let told = run.lines.iter().filter(|line| line.text("request_id") == Some(request_id));
    let errors: Vec<_> = told.filter(|line| matches!(line.text("level"), Some("error" | "warn"))).collect();
    assert_eq!(errors.len(), 0, "{errors:?}");
}

#[test]
fn what_another_user_may_not_touch_looks_as_if_it_were_not_there() {
    let run = run();
    let refused = run.workload.sent.iter().find(|sent| sent.status == Some(404)).unwrap();
    assert_eq!(refused.body["code"], "not_found");
    let line = run
        .lines
        .iter()
        .find(|line| line.text("request_id") == Some(&refused.request_id) && line.text("error").is_some());
    let line = line.expect("control knows why");
    assert_eq!((line.file.as_str(), line.text("level")), ("control", Some("warn")));
    assert!(line.text("error").unwrap().contains("belongs to someone else"), "{}", line.raw);
}

#[test]
fn users_read_the_logs_of_their_agents_and_learn_nothing_of_others() {
    let run = run();
    let [bens, foreign, unknown] = &run.workload.logs[..] else { panic!("three users asked") };
    assert_eq!((bens.user_id.as_str(), bens.status), ("ben", 200));
    let answer: Value = serde_json::from_str(&bens.answer).unwrap();
    let messages: Vec<_> = answer["logs"].as_array().unwrap().iter().map(|entry| entry["message"].clone()).collect();
    assert_eq!(messages, ["Agent booting", "Agent introduced itself", "Agent ready"]);
    assert_eq!((foreign.status, unknown.status), (404, 404));
    assert_eq!(foreign.answer, unknown.answer);
    let asked = run.spans_of(&bens.request_id);
    let asked: Vec<_> = asked.iter().map(|span| (span.service.as_str(), span.name.as_str())).collect();
    for span in [
        ("swarm-gateway", "GET /v1/agents/{agent_id}/logs"),
        ("swarm-gateway", "control.agent_logs"),
        ("swarm-control", "GET /v1/agents/{agent_id}/logs"),
        ("swarm-control", "logs.admit"),
    ] {
        assert!(asked.contains(&span), "{span:?} is not among {asked:?}");
    }
    let audited: Vec<_> = run
        .lines
        .iter()
        .filter(|line| line.text("target") == Some("audit") && line.file == "control")
        .filter_map(|line| Some((line.text("request_id")?, line.text("user_id")?, line.text("error.type"))))
        .collect();
    for (read, user_id, refusal) in
        [(bens, "ben", None), (foreign, "cleo", Some("not_owner")), (unknown, "cleo", Some("agent_not_found"))]
    {
        assert!(audited.contains(&(&read.request_id, user_id, refusal)), "{audited:?}");
    }
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let run = run();
    let mut expected = BTreeMap::new();
    for sent in &run.workload.sent {
        let Some(status) = sent.status else { continue };
        let route = match sent.path.split('/').count() {
            3 => "/v1/agents",
            4 => "/v1/agents/{agent_id}",
            _ if sent.path.ends_with("/session") => "/v1/agents/{agent_id}/session",
            _ => "/v1/agents/{agent_id}/{change}",
        };
        *expected.entry((sent.method.to_string(), route, status.to_string())).or_insert(0.0) += 1.0;
    }
    for ((method, path, status), count) in &expected {
        let labels = [("method", method.as_str()), ("path", path), ("status", status)];
        assert_eq!(run.sum("swarm-gateway", "http_requests_total", &labels), *count, "{labels:?}");
        let labels = &labels[..2];
        let all: f64 = run.sum("swarm-gateway", "http_requests_total", labels);
        assert_eq!(run.sum("swarm-gateway", "http_request_duration_seconds_count", labels), all, "{labels:?}");
    }
}

#[test]
fn requests_are_counted_by_user_and_outcome() {
    let run = run();
    let mut expected = BTreeMap::new();
    for sent in &run.workload.sent {
        let outcome = match sent.status {
            None => "cancelled",
            Some(500..) => "error",
            Some(_) => "ok",
        };
        *expected.entry((sent.user_id.as_str(), outcome)).or_insert(0.0) += 1.0;
    }
    for user_id in ["ana", "ben", "cleo"] {
        for outcome in ["ok", "error", "cancelled"] {
            let count = expected.get(&(user_id, outcome)).copied().unwrap_or_default();
            let labels = [("user_id", user_id), ("outcome", outcome)];
            assert_eq!(run.sum("swarm-gateway", "user_api_requests_total", &labels), count, "{labels:?}");
        }
    }
}

#[test]
fn operations_are_counted_by_outcome() {
    let run = run();
    let lists =
        run.workload.sent.iter().filter(|sent| sent.method == "GET" && sent.path == "/v1/agents").count() as f64;
    for (service, operation, outcomes) in [
        ("swarm-gateway", "create_agent", [3.0, 1.0, 1.0, 0.0]),
        ("swarm-gateway", "list_agents", [lists, 0.0, 0.0, 0.0]),
        ("swarm-gateway", "change_agent", [3.0, 1.0, 0.0, 0.0]),
        ("swarm-control", "create_agent", [3.0, 1.0, 1.0, 0.0]),
        ("swarm-control", "list_agents", [lists, 0.0, 0.0, 0.0]),
        ("swarm-control", "stop_agent", [1.0, 1.0, 0.0, 0.0]),
        ("swarm-control", "hibernate_agent", [1.0, 0.0, 0.0, 0.0]),
        ("swarm-control", "resume_agent", [1.0, 0.0, 0.0, 0.0]),
        ("swarm-scheduler", "schedule_agent", [4.0, 1.0, 1.0, 0.0]),
        ("swarm-scheduler", "choose_node", [5.0, 1.0, 0.0, 0.0]),
        ("swarm-scheduler", "pull_image", [4.0, 0.0, 1.0, 0.0]),
        ("swarm-scheduler", "create_pod", [4.0, 0.0, 0.0, 0.0]),
    ] {
        for (outcome, count) in ["ok", "error", "cancelled", "panicked"].into_iter().zip(outcomes) {
            let labels = [("operation", operation), ("outcome", outcome)];
            let found = run.sum(service, "operation_duration_seconds_count", &labels);
            assert_eq!(found, count, "{service} {labels:?}");
        }
    }
}

#[test]
fn nothing_is_in_flight_when_nothing_happens() {
    let run = run();
    assert_eq!(in_flight(&run.scrapes), Vec::<String>::new());
    for service in ["swarm-gateway", "swarm-control", "swarm-scheduler"] {
        let scrape = run.scrapes.iter().find(|scrape| scrape.service == service).unwrap();
        assert!(scrape.samples.find("operations_in_flight", &[]).next().is_some(), "{service} has the gauge");
    }
}

#[test]
fn agents_are_counted_by_state_and_by_user() {
    let run = run();
    let control = |name: &str, labels: &[(&str, &str)]| run.sum("swarm-control", name, labels);
    let states = [("provisioning", 0.0), ("running", 2.0), ("hibernating", 0.0), ("stopped", 0.0), ("failed", 2.0)];
    for (status, count) in states {
        assert_eq!(control("agents_total", &[("status", status)]), count, "{status}");
        assert_eq!(control("agent_status", &[("status", status)]), count, "{status}");
    }
    for (from, to, count) in [
        ("provisioning", "running", 3.0),
        ("provisioning", "failed", 2.0),
        ("running", "hibernating", 1.0),
        ("hibernating", "running", 1.0),
        ("running", "stopped", 1.0),
    ] {
        assert_eq!(control("agent_state_transitions_total", &[("from", from), ("to", to)]), count, "{from} → {to}");
    }
    assert_eq!(control("user_agents_count", &[("user_id", "ana")]), 2.0);
    assert_eq!(control("user_agents_count", &[("user_id", "ben")]), 2.0);
    assert_eq!(control("agent_errors_total", &[]), 2.0);
    let scrape = run.scrapes.iter().find(|scrape| scrape.service == "swarm-control").unwrap();
    for name in ["user_agents_count", "user_sessions_active"] {
        assert_eq!(scrape.samples.sum(name, &[("user_id", "cleo")]), None, "{name} left with her last agent");
    }
    let gone = run.workload.sent.iter().find(|sent| sent.method == "DELETE").unwrap();
    let gone = [("agent_id", gone.agent_id())];
    for name in ["agent_status", "agent_errors_total", "agent_sessions_total"] {
        assert_eq!(scrape.samples.sum(name, &gone), None, "{name} left with the agent");
    }
}

#[test]
fn agents_tell_what_they_use() {
    let run = run();
    let agent = [("agent_id", run.workload.created.agent_id())];
    assert!(run.sum("swarm-agent", "agent_uptime_seconds", &agent) > 0.0);
    assert!(run.sum("swarm-agent", "agent_model_tokens_total", &agent) > 0.0);
    if cfg!(target_os = "linux") {
        assert!(run.sum("swarm-agent", "agent_memory_usage_bytes", &agent) > 0.0);
    }
}

#[test]
fn nothing_was_lost() {
    for scrape in &run().scrapes {
        assert!(scrape.samples.find("obs_dropped_total", &[]).next().is_some(), "{} counts losses", scrape.service);
        let lost: Vec<_> = scrape.samples.find("obs_dropped_total", &[]).filter(|sample| sample.value > 0.0).collect();
        assert!(lost.is_empty(), "{}: {lost:?}", scrape.service);
    }
}

#[test]
fn every_process_stops_when_asked() {
    let run = run();
    assert_eq!(run.ended.len(), 4);
    for (name, status) in &run.ended {
        assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}");
    }
}

/// What `promtool` would have otherwise, and the platform has published.
const PUBLISHED: [&str; 2] = ["agents_total", "user_agents_count"];

#[test]
fn promtool_accepts_every_page_of_metrics() {
    let services: BTreeSet<_> = run().scrapes.iter().map(|scrape| scrape.service.as_str()).collect();
    assert_eq!(services.len(), 4);
    for scrape in &run().scrapes {
        let Some(findings) = promtool(&scrape.text) else {
            assert_ne!(std::env::var("OBS_REQUIRE_ENGINES").as_deref(), Ok("1"), "promtool is required and not found");
            println!("skipped: promtool not found");
            return;
        };
        for name in PUBLISHED.iter().filter(|name| scrape.text.contains(&format!("\n{name}"))) {
            assert!(findings.contains(name), "promtool has no objection to {name}");
        }
        let unexpected: Vec<_> = findings
            .lines()
            .filter(|line| !PUBLISHED.iter().any(|name| line.split(' ').next() == Some(name)))
            .collect();
        assert!(unexpected.is_empty(), "{}: {unexpected:#?}", scrape.service);
    }
}

/// What it finds in a page; `None` if there is no promtool.
fn promtool(page: &str) -> Option<String> {
    use std::io::Write;

    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return None,
        Err(err) => panic!("cannot start promtool: {err}"),
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() || !said.is_empty(), "promtool: {}", output.status);
    Some(said)
}
