//! `/debug/spans`: what is running now, seen by whoever asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use obs_runtime::propagation::Correlation;
use obs_runtime::{Telemetry, info_span, observed, tracing};
use serde_json::{Value, json};
use tests::memory::{Memory, SOON};
use tokio::runtime::Runtime;
use tracing_subscriber::prelude::*;

/// A runtime whose administration is asked.
struct Service {
    telemetry: Telemetry,
    admin: SocketAddr,
    tokio: Runtime,
}

impl Service {
    fn begin() -> Self {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let tokio = tokio.expect("the system gives a thread");
        let telemetry = Memory::default().builder("info").build().expect("nothing is wrong");
        let admin = tokio.block_on(telemetry.serve()).expect("free ports").admin_addr();
        Service { telemetry, admin, tokio }
    }

    /// The body of the answer, in the form that is asked for.
    fn ask(&self, accept: &str, form: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).expect("the server is up");
        let request =
            format!("GET /debug/spans HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_ascii_lowercase().contains(&format!("content-type: {form}")), "{head}");
        body.to_owned()
    }

    /// The spans that are open.
    fn spans(&self) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.ask("*/*", "application/json")).expect("JSON");
        let spans = answer["spans"].as_array().expect("a list").clone();
        assert_eq!(answer["open"], spans.len());
        spans
    }

    fn poll<F: Future>(&self, future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        self.telemetry.in_scope(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())))
    }
}

#[track_caller]
fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name} is not in {spans:?}"))
}

fn names(spans: &[Value]) -> Vec<&str> {
    spans.iter().filter_map(|span| span["name"].as_str()).collect()
}

/// The trace and the span around, as its own code sees them.
fn ids() -> (String, String) {
    let trace = Correlation::current().trace.expect("a span is around");
    (trace.trace_id.to_string(), trace.span_id.to_string())
}

#[observed(user_id)]
fn works(user_id: &str, begun: &mpsc::Sender<(String, String)>, end: &mpsc::Receiver<()>) {
    begun.send(ids()).expect("the test waits");
    let _ = end.recv();
}

#[observed(user_id)]
async fn waits(user_id: &str) {
    std::future::pending::<()>().await;
}

#[test]
fn spans_that_were_open_before_anybody_asked_are_there() {
    // In a process of its own: whether somebody has asked of late is the process's.
    let output = tests::alone("alone_asks_for_the_first_time").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "alone in a process"]
fn alone_asks_for_the_first_time() {
    let service = Service::begin();
    let plain = service.telemetry.in_scope(|| info_span!("plain", user_id = "u1", "odd \"key\"" = 1));
    let mut waiting = Box::pin(waits("u2"));
    assert!(service.poll(&mut waiting).is_pending());
    let (begun, is_begun) = mpsc::channel();
    let (end, is_end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let service = &service;
        scope.spawn(move || service.telemetry.in_scope(|| works("u3", &begun, &is_end)));
        let (trace_id, span_id) = is_begun.recv().expect("it runs");
        let spans = service.spans();
        assert_eq!(names(&spans), ["plain", "waits", "works"], "the oldest first");
        let works = named(&spans, "works");
        assert_eq!((&works["trace_id"], &works["span_id"]), (&json!(trace_id), &json!(span_id)));
        assert_eq!(works["target"], "debug_spans");
        assert!(works["open_seconds"].as_f64().is_some_and(|age| age > 0.0), "{works}");
        assert_eq!(works["fields"], Value::Null, "not known before its next poll, and it has none");
        assert_eq!(named(&spans, "waits")["last_poll_seconds"], Value::Null);
        assert_eq!(named(&spans, "plain")["fields"], json!({"user_id": "u1", "odd \"key\"": 1}));
        drop(end);
    });
    drop((plain, waiting));
    assert_eq!(names(&service.spans()), [""; 0], "all have ended");
    service.telemetry.shutdown(SOON);
}

#[test]
fn once_somebody_has_asked_the_next_poll_shows_fields_thread_and_task() {
    let service = Service::begin();
    let mut waiting = Box::pin(waits("u2"));
    assert!(service.poll(&mut waiting).is_pending());
    named(&service.spans(), "waits");
    assert!(service.poll(&mut waiting).is_pending());
    let spans = service.spans();
    let span = named(&spans, "waits");
    assert_eq!(span["fields"], json!({"user_id": "u2"}));
    assert!(span["last_poll_seconds"].as_f64().is_some(), "{span}");
    let thread = thread::current();
    assert!(span["last_ran_on"].as_str().expect("it was left").contains(thread.name().expect("tests have names")));
    assert_eq!(spans.len(), 1, "each is there once");

    drop(waiting);

    // In a task of tokio, while it runs.
    let (begun, is_begun) = mpsc::channel();
    let (end, is_end) = mpsc::channel::<()>();
    let dispatch = service.telemetry.in_scope(|| tracing::dispatcher::get_default(Clone::clone));
    let task = service.tokio.spawn(async move {
        let _guard = tracing::dispatcher::set_default(&dispatch);
        works("u3", &begun, &is_end);
    });
    is_begun.recv().expect("it runs");
    let spans = service.spans();
    let works = named(&spans, "works");
    assert_eq!(works["fields"], json!({"user_id": "u3"}));
    let place = works["running_on"].as_str().unwrap_or_else(|| panic!("it runs: {works}"));
    assert!(place.ends_with(&format!("task {}", task.id())), "{place}");
    let text = service.ask("text/plain", "text/plain");
    assert!(text.starts_with("1 open spans, the oldest first\n"), "{text}");
    assert!(text.contains("debug_spans::works") && text.contains(r#"{"user_id":"u3"}"#), "{text}");
    drop(end);
    service.tokio.block_on(task).expect("no panic");
    service.telemetry.shutdown(SOON);
}

#[test]
fn engines_do_not_see_each_others_spans_and_a_layer_sees_its_own() {
    let (one, two) = (Service::begin(), Service::begin());
    let in_one = one.telemetry.in_scope(|| info_span!("in one"));
    let mut in_two = Box::pin(waits("u2"));
    assert!(two.poll(&mut in_two).is_pending());
    assert_eq!((names(&one.spans()), names(&two.spans())), (vec!["in one"], vec!["waits"]));
    drop((in_one, in_two));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(one.telemetry.layer()), || {
        let mut waiting = Box::pin(waits("u1"));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let spans = one.spans();
        assert_eq!(named(&spans, "waits")["fields"], json!({"user_id": "u1"}));
        assert_eq!(spans.len(), 1);
        drop(waiting);
        assert_eq!(names(&one.spans()), [""; 0]);
    });
    one.telemetry.shutdown(SOON);
    two.telemetry.shutdown(SOON);
}

#[test]
fn a_watched_call_ends_as_any_other() {
    let service = Service::begin();
    service.spans();
    #[observed(user_id, late(host))]
    async fn fails(user_id: &str) -> Result<(), String> {
        tokio::task::yield_now().await;
        obs_runtime::record!(host = "h1");
        Err("no room".to_owned())
    }
    let memory = Memory::default();
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    telemetry.in_scope(|| runtime.block_on(fails("u1"))).expect_err("it fails");
    let spans = memory.spans(&telemetry);
    assert_eq!(spans.len(), 1);
    assert_eq!((spans[0].status(), spans[0].outcome), (Err("no room"), Some(obs_runtime::Ended::Error)));
    let line = &memory.lines(&telemetry)[0];
    assert_eq!((&line["user_id"], &line["host"], &line["error"]), (&json!("u1"), &json!("h1"), &json!("no room")));
    service.telemetry.shutdown(SOON);
}
