//! A span as it was received, flat.

use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as ProtoSpan, status::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A span, with the service that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// `service.name` of the resource.
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: Option<String>,
    /// `internal`, `server`, `client`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    pub start_unix_nanos: u64,
    pub end_unix_nanos: u64,
    pub trace_state: String,
    pub flags: u32,
    pub attributes: Map<String, Value>,
    /// `unset`, `ok` or `error`.
    pub status: String,
    pub status_message: String,
    /// The other spans that it names, as `trace id-span id`.
    pub links: Vec<String>,
}

impl Span {
    /// The text of an attribute, if it is one.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)?.as_str()
    }
}

/// The spans of one resource.
pub(super) fn flatten(resource_spans: ResourceSpans) -> Vec<Span> {
    let resource = attributes(resource_spans.resource.map(|resource| resource.attributes).unwrap_or_default());
    let service = resource.get("service.name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let spans = resource_spans.scope_spans.into_iter().flat_map(|scope_spans| scope_spans.spans);
    spans.map(|span| flat(&service, span)).collect()
}

fn flat(service: &str, span: ProtoSpan) -> Span {
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_ascii_lowercase();
    let (status, status_message) = match span.status {
        Some(status) => match status.code() {
            StatusCode::Unset => ("unset", status.message),
            StatusCode::Ok => ("ok", status.message),
            StatusCode::Error => ("error", status.message),
        },
        None => ("unset", String::new()),
    };
    Span {
        service: service.to_owned(),
        name: span.name,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        kind,
        start_unix_nanos: span.start_time_unix_nano,
        end_unix_nanos: span.end_time_unix_nano,
        trace_state: span.trace_state,
        flags: span.flags,
        attributes: attributes(span.attributes),
        status: status.to_owned(),
        status_message,
        links: span.links.iter().map(|link| format!("{}-{}", hex(&link.trace_id), hex(&link.span_id))).collect(),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value.and_then(|value| value.value).map_or(Value::Null, json)))
        .collect()
}

fn json(value: AnyValue) -> Value {
    match value {
        AnyValue::StringValue(text) => text.into(),
        AnyValue::BoolValue(yes) => yes.into(),
        AnyValue::IntValue(number) => number.into(),
        AnyValue::DoubleValue(number) => number.into(),
        AnyValue::ArrayValue(array) => {
            array.values.into_iter().map(|value| value.value.map_or(Value::Null, json)).collect()
        }
        AnyValue::KvlistValue(KeyValueList { values }) => attributes(values).into(),
        AnyValue::BytesValue(bytes) => hex(&bytes).into(),
        other => format!("{other:?}").into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
