//! Exemplars of users' histograms: alone in a process, as they are of its own metrics and not of a capture's.
#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use obs_runtime::metrics::{encode, encode_openmetrics};
use obs_runtime::propagation::{Correlation, TraceContext};
use obs_runtime::{Histogram, LabelSet, LabelValue, MetricSet, ObservabilityConfig, Telemetry, observed};
use tower::ServiceExt as _;

#[derive(LabelValue)]
enum Size {
    Small,
    Large,
}

#[derive(LabelSet)]
struct Sizes {
    size: Size,
}

#[derive(MetricSet)]
struct Loads {
    /// How long loading took.
    #[metric(buckets = [0.1, 1.0, 10.0])]
    load_duration_seconds: Histogram<Sizes>,
}

#[observed]
fn loads(seconds: f64) -> TraceContext {
    Loads::global().load_duration_seconds.with(Sizes { size: Size::Small }).observe(seconds);
    Correlation::current().trace.expect("a trace")
}

/// The exemplar of the bucket `le`, as it is written.
fn exemplar(text: &str, size: &str, le: &str) -> Option<String> {
    let line = format!("load_duration_seconds_bucket{{size=\"{size}\",le=\"{le}\"}} ");
    let line = text.lines().find(|text| text.starts_with(&line)).expect("the bucket");
    Some(line.split_once(" # ")?.1.to_owned())
}

#[test]
fn a_bucket_shows_a_trace_that_is_exported_once_somebody_asks_for_openmetrics() {
    let config = ObservabilityConfig { trace_sample_rate: 1.0, ..ObservabilityConfig::default() };
    let _telemetry = Telemetry::builder("exemplars").config(config).log_writer(std::io::sink()).start().unwrap();
    loads(0.05);
    Loads::global().load_duration_seconds.with(Sizes { size: Size::Large }).observe(5.0);
    assert_eq!(exemplar(&encode_openmetrics(), "small", "0.1"), None, "until now nobody had asked");

    let trace = loads(0.5);
    // Outside of any trace.
    Loads::global().load_duration_seconds.with(Sizes { size: Size::Small }).observe(5.0);
    let text = encode_openmetrics();
    let shown = exemplar(&text, "small", "1.0").expect("an exemplar");
    let expected = format!("{{trace_id=\"{}\",span_id=\"{}\"}} 0.5 ", trace.trace_id, trace.span_id);
    assert!(shown.starts_with(&expected), "{shown}");
    assert_eq!(exemplar(&text, "small", "10.0"), None);
    assert_eq!(exemplar(&text, "large", "10.0"), None);
    assert!(!encode().contains("trace_id"), "the older text has no exemplars");

    serve_a_request();
    let of_requests =
        |line: &&str| line.starts_with("http_request_duration_seconds_bucket{") && line.contains("trace_id");
    let text = encode_openmetrics();
    assert_eq!(text.lines().filter(of_requests).count(), 1, "a request is an exemplar of its duration");
}

fn serve_a_request() {
    let app = Router::new().route("/here", get(async || "here")).layer(obs_http::layer());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(app.oneshot(Request::get("/here").body(Body::empty()).unwrap())).unwrap();
    // Its span ends with it.
    drop(response);
}
