//! Any exporter of the OpenTelemetry SDK, at the end of our pipeline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link as SdkLink, SpanContext, SpanId as SdkSpanId, SpanKind as SdkKind};
use opentelemetry::trace::{Status, TraceFlags, TraceId as SdkTraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};

use super::{Delivery, Exporter, Limits, Resource};
use crate::engine::{FieldValue, Fields, FinishedSpan, Link, SpanEvent, SpanKind};
use crate::{SpanId, TraceId};

pub use opentelemetry_sdk;

/// Gives finished spans to a `SpanExporter` of the OpenTelemetry SDK.
///
/// ```
/// use obs_runtime::export::bridge::{Bridge, opentelemetry_sdk::trace::SpanExporter};
/// use obs_runtime::{StartError, Telemetry};
///
/// /// `exporter` is one of opentelemetry-otlp, opentelemetry-stdout, …
/// fn start(exporter: impl SpanExporter + 'static) -> Result<Telemetry, StartError> {
///     Telemetry::builder("shop").exporter(Bridge::new(exporter)).start()
/// }
/// ```
///
/// It is called where the SDK's own batch processor would call it: on a thread without a tokio runtime, which waits for its
/// future. So an exporter that needs one is made inside it (as that of opentelemetry-otlp over gRPC). Its own events go
/// nowhere. It is told the resource, and is shut down when the runtime is. Spans are cut to the limits of the configuration.
#[derive(Debug)]
pub struct Bridge<E: SpanExporter> {
    exporter: E,
    limits: Limits,
}

impl<E: SpanExporter> Bridge<E> {
    /// Spans go to `exporter`.
    pub fn new(exporter: E) -> Self {
        Bridge { exporter, limits: Limits::default() }
    }
}

impl<E: SpanExporter + 'static> Exporter for Bridge<E> {
    fn start(&mut self, resource: &Resource) {
        let attributes =
            resource.iter().map(|(key, value)| KeyValue::new(key.to_owned(), self::value(value, usize::MAX)));
        self.exporter.set_resource(&opentelemetry_sdk::Resource::builder_empty().with_attributes(attributes).build());
    }

    fn limit(&mut self, limits: &Limits) {
        self.limits = *limits;
    }

    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        let accepted = spans.len();
        let data = spans.into_iter().map(|span| span_data(span, &self.limits)).collect();
        match futures_executor::block_on(self.exporter.export(data)) {
            Ok(()) => Delivery { accepted, problem: None },
            Err(err) => Delivery::none(err.to_string()),
        }
    }
}

impl<E: SpanExporter> Drop for Bridge<E> {
    fn drop(&mut self) {
        // What it says of its end has nobody to tell it to any more.
        let _ = self.exporter.shutdown();
    }
}

fn span_data(span: FinishedSpan, limits: &Limits) -> SpanData {
    let (mut attributes, dropped_attributes_count) = attributes(&span.fields, limits.attributes, limits.length);
    if let Some((file, line)) = span.location {
        attributes.push(KeyValue::new("code.file.path", file));
        attributes.push(KeyValue::new("code.line.number", i64::from(line)));
    }
    let mut events = SpanEvents::default();
    events.events = span.events.iter().map(|event| self::event(event, limits)).collect();
    events.dropped_count = span.dropped_events;
    let mut links = SpanLinks::default();
    links.links = span.links.iter().take(limits.links).map(link).collect();
    links.dropped_count = span.links.len().saturating_sub(limits.links) as u32;
    SpanData {
        status: span.status().map_or_else(|error| Status::error(error.to_owned()), |()| Status::Unset),
        span_context: context(span.trace_id, span.span_id, span.flags, span.trace_state.as_deref()),
        parent_span_id: span.parent_id.map_or(SdkSpanId::INVALID, |id| SdkSpanId::from(id.to_u64())),
        parent_span_is_remote: span.parent_is_remote,
        span_kind: match span.kind {
            SpanKind::Internal => SdkKind::Internal,
            SpanKind::Server => SdkKind::Server,
            SpanKind::Client => SdkKind::Client,
            SpanKind::Producer => SdkKind::Producer,
            SpanKind::Consumer => SdkKind::Consumer,
        },
        name: span.name,
        start_time: at(span.start_unix_nanos),
        end_time: at(span.start_unix_nanos.saturating_add(span.duration_nanos)),
        attributes,
        dropped_attributes_count,
        events,
        links,
        instrumentation_scope: InstrumentationScope::builder(span.target).build(),
    }
}

fn event(event: &SpanEvent, limits: &Limits) -> Event {
    let mut all = vec![KeyValue::new("level", crate::log::line::name(event.level))];
    let (fields, mut dropped) = attributes(&event.fields, limits.event_attributes.saturating_sub(1), limits.length);
    all.extend(fields);
    if limits.event_attributes == 0 {
        all.clear();
        dropped += 1;
    }
    Event::new(event.name.clone(), at(event.unix_nanos), all, dropped)
}

fn link(link: &Link) -> SdkLink {
    SdkLink::with_context(context(link.trace_id, link.span_id, 0, None))
}

fn context(trace: TraceId, span: SpanId, flags: u8, state: Option<&str>) -> SpanContext {
    SpanContext::new(
        SdkTraceId::from(trace.to_u128()),
        SdkSpanId::from(span.to_u64()),
        TraceFlags::new(flags),
        false,
        state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default(),
    )
}

/// The first fields, and how many others there are.
fn attributes(fields: &Fields, most: usize, length: usize) -> (Vec<KeyValue>, u32) {
    let pairs = fields.iter().take(most);
    let kept: Vec<_> = pairs.map(|(key, value)| KeyValue::new(key.into_owned(), self::value(&value, length))).collect();
    let dropped = fields.iter().count() - kept.len();
    (kept, dropped as u32)
}

fn value(value: &FieldValue<'_>, length: usize) -> Value {
    match value {
        FieldValue::Str(text) => Value::from(text[..text.floor_char_boundary(length)].to_owned()),
        FieldValue::I64(number) => Value::from(*number),
        // Beyond the integers that OpenTelemetry has.
        FieldValue::U64(number) => i64::try_from(*number).map_or_else(|_| Value::from(number.to_string()), Value::from),
        FieldValue::F64(number) => Value::from(*number),
        FieldValue::Bool(truth) => Value::from(*truth),
    }
}

fn at(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}
