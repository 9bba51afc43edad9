//! Spans as an `ExportTraceServiceRequest`, written by hand from the rendered fields.

use std::ops::Range;

use super::wire::Message;
use crate::engine::{FieldValue, Link, SpanKind};
use crate::export::batch::Batch;
use crate::export::batch::span::{Event, Span};
use crate::export::{Limits, Resource};
use crate::log::{json, line};

/// Writes requests; what it needs for that is kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    limits: Limits,
    targets: Vec<&'static str>,
    /// The number of each span's target.
    scopes: Vec<u32>,
}

impl Encoder {
    pub(super) fn new(limits: Limits) -> Self {
        Encoder { limits, ..Encoder::default() }
    }

    /// Appends the request with these spans, one scope for each target, in the order in which targets are first seen.
    pub(super) fn request(&mut self, out: &mut Message, resource: &[u8], batch: &Batch, range: Range<usize>) {
        self.targets.clear();
        self.scopes.clear();
        for number in range.clone() {
            let target = batch.get(number).target();
            // The same target is usually the same text in memory, too.
            let found = self.targets.iter().position(|known| std::ptr::eq(*known, target) || *known == target);
            let scope = found.unwrap_or_else(|| {
                self.targets.push(target);
                self.targets.len() - 1
            });
            self.scopes.push(scope as u32);
        }
        let Encoder { limits, targets, scopes } = self;
        out.large(1, |out| {
            out.bytes(1, resource);
            for (scope, target) in targets.iter().enumerate() {
                out.large(2, |out| {
                    out.message(1, |out| out.text(1, target));
                    for (number, of) in range.clone().zip(&*scopes) {
                        if *of as usize == scope {
                            out.medium(2, |out| span(out, &batch.get(number), limits));
                        }
                    }
                });
            }
        });
    }
}

/// The resource, encoded once and used in every request.
pub(super) fn resource(resource: &Resource) -> Vec<u8> {
    let mut out = Message::default();
    resource.iter().for_each(|(key, value)| attribute(&mut out, 1, key, value));
    out.0
}

fn span(out: &mut Message, span: &Span<'_>, limits: &Limits) {
    let fixed = span.fixed;
    out.bytes(1, &fixed.trace_id.to_u128().to_be_bytes());
    out.bytes(2, &fixed.span_id.to_u64().to_be_bytes());
    out.some(3, span.trace_state);
    if let Some(parent) = fixed.parent_id {
        out.bytes(4, &parent.to_u64().to_be_bytes());
    }
    out.some(5, span.name);
    out.varint(6, kind(fixed.kind));
    out.fixed64(7, fixed.start_unix_nanos);
    out.fixed64(8, fixed.start_unix_nanos.saturating_add(fixed.duration_nanos));
    let mut count = 0;
    for (key, value) in json::raw_pairs(span.fields) {
        count += 1;
        if count <= limits.attributes {
            rendered(out, 9, key, value, limits.length);
        }
    }
    if let Some((file, line)) = span.location() {
        text(out, 9, b"code.file.path", file.as_bytes());
        attribute(out, 9, "code.line.number", &FieldValue::I64(i64::from(line)));
    }
    if count > limits.attributes {
        out.varint(10, (count - limits.attributes) as u64);
    }
    for event in span.events() {
        out.message(11, |out| happened(out, &event, limits));
    }
    if span.dropped_events() > 0 {
        out.varint(12, span.dropped_events().into());
    }
    for Link { trace_id, span_id, .. } in span.links.iter().take(limits.links) {
        out.message(13, |out| {
            out.bytes(1, &trace_id.to_u128().to_be_bytes());
            out.bytes(2, &span_id.to_u64().to_be_bytes());
        });
    }
    if span.links.len() > limits.links {
        out.varint(14, (span.links.len() - limits.links) as u64);
    }
    if let Some(error) = span.failure() {
        out.message(15, |out| {
            out.some(2, error);
            out.varint(3, 2);
        });
    }
    // Bit 8: it is known whether the parent is remote; bit 9: it is.
    out.fixed32(16, u32::from(fixed.flags) | 1 << 8 | u32::from(fixed.parent_is_remote) << 9);
}

fn happened(out: &mut Message, event: &Event<'_>, limits: &Limits) {
    out.fixed64(1, event.unix_nanos);
    match bare(event.message) {
        Some(name) => out.some(2, name),
        None => out.text(2, &json::key(event.message)),
    }
    let mut count = 1;
    if count <= limits.event_attributes {
        text(out, 3, b"level", line::name(event.level).as_bytes());
    }
    for (key, value) in json::raw_pairs(event.fields) {
        count += 1;
        if count <= limits.event_attributes {
            rendered(out, 3, key, value, limits.length);
        }
    }
    if count > limits.event_attributes {
        out.varint(4, (count - limits.event_attributes) as u64);
    }
}

/// A field as an attribute, from the key and the value as they stand on a log line.
fn rendered(out: &mut Message, field: u32, key: &[u8], value: &[u8], length: usize) {
    match (bare(key), bare(value)) {
        (Some(key), Some(value)) => text(out, field, key, cut(value, length)),
        _ => match json::value(value) {
            FieldValue::Str(value) => text(out, field, json::key(key).as_bytes(), cut(value.as_bytes(), length)),
            value => attribute(out, field, &json::key(key), &value),
        },
    }
}

/// What stands between the quotes, where it is a string that needs no unescaping.
fn bare(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    // Folded, so that it is done many bytes at a time.
    let escapes = inside.iter().fold(false, |found, byte| found | (*byte == b'\\'));
    (!escapes).then_some(inside)
}

/// The longest beginning of at most `length` bytes that ends between characters.
fn cut(text: &[u8], length: usize) -> &[u8] {
    if text.len() <= length {
        return text;
    }
    let goes_on = |at: usize| text[at] & 0b1100_0000 == 0b1000_0000;
    let end = (0..=length).rev().find(|at| !goes_on(*at)).unwrap_or_default();
    &text[..end]
}

/// An attribute that is text. The lengths are known before, so that nothing is moved.
fn text(out: &mut Message, field: u32, key: &[u8], value: &[u8]) {
    let value_length = Message::bytes_length(value.len());
    let key_length = if key.is_empty() { 0 } else { Message::bytes_length(key.len()) };
    out.length(field, key_length + Message::bytes_length(value_length));
    out.some(1, key);
    out.length(2, value_length);
    // Inside a `oneof` an empty text is a value and is written.
    out.bytes(1, value);
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

fn attribute(out: &mut Message, field: u32, key: &str, value: &FieldValue<'_>) {
    out.message(field, |out| {
        out.text(1, key);
        out.message(2, |out| match value {
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
    use opentelemetry_proto::tonic::resource::v1 as proto;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::{Encoder, resource};
    use crate::engine::{FieldValue, Fields, FinishedSpan, Link, SpanEvent, SpanKind};
    use crate::export::batch::Batch;
    use crate::export::otlp::wire::Message;
    use crate::export::{Limits, Resource};
    use crate::log::json;
    use crate::{Ended, SpanId, TraceId};

    fn decoded(spans: &[FinishedSpan], limits: Limits) -> ExportTraceServiceRequest {
        let mut batch = Batch::default();
        for span in spans {
            batch.push_finished(span);
        }
        let mut out = Message::default();
        Encoder::new(limits).request(&mut out, &[], &batch, 0..batch.len());
        let bytes = out.0;
        let request = ExportTraceServiceRequest::decode(&*bytes).expect("the official decoder reads it");
        assert_eq!(request.encode_to_vec().len(), bytes.len(), "nothing is written that the decoder does not know");
        request
    }

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn attributes(fields: &Fields) -> Vec<KeyValue> {
        let value = |value: FieldValue<'_>| match value {
            FieldValue::Str(text) => Value::StringValue(text.into_owned()),
            FieldValue::I64(number) => Value::IntValue(number),
            FieldValue::U64(number) if number <= i64::MAX as u64 => Value::IntValue(number as i64),
            FieldValue::U64(number) => Value::StringValue(number.to_string()),
            FieldValue::F64(number) => Value::DoubleValue(number),
            FieldValue::Bool(truth) => Value::BoolValue(truth),
        };
        fields.iter().map(|(key, field)| attribute(&key, value(field))).collect()
    }

    /// What a span is on the wire, by the official types.
    fn expected(span: &FinishedSpan) -> Span {
        let mut attributes = attributes(&span.fields);
        if let Some((file, line)) = span.location {
            attributes.push(attribute("code.file.path", Value::StringValue(file.to_owned())));
            attributes.push(attribute("code.line.number", Value::IntValue(line.into())));
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
            events: (span.events.iter())
                .map(|event| opentelemetry_proto::tonic::trace::v1::span::Event {
                    time_unix_nano: event.unix_nanos,
                    name: event.name.clone(),
                    attributes: [attribute("level", Value::StringValue(event.level.as_str().to_ascii_lowercase()))]
                        .into_iter()
                        .chain(self::attributes(&event.fields))
                        .collect(),
                    dropped_attributes_count: 0,
                })
                .collect(),
            dropped_events_count: span.dropped_events,
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

    fn events() -> impl Strategy<Value = Vec<SpanEvent>> {
        let level = prop_oneof![Just(tracing::Level::ERROR), Just(tracing::Level::INFO)];
        let event = (any::<u64>(), level, any::<String>(), fields());
        let event = event.prop_map(|(unix_nanos, level, name, fields)| SpanEvent { unix_nanos, level, name, fields });
        proptest::collection::vec(event, 0..3)
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
            (events, dropped_events) in (events(), 0..2_u32),
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
                slow: false,
                fields,
                outcome,
                error: error.map(Into::into),
                events,
                dropped_events,
                links: (1..=links).filter_map(SpanId::from_u64).map(|span_id| Link { trace_id, span_id }).collect(),
            }
        }
    }

    #[test]
    fn the_official_decoder_finds_the_resource() {
        let given = [("deployment.environment.name".to_owned(), "test".to_owned())].into();
        let ours = Resource::new("control", &given);
        let found = proto::Resource::decode(&*resource(&ours)).expect("the official decoder reads it");
        let expected: Vec<KeyValue> = (ours.iter())
            .map(|(key, value)| match value {
                FieldValue::Str(text) => attribute(key, Value::StringValue(text.to_string())),
                FieldValue::I64(number) => attribute(key, Value::IntValue(*number)),
                other => panic!("{key} is {other:?}"),
            })
            .collect();
        assert_eq!(found.attributes, expected);
    }

    proptest! {
        #[test]
        fn the_official_decoder_finds_every_span_as_it_was(spans in proptest::collection::vec(spans(), 0..8)) {
            let request = decoded(&spans, Limits::default());
            prop_assert_eq!(request.resource_spans.len(), 1);
            let mut expected_scopes: Vec<(String, Vec<Span>)> = Vec::new();
            for span in &spans {
                let scope = expected_scopes.iter_mut().find(|(target, _)| target == span.target);
                match scope {
                    Some((_, spans)) => spans.push(expected(span)),
                    None => expected_scopes.push((span.target.to_owned(), vec![expected(span)])),
                }
            }
            let scopes: Vec<(String, Vec<Span>)> = (request.resource_spans[0].scope_spans.iter())
                .map(|scope| (scope.scope.clone().unwrap_or_default().name, scope.spans.clone()))
                .collect();
            prop_assert_eq!(scopes, expected_scopes);
        }

        #[test]
        fn limits_cut_and_count(spans in proptest::collection::vec(spans(), 1..4), attributes in 0..4_usize, length in 0..9_usize) {
            let limits = Limits { attributes, length, links: 1, event_attributes: attributes };
            let request = decoded(&spans, limits);
            let found: Vec<&Span> = request.resource_spans[0].scope_spans.iter().flat_map(|scope| &scope.spans).collect();
            for span in &spans {
                let id = span.span_id.to_u64().to_be_bytes();
                let found = found.iter().find(|found| found.span_id == id).expect("it is there");
                let fields = span.fields.iter().count();
                let own = |key: &str| key == "code.file.path" || key == "code.line.number";
                let kept: Vec<_> = found.attributes.iter().filter(|pair| !own(&pair.key)).collect();
                prop_assert_eq!(kept.len(), fields.min(attributes));
                prop_assert_eq!(found.dropped_attributes_count as usize, fields.saturating_sub(attributes));
                prop_assert_eq!(found.events.len(), span.events.len());
                for (found, event) in found.events.iter().zip(&span.events) {
                    // The level is one of them.
                    let all = 1 + event.fields.iter().count();
                    prop_assert_eq!(found.attributes.len() + found.dropped_attributes_count as usize, all);
                    prop_assert!(found.attributes.len() <= attributes);
                }
                prop_assert_eq!(found.links.len() + found.dropped_links_count as usize, span.links.len());
                for (kept, (_, whole)) in kept.iter().zip(span.fields.iter()) {
                    let kept = kept.value.as_ref().and_then(|value| value.value.as_ref());
                    if let (Some(Value::StringValue(kept)), FieldValue::Str(whole)) = (kept, whole) {
                        prop_assert!(kept.len() <= length && whole.starts_with(kept.as_str()));
                        prop_assert_eq!(kept.len(), whole.floor_char_boundary(length.min(whole.len())));
                    }
                }
            }
        }
    }
}
