//! Spans as an `ExportTraceServiceRequest`, written by hand from the rendered fields.

use std::collections::BTreeMap;

use super::wire::Message;
use crate::engine::{FieldValue, FinishedSpan, Link, SpanKind};

/// The request with these spans, one scope for each target.
pub(super) fn request(resource: &[u8], spans: &[FinishedSpan]) -> Vec<u8> {
    let mut scopes: BTreeMap<&str, Vec<&FinishedSpan>> = BTreeMap::new();
    for span in spans {
        scopes.entry(span.target).or_default().push(span);
    }
    let mut out = Message(Vec::with_capacity(spans.len() * 256));
    out.message(1, |out| {
        out.bytes(1, resource);
        for (target, spans) in scopes {
            out.message(2, |out| {
                out.message(1, |out| out.text(1, target));
                for span in spans {
                    out.message(2, |out| self::span(out, span));
                }
            });
        }
    });
    out.0
}

fn span(out: &mut Message, span: &FinishedSpan) {
    out.bytes(1, &span.trace_id.to_u128().to_be_bytes());
    out.bytes(2, &span.span_id.to_u64().to_be_bytes());
    out.text(3, span.trace_state.as_deref().unwrap_or_default());
    if let Some(parent) = span.parent_id {
        out.bytes(4, &parent.to_u64().to_be_bytes());
    }
    out.text(5, &span.name);
    out.varint(6, kind(span.kind));
    out.fixed64(7, span.start_unix_nanos);
    out.fixed64(8, span.start_unix_nanos.saturating_add(span.duration_nanos));
    for (key, value) in span.fields.iter() {
        attribute(out, 9, &key, &value);
    }
    if let Some((file, line)) = span.location {
        attribute(out, 9, "code.file.path", &FieldValue::Str(file.into()));
        attribute(out, 9, "code.line.number", &FieldValue::I64(i64::from(line)));
    }
    for Link { trace_id, span_id, .. } in &span.links {
        out.message(13, |out| {
            out.bytes(1, &trace_id.to_u128().to_be_bytes());
            out.bytes(2, &span_id.to_u64().to_be_bytes());
        });
    }
    if let Err(error) = span.status() {
        out.message(15, |out| {
            out.text(2, error);
            out.varint(3, 2);
        });
    }
    // Bit 8: it is known whether the parent is remote; bit 9: it is.
    out.fixed32(16, u32::from(span.flags) | 1 << 8 | u32::from(span.parent_is_remote) << 9);
}

fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

pub(super) fn attribute(out: &mut Message, field: u32, key: &str, value: &FieldValue<'_>) {
    out.message(field, |out| {
        out.text(1, key);
        out.message(2, |out| match value {
            // Inside a `oneof` an empty text is a value and is written.
            FieldValue::Str(text) => out.bytes(1, text.as_bytes()),
            FieldValue::Bool(truth) => out.varint(2, u64::from(*truth)),
            FieldValue::I64(number) => out.varint(3, number.cast_unsigned()),
            FieldValue::F64(number) => out.fixed64(4, number.to_bits()),
            FieldValue::U64(number) => match i64::try_from(*number) {
                Ok(number) => out.varint(3, number.cast_unsigned()),
                Err(_) => out.bytes(1, number.to_string().as_bytes()),
            },
        });
    });
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::engine::Fields;
    use crate::log::json;
    use crate::{Ended, SpanId, TraceId};

    fn decoded(spans: &[FinishedSpan]) -> ExportTraceServiceRequest {
        let bytes = request(&[], spans);
        let request = ExportTraceServiceRequest::decode(&*bytes).expect("the official decoder reads it");
        assert_eq!(request.encode_to_vec().len(), bytes.len(), "nothing is written that the decoder does not know");
        request
    }

    /// What a span is on the wire, by the official types.
    fn expected(span: &FinishedSpan) -> Span {
        let mut attributes: Vec<KeyValue> = Vec::new();
        let mut put = |key: &str, value: Value| {
            attributes.push(KeyValue {
                key: key.to_owned(),
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            });
        };
        for (key, value) in span.fields.iter() {
            put(
                &key,
                match value {
                    FieldValue::Str(text) => Value::StringValue(text.into_owned()),
                    FieldValue::I64(number) => Value::IntValue(number),
                    FieldValue::U64(number) if number <= i64::MAX as u64 => Value::IntValue(number as i64),
                    FieldValue::U64(number) => Value::StringValue(number.to_string()),
                    FieldValue::F64(number) => Value::DoubleValue(number),
                    FieldValue::Bool(truth) => Value::BoolValue(truth),
                },
            );
        }
        if let Some((file, line)) = span.location {
            put("code.file.path", Value::StringValue(file.to_owned()));
            put("code.line.number", Value::IntValue(line.into()));
        }
        Span {
            trace_id: span.trace_id.to_u128().to_be_bytes().to_vec(),
            span_id: span.span_id.to_u64().to_be_bytes().to_vec(),
            parent_span_id: span.parent_id.map(|id| id.to_u64().to_be_bytes().to_vec()).unwrap_or_default(),
            trace_state: span.trace_state.as_deref().unwrap_or_default().to_owned(),
            flags: u32::from(span.flags) + 0x100 + if span.parent_is_remote { 0x200 } else { 0 },
            name: span.name.to_string(),
            kind: span.kind as i32 + 1,
            start_time_unix_nano: span.start_unix_nanos,
            end_time_unix_nano: span.start_unix_nanos.saturating_add(span.duration_nanos),
            attributes,
            links: (span.links.iter())
                .map(|link| opentelemetry_proto::tonic::trace::v1::span::Link {
                    trace_id: link.trace_id.to_u128().to_be_bytes().to_vec(),
                    span_id: link.span_id.to_u64().to_be_bytes().to_vec(),
                    ..Default::default()
                })
                .collect(),
            status: span
                .status()
                .err()
                .map(|message| opentelemetry_proto::tonic::trace::v1::Status { message: message.to_owned(), code: 2 }),
            ..Span::default()
        }
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let field = prop_oneof![
            any::<String>().prop_map(|value| FieldValue::Str(value.into())),
            any::<i64>().prop_map(FieldValue::I64),
            (i64::MAX as u64 + 1..).prop_map(FieldValue::U64),
            (-1e9..1e9).prop_map(FieldValue::F64),
            any::<bool>().prop_map(FieldValue::Bool),
        ];
        proptest::collection::vec((any::<String>(), field), 0..6).prop_map(|pairs| {
            let mut fields = Fields::default();
            for (key, value) in pairs {
                fields.put(&key, |text| match &value {
                    FieldValue::Str(value) => json::string(text, value),
                    FieldValue::I64(value) => json::integer(text, *value),
                    FieldValue::U64(value) => json::integer(text, *value),
                    FieldValue::F64(value) => json::float(text, *value),
                    FieldValue::Bool(value) => json::boolean(text, *value),
                });
            }
            fields
        })
    }

    fn kinds() -> impl Strategy<Value = SpanKind> {
        prop_oneof![
            Just(SpanKind::Internal),
            Just(SpanKind::Server),
            Just(SpanKind::Client),
            Just(SpanKind::Producer),
            Just(SpanKind::Consumer)
        ]
    }

    fn outcomes() -> impl Strategy<Value = Option<Ended>> {
        proptest::option::of(prop_oneof![
            Just(Ended::Ok),
            Just(Ended::Error),
            Just(Ended::Cancelled),
            Just(Ended::Panicked)
        ])
    }

    prop_compose! {
        fn spans()(
            (trace_id, span_id, parent) in (1..=u128::MAX, 1..=u64::MAX, any::<u64>()),
            (parent_is_remote, flags, trace_state) in (any::<bool>(), any::<u8>(), proptest::option::of(any::<String>())),
            (name, target) in (any::<String>(), prop_oneof![Just("a"), Just("b::c"), Just("")]),
            location in proptest::option::of((Just("src/main.rs"), any::<u32>())),
            (start_unix_nanos, duration_nanos) in any::<(u64, u64)>(),
            (kind, outcome, error, links) in (kinds(), outcomes(), proptest::option::of(any::<String>()), 0..3_u64),
            fields in fields(),
        ) -> FinishedSpan {
            let trace_id = TraceId::from_u128(trace_id).expect("not zero");
            FinishedSpan {
                trace_id,
                span_id: SpanId::from_u64(span_id).expect("not zero"),
                parent_id: SpanId::from_u64(parent),
                parent_is_remote,
                flags,
                trace_state: trace_state.map(Into::into),
                name: name.into(),
                target,
                location,
                level: tracing::Level::INFO,
                kind,
                start_unix_nanos,
                duration_nanos,
                fields,
                outcome,
                error: error.map(Into::into),
                links: (1..=links).filter_map(SpanId::from_u64).map(|span_id| Link { trace_id, span_id }).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn the_official_decoder_finds_every_span_as_it_was(spans in proptest::collection::vec(spans(), 0..8)) {
            let request = decoded(&spans);
            prop_assert_eq!(request.resource_spans.len(), 1);
            let mut expected_scopes: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
            for span in &spans {
                expected_scopes.entry(span.target).or_default().push(expected(span));
            }
            let scopes: Vec<(String, Vec<Span>)> = (request.resource_spans[0].scope_spans.iter())
                .map(|scope| (scope.scope.clone().unwrap_or_default().name, scope.spans.clone()))
                .collect();
            let expected_scopes: Vec<_> =
                expected_scopes.into_iter().map(|(target, spans)| (target.to_owned(), spans)).collect();
            prop_assert_eq!(scopes, expected_scopes);
        }
    }
}
