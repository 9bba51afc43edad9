//! What an observed call emits: outcomes, events, metrics, late fields.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::{Captured, capture, capture_async};
use obs_runtime::{Ended, info, info_span, observed, record, tracing};
use serde_json::{Value, json};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn errors<T>(seen: &Captured<T>) -> Vec<&Value> {
    seen.logs().iter().filter(|line| line["level"] == "error").collect()
}

fn count<T>(seen: &Captured<T>, operation: &str, outcome: &str) -> Option<f64> {
    seen.metric("operation_duration_seconds_count", &[("operation", operation), ("outcome", outcome)])
}

#[observed(user_id, agent_id)]
fn create_agent(user_id: &str, fail: bool) -> Result<u32, std::io::Error> {
    record!(agent_id = "a1");
    info!(status = "provisioning", "Agent created");
    if fail {
        return Err(std::io::Error::other("no room"));
    }
    Ok(7)
}

#[test]
fn a_call_gives_a_span_a_line_and_a_count_that_agree() {
    let seen = capture(|| create_agent("u1", false));
    assert_eq!(*seen.value.as_ref().expect("ok"), 7);
    let span = seen.span("create_agent");
    assert_eq!(span.outcome, Some(Ended::Ok));
    assert_eq!(span.fields.to_map()["user_id"], json!("u1"));
    assert_eq!(span.fields.to_map()["agent_id"], json!("a1"));
    assert_eq!(span.target, "calls");
    let line = &seen.logs()[0];
    assert_eq!(line["message"], "Agent created");
    assert_eq!(line["user_id"], "u1");
    assert_eq!(line["agent_id"], "a1");
    assert_eq!(line["span_id"], span.span_id.to_string());
    assert_eq!(count(&seen, "create_agent", "ok"), Some(1.0));
    assert_eq!(seen.metric("operations_in_flight", &[("operation", "create_agent")]), Some(0.0));
}

#[test]
fn an_early_return_is_an_error_told_once_with_its_type_and_duration() {
    let seen = capture(|| create_agent("u1", true));
    assert!(seen.value.is_err());
    let span = seen.span("create_agent");
    assert_eq!(span.outcome, Some(Ended::Error));
    assert_eq!(span.status, Err("no room".to_owned()));
    assert_eq!(span.fields.get("error"), Some(&json!("no room")));
    assert_eq!(span.fields.get("error.type"), Some(&json!("std::io::error::Error")));
    let [line] = errors(&seen)[..] else { panic!("{:?}", seen.logs()) };
    assert_eq!(line["message"], "create_agent failed");
    assert_eq!(line["error"], "no room");
    assert!(line["duration_ms"].as_f64().expect("a number") >= 0.0);
    assert_eq!(line["span_id"], span.span_id.to_string());
    assert_eq!(count(&seen, "create_agent", "error"), Some(1.0));
}

#[test]
fn the_end_of_a_call_is_told_at_debug() {
    let seen = capture(|| create_agent("u1", false));
    let done = seen.logs().iter().find(|line| line["message"] == "create_agent finished").expect("a completion event");
    assert_eq!(done["level"], "debug");
    assert_eq!(done["outcome"], "ok");
}

#[observed]
async fn deep(fail: bool) -> Result<(), String> {
    tokio::task::yield_now().await;
    if fail { Err("disk full".to_owned()) } else { Ok(()) }
}

#[observed]
async fn middle(fail: bool) -> Result<(), String> {
    deep(fail).await.map_err(|err| format!("store: {err}"))
}

#[observed]
async fn outer(fail: bool) -> Result<(), String> {
    middle(fail).await
}

#[test]
fn an_error_is_told_where_it_begins_and_nowhere_else() {
    let seen = block_on(capture_async(outer(true)));
    let [line] = errors(&seen)[..] else { panic!("{:?}", errors(&seen)) };
    assert_eq!(line["message"], "deep failed");
    for span in ["deep", "middle", "outer"] {
        assert_eq!(seen.span(span).outcome, Some(Ended::Error), "{span}");
    }
}

#[observed]
async fn retried() -> Result<(), String> {
    if deep(true).await.is_err() {
        deep(false).await?;
    }
    Err("a failure of its own".to_owned())
}

#[test]
fn a_fresh_error_after_a_handled_one_is_told_as_well() {
    let seen = block_on(capture_async(retried()));
    let messages: Vec<_> = errors(&seen).iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["deep failed", "retried failed"]);
}

#[observed]
async fn fans_out() -> Result<(), String> {
    let (a, b) = tokio::join!(obs_runtime::spawn(deep(true)), deep(false));
    b?;
    a.expect("no panic")
}

#[test]
fn an_error_passed_on_from_a_spawned_task_is_told_once() {
    let seen = block_on(capture_async(fans_out()));
    let [line] = errors(&seen)[..] else { panic!("{:?}", errors(&seen)) };
    assert_eq!(line["message"], "deep failed");
    assert_eq!(line["trace_id"], seen.span("fans_out").trace_id.to_string());
}

#[observed]
fn outer_of_plain_span() -> Result<(), std::io::Error> {
    info_span!("plain").in_scope(|| create_agent("u1", true)).map(|_| ())
}

#[test]
fn a_plain_span_between_does_not_hide_where_an_error_began() {
    let seen = capture(outer_of_plain_span);
    assert_eq!(errors(&seen).len(), 1);
}

#[derive(Debug)]
struct Chained(std::io::Error);

impl std::fmt::Display for Chained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("could not create")
    }
}

impl std::error::Error for Chained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[observed]
fn wraps() -> Result<u32, Chained> {
    create_agent("u1", true).map_err(Chained)
}

#[test]
fn an_error_that_has_the_childs_as_its_source_is_told_once_and_with_its_sources() {
    let seen = capture(wraps);
    assert_eq!(errors(&seen).len(), 1);
    assert_eq!(seen.span("wraps").fields.get("error"), Some(&json!("could not create: no room")));
}

#[observed]
fn context() -> anyhow::Result<u32> {
    use anyhow::Context;
    create_agent("u1", true).context("creating")
}

#[test]
fn anyhow_passes_an_error_on_with_its_chain() {
    let seen = capture(context);
    assert_eq!(errors(&seen).len(), 1);
    assert_eq!(seen.span("context").fields.get("error"), Some(&json!("creating: no room")));
}

#[observed]
fn panics() {
    info!("before");
    panic!("boom");
}

#[test]
fn a_panic_goes_through_and_is_counted() {
    let seen = capture(|| catch_unwind(panics).is_err());
    assert!(seen.value);
    assert_eq!(seen.span("panics").outcome, Some(Ended::Panicked));
    assert_eq!(count(&seen, "panics", "panicked"), Some(1.0));
    assert_eq!(seen.metric("operations_in_flight", &[("operation", "panics")]), Some(0.0));
}

#[observed]
async fn panics_later() {
    tokio::task::yield_now().await;
    panic!("boom");
}

#[test]
fn a_panic_in_a_later_poll_ends_the_span_at_once() {
    let seen = capture(|| {
        let mut future = pin!(panics_later());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))).is_err());
        info!("after");
    });
    assert_eq!(seen.span("panics_later").outcome, Some(Ended::Panicked));
    let after = seen.logs().iter().find(|line| line["message"] == "after").expect("the line");
    assert_eq!(after["span_id"], Value::Null);
}

struct SaysWhenDropped;

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        info!("dropped");
    }
}

#[observed]
async fn waits_for_ever() {
    let _inside = SaysWhenDropped;
    std::future::pending::<()>().await;
}

#[test]
fn a_future_dropped_between_polls_is_cancelled_and_its_locals_go_inside_the_span() {
    let seen = capture(|| {
        let mut future = Box::pin(waits_for_ever());
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(future);
        info!("after");
    });
    let span = seen.span("waits_for_ever");
    assert_eq!(span.outcome, Some(Ended::Cancelled));
    assert_eq!(count(&seen, "waits_for_ever", "cancelled"), Some(1.0));
    assert_eq!(seen.metric("operations_in_flight", &[]), Some(0.0));
    let dropped = seen.logs().iter().find(|line| line["message"] == "dropped").expect("the line");
    assert_eq!(dropped["span_id"], span.span_id.to_string());
    let after = seen.logs().iter().find(|line| line["message"] == "after").expect("the line");
    assert_eq!(after["span_id"], Value::Null);
}

#[test]
fn an_async_fn_that_is_never_polled_leaves_no_trace() {
    let seen = capture(|| drop(waits_for_ever()));
    assert!(seen.spans().is_empty());
    assert_eq!(seen.metrics(), "");
}

#[test]
fn an_aborted_task_is_cancelled() {
    let seen = block_on(capture_async(async {
        let task = obs_runtime::spawn(waits_for_ever());
        tokio::task::yield_now().await;
        task.abort();
        task.await.expect_err("aborted")
    }));
    assert!(seen.value.is_cancelled());
    assert_eq!(seen.span("waits_for_ever").outcome, Some(Ended::Cancelled));
}

#[observed(status)]
fn by_status(status: u16) -> Result<http::StatusCode, std::convert::Infallible> {
    Ok(http::StatusCode::from_u16(status).expect("a status"))
}

#[test]
fn a_status_of_5xx_is_an_error_even_inside_ok_and_one_of_4xx_is_not() {
    let outcome = |status| capture(|| by_status(status)).span("by_status").outcome;
    assert_eq!(outcome(503), Some(Ended::Error));
    assert_eq!(outcome(404), Some(Ended::Ok));
    assert_eq!(outcome(200), Some(Ended::Ok));
}

struct Opaque;

#[observed]
fn opaque() -> Result<(), Opaque> {
    Err(Opaque)
}

#[test]
fn an_error_with_neither_display_nor_debug_is_told_by_its_type() {
    let seen = capture(opaque);
    assert_eq!(seen.span("opaque").fields.get("error"), Some(&json!("calls::Opaque")));
}

#[observed(err = "warn")]
fn warns() -> Result<(), String> {
    Err("mild".to_owned())
}

#[observed(err = off)]
fn silent() -> Result<(), String> {
    Err("unheard".to_owned())
}

#[observed(level = "trace", name = "renamed", metrics = off)]
fn renamed() {}

#[test]
fn options_set_the_level_of_the_error_its_silence_and_the_name() {
    let seen = capture(warns);
    assert!(seen.logs().iter().any(|line| line["level"] == "warn" && line["error"] == "mild"));
    let seen = capture(silent);
    assert!(seen.logs().iter().all(|line| line.get("error").is_none()));
    assert_eq!(seen.span("silent").outcome, Some(Ended::Error));
    let seen = capture(renamed);
    assert_eq!(seen.span("renamed").outcome, Some(Ended::Ok));
    assert_eq!(seen.metrics(), "");
}

#[observed(agent_id)]
fn records_by_tracing() {
    tracing::Span::current().record("agent_id", "a9");
    info!("known");
}

#[test]
fn span_current_of_tracing_is_the_observed_span() {
    let seen = capture(records_by_tracing);
    assert_eq!(seen.logs()[0]["agent_id"], "a9");
    assert_eq!(seen.span("records_by_tracing").fields.get("agent_id"), Some(&json!("a9")));
}

#[tracing::instrument]
fn instrumented() {
    info!("in instrument");
}

#[observed(x)]
fn mixed(x: u32) {
    instrumented();
    info!("back");
}

#[test]
fn instrument_and_observed_nest() {
    let seen = capture(|| mixed(3));
    assert_eq!(seen.span("instrumented").parent_id, Some(seen.span("mixed").span_id));
    assert_eq!(seen.logs()[0]["x"], 3);
    assert_eq!(seen.logs()[1]["span_id"], seen.span("mixed").span_id.to_string());
}

thread_local! { static ASKED: Cell<u32> = const { Cell::new(0) }; }

fn ask() -> u32 {
    ASKED.with(|asked| asked.replace(asked.get() + 1))
}

#[observed(n = ask())]
fn asks() {}

#[test]
fn a_field_expression_runs_once_when_the_span_is_on_and_never_when_it_is_off() {
    asks();
    assert_eq!(ASKED.get(), 0);
    let seen = capture(asks);
    assert_eq!(ASKED.get(), 1);
    assert_eq!(seen.span("asks").fields.get("n"), Some(&json!(0)));
}

#[test]
fn with_nobody_listening_a_call_is_just_a_call() {
    assert_eq!(create_agent("u1", false).expect("ok"), 7);
    assert!(block_on(outer(true)).is_err());
    let mut future = pin!(waits_for_ever());
    assert_eq!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}

#[observed(user_id)]
async fn says(user_id: u32) {
    for _ in 0..5 {
        tokio::task::yield_now().await;
        info!(said = user_id, "mine");
    }
}

#[test]
fn interleaved_tasks_never_mix_up_their_fields() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    let seen = runtime.block_on(capture_async(async {
        let tasks: Vec<_> = (0..1_000).map(|user| obs_runtime::spawn(says(user))).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        info!("after");
    }));
    let mine: Vec<_> = seen.logs().iter().filter(|line| line["message"] == "mine").collect();
    assert_eq!(mine.len(), 5_000);
    assert!(mine.iter().all(|line| line["said"] == line["user_id"]));
    let after = seen.logs().iter().find(|line| line["message"] == "after").expect("the line");
    assert_eq!(after["span_id"], Value::Null);
}

#[observed(ret)]
async fn waits_an_hour() -> u64 {
    let begun = tokio::time::Instant::now();
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    begun.elapsed().as_secs()
}

/// The time of a span is that of the world: with tokio's clock paused nobody has waited for an hour.
#[test]
fn a_call_is_timed_by_a_clock_of_its_own_while_that_of_tokio_stands_still() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("one");
    let seen = runtime.block_on(capture_async(waits_an_hour()));
    assert!(seen.value >= 3_600);
    let span = seen.span("waits_an_hour");
    assert!(span.duration.as_secs() < 60, "{:?}", span.duration);
    assert_eq!(seen.metric("operation_duration_seconds_count", &[("le", "10")]), None);
    assert!(seen.metric("operation_duration_seconds_sum", &[("outcome", "ok")]).is_some_and(|sum| sum < 60.0));
}
