//! Baggage keys that the configuration names are fields of spans and lines. A process of its own: they are set when telemetry starts.

use http::{HeaderMap, HeaderValue};
use obs_runtime::testing::capture;
use obs_runtime::{ObservabilityConfig, Telemetry, correlated, info, observed};

#[correlated]
#[observed]
fn handle(headers: &HeaderMap) {
    info!("handling");
    within();
}

#[observed]
fn within() {
    info!("within");
}

#[test]
fn chosen_keys_are_fields_of_spans_and_lines() {
    let keys = ["user_id", "request_id", "tenant", "\"", "trace_id"];
    let config = ObservabilityConfig { baggage_fields: keys.map(str::to_owned).into(), ..Default::default() };
    let telemetry =
        Telemetry::builder("test").config(config).log_writer(std::io::sink()).start().expect("it is the first");
    let mut headers = HeaderMap::new();
    let baggage = "user_id=u1%22%0A%7B,secret=s,request_id=forged,tenant=t1,trace_id=forged";
    headers.insert("baggage", HeaderValue::from_static(baggage));
    headers.insert("x-request-id", HeaderValue::from_static("r-17"));
    let seen = capture(|| handle(&headers));

    let span = seen.span("handle");
    assert_eq!(span.fields.get("user_id"), Some(&"u1\"\n{".into()));
    assert_eq!(span.fields.get("tenant"), Some(&"t1".into()));
    assert_eq!(span.fields.get("request_id"), Some(&"r-17".into()), "the header's, not the baggage's");
    assert_eq!(span.fields.get("secret"), None);
    let within = &seen.span("within").fields;
    let keys: Vec<_> = within.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["user_id", "tenant", "trace_id_", "request_id", "outcome"], "of the spans below as well");
    assert_eq!(within.get("user_id"), Some(&"u1\"\n{".into()));
    for message in ["handling", "within"] {
        let line = seen.logs().iter().find(|line| line["message"] == message).expect("a line");
        assert_eq!((&line["user_id"], &line["tenant"]), (&"u1\"\n{".into(), &"t1".into()), "{message}");
        assert_eq!(line["trace_id"], span.trace_id.to_string(), "{message}");
        assert_eq!(line["trace_id_"], "forged", "{message}");
    }
    drop(telemetry);
}
