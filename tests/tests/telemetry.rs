//! A runtime that was built and not started: what it writes at its level, and what its end says.

use std::time::Duration;

use obs_runtime::{ObservabilityConfig, Telemetry, correlated, debug, info, observed};
use serde_json::Value;
use tests::Written;

/// What a runtime of this level writes of `work`.
fn lines(level: &str, work: impl FnOnce()) -> Vec<Value> {
    let memory = Written::default();
    let config = ObservabilityConfig { log_level: level.to_owned(), ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("tests").config(config).log_writer(memory.clone()).build().expect("it builds");
    telemetry.in_scope(work);
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(report.lines_lost, 0);
    memory.json()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["message"].as_str().expect("a message")).collect()
}

#[observed(user_id)]
fn plain(user_id: u32) {
    debug!("not seen");
    info!("seen");
}

#[observed(slow = "1ns")]
fn slow() {
    std::hint::black_box(vec![0_u8; 4096]);
}

#[observed(audit)]
fn audited() {}

#[observed]
fn fails() -> Result<(), String> {
    Err("no room".to_owned())
}

#[test]
fn at_the_default_level_a_good_end_says_nothing() {
    let lines = lines("info", || plain(7));
    assert_eq!(messages(&lines), ["seen"]);
    assert_eq!(lines[0]["user_id"], 7);
}

#[test]
fn at_the_default_level_slow_audited_and_failed_calls_are_told() {
    let lines = lines("info", || {
        slow();
        audited();
        let _ = fails();
    });
    assert_eq!(messages(&lines), ["slow was slow", "audited finished", "fails failed"]);
    assert_eq!(lines[1]["target"], "audit");
}

#[test]
fn at_debug_every_end_is_told() {
    assert_eq!(messages(&lines("debug", || plain(7))), ["not seen", "seen", "plain finished"]);
}

#[test]
fn a_call_whose_span_is_off_is_counted_and_its_error_told_in_the_span_around() {
    #[observed(level = "debug")]
    fn hidden() -> Result<(), String> {
        Err("deep".to_owned())
    }
    #[observed(user_id, err = off)]
    fn shown(user_id: u32) -> Result<(), String> {
        hidden()
    }
    let lines = lines("info", || drop(shown(7)));
    assert_eq!(messages(&lines), ["hidden failed"]);
    assert_eq!(lines[0]["user_id"], 7);
    assert!(lines[0]["span_id"].is_string());
    let text = obs_runtime::metrics::encode();
    assert!(
        text.contains(r#"operation_duration_seconds_count{operation="hidden",target="telemetry",outcome="error"} 1"#)
    );
}

#[test]
fn a_call_whose_span_is_off_hands_the_callers_trace_on() {
    #[correlated]
    #[observed(level = "debug")]
    fn hidden(headers: &http::HeaderMap) {
        plain(headers.len().try_into().expect("few"));
    }
    let mut headers = http::HeaderMap::new();
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert("traceparent", http::HeaderValue::from_static(caller));
    headers.insert("x-request-id", http::HeaderValue::from_static("r-17"));
    let lines = lines("info", || hidden(&headers));
    assert_eq!(messages(&lines), ["seen"]);
    assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(lines[0]["request_id"], "r-17");
}
