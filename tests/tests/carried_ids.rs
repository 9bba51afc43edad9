//! The ids of request, session and message are on every span that is exported, whoever exports it and whenever: two services, and the
//! spans that a request makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use obs_runtime::config::ObservabilityConfig;
use obs_runtime::export::bridge::Bridge;
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::{MessageId, Telemetry, correlated, info_span, names, observed};
use opentelemetry_sdk::trace::InMemorySpanExporter;
use tests::Service;

static MESSAGE: Callsite = Callsite::new(Site::new("message", module_path!(), file!(), line!(), &[names::MESSAGE_ID]));

fn from_a_client() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", HeaderValue::from_static("r-17"));
    headers.insert("x-session-id", HeaderValue::from_static("s-4"));
    headers
}

/// The first service: what it sends to the next one.
#[correlated]
#[observed(user_id)]
fn gateway(headers: &HeaderMap, user_id: &str) -> HeaderMap {
    info_span!("plain", tenant = "t1").in_scope(|| {
        let mut message = Operation::child(&MESSAGE);
        message.record(names::MESSAGE_ID, "m-2");
        message.carry(|correlation| correlation.message_id = MessageId::parse("m-2").ok());
        let mut out = HeaderMap::new();
        message.in_scope(|| send(&mut out));
        message.succeed();
        out
    })
}

#[correlated(outbound)]
#[observed(kind = "client")]
fn send(out: &mut HeaderMap) {
    let _ = out;
}

/// The second.
#[correlated]
#[observed]
fn agent(headers: &HeaderMap) -> Result<(), String> {
    replay("r-16");
    answer()
}

#[observed(request_id)]
fn replay(request_id: &str) {}

#[observed]
fn answer() -> Result<(), String> {
    Err("no model".to_owned())
}

/// What each span says of the ids, in the order in which it says it.
fn expected() -> BTreeMap<String, String> {
    [
        ("gateway", "session_id=s-4 request_id=r-17"),
        ("plain", "session_id=s-4 request_id=r-17"),
        ("message", "session_id=s-4 request_id=r-17 message_id=m-2"),
        ("send", "session_id=s-4 request_id=r-17 message_id=m-2"),
        ("agent", "session_id=s-4 request_id=r-17 message_id=m-2"),
        ("replay", "session_id=s-4 message_id=m-2 request_id=r-16"),
        ("answer", "session_id=s-4 request_id=r-17 message_id=m-2"),
    ]
    .map(|(name, ids)| (name.to_owned(), ids.to_owned()))
    .into()
}

/// The ids among the fields of a span. What else is inherited is on its lines alone.
fn ids(name: &str, fields: impl Iterator<Item = (String, String)>) -> String {
    let fields: Vec<_> = fields.collect();
    let has = |key: &str| fields.iter().any(|(name, _)| name == key);
    assert_eq!((has("user_id"), has("tenant")), (name == "gateway", name == "plain"), "{name}: {fields:?}");
    let ids = fields.iter().filter(|(key, _)| key.ends_with("_id") && key != "user_id");
    ids.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_exporter_of_the_user_sees_them_where_the_trace_is_kept_for_how_it_ended() {
    let service = || {
        let config = ObservabilityConfig { trace_sample_rate: 0.0, tail_sampling: true, ..Default::default() };
        Service::new(config)
    };
    let (first, second) = (service(), service());
    let headers = first.telemetry.in_scope(|| gateway(&from_a_client(), "u1"));
    second.telemetry.in_scope(|| agent(&headers)).expect_err("on purpose");
    // Nothing failed at the first: what it has is not exported.
    assert_eq!(first.names(), [""; 0]);
    let (_, spans) = second.spans();
    let seen = spans.iter().map(|span| {
        let fields = span.fields.iter().map(|(key, value)| (key.into_owned(), value.to_string()));
        (span.name.to_string(), ids(&span.name, fields))
    });
    let mut expected = expected();
    expected.retain(|name, _| ["agent", "replay", "answer"].contains(&name.as_str()));
    assert_eq!(seen.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn an_exporter_of_the_sdk_sees_them() {
    let exporter = InMemorySpanExporter::default();
    let telemetry = Telemetry::builder("tests")
        .log_writer(std::io::sink())
        .exporter(Bridge::new(exporter.clone()))
        .build()
        .expect("nothing is wrong");
    telemetry.in_scope(|| agent(&gateway(&from_a_client(), "u1"))).expect_err("on purpose");
    telemetry.flush(Duration::from_secs(60));
    let spans = exporter.get_finished_spans().expect("not shut down");
    let seen = spans.iter().map(|span| {
        let fields = span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string()));
        (span.name.to_string(), ids(&span.name, fields))
    });
    assert_eq!(seen.collect::<BTreeMap<_, _>>(), expected());
}
