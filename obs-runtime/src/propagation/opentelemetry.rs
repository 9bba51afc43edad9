//! To and from `opentelemetry::Context`, for code that speaks the API of OpenTelemetry, and a propagator for its SDK.

use std::sync::LazyLock;

use opentelemetry::baggage::{Baggage as OtelBaggage, BaggageExt, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Context, KeyValue};

use crate::propagation::{self, Baggage, Carrier, Correlation, TraceContext};
use crate::{SpanId, TraceId, names};

/// What travels here, as a propagator of OpenTelemetry: the strict reading of `traceparent`, `tracestate` and `baggage`, and the ids, in a
/// program that keeps the SDK.
///
/// ```
/// use obs_runtime::propagation::opentelemetry::Propagator;
///
/// opentelemetry::global::set_text_map_propagator(Propagator::new());
/// ```
///
/// Several headers are one list only where the `Extractor` gives them all (`get_all`), as those of `opentelemetry-http` do. An `Injector`
/// takes nothing away: a stale header of a reused map stays where there is nothing to say in its place. A context without a
/// span is taken for the current one of this toolkit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Propagator(());

impl Propagator {
    /// The propagator.
    #[must_use]
    pub const fn new() -> Self {
        Propagator(())
    }
}

impl TextMapPropagator for Propagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let correlation = from_context(cx);
        let correlation = if correlation.trace.is_some() { correlation } else { correlation.or_current() };
        propagation::headers(&correlation, |header, value| {
            if let Some(value) = value {
                injector.set(header.name(), value.to_owned());
            }
        });
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let correlation = propagation::extract(&Extracted(extractor));
        if correlation == Correlation::default() { cx.clone() } else { onto(cx, &correlation) }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 6]> = LazyLock::new(|| names::TRAVELLING.map(str::to_owned));
        FieldIter::new(&*FIELDS)
    }
}

/// What a propagator is given to read.
struct Extracted<'a>(&'a dyn Extractor);

impl Carrier for Extracted<'_> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        self.0.get_all(key).into_iter().flatten().map(str::as_bytes)
    }
}

/// The ids of a correlation, as a value of a `Context`: OpenTelemetry has no place of its own for them.
struct Carried(Correlation);

/// A context whose span is the one that `correlation` names, remote, with its baggage. The ids are in it too, for [`from_context`].
#[must_use]
pub fn to_context(correlation: &Correlation) -> Context {
    onto(&Context::new(), correlation)
}

fn onto(context: &Context, correlation: &Correlation) -> Context {
    onto_as(context, correlation, true)
}

/// The same with a span of this process.
#[cfg_attr(not(feature = "otel-bridge"), allow(dead_code))]
pub(crate) fn onto_local(context: &Context, correlation: &Correlation) -> Context {
    onto_as(context, correlation, false)
}

fn onto_as(context: &Context, correlation: &Correlation, is_remote: bool) -> Context {
    let mut context = context.with_value(Carried(correlation.clone()));
    if !correlation.baggage.is_empty() {
        context = context.with_baggage(
            correlation
                .baggage
                .iter()
                .map(|(key, value)| KeyValueMetadata::from(KeyValue::new(key.to_owned(), value.to_owned()))),
        );
    }
    match &correlation.trace {
        Some(trace) => context.with_remote_span_context(span_context(trace, is_remote)),
        None => context,
    }
}

/// The span, baggage and ids of `context`.
#[must_use]
pub fn from_context(context: &Context) -> Correlation {
    let carried = context.get::<Carried>().map(|carried| carried.0.clone()).unwrap_or_default();
    let trace = trace_context(context.span().span_context()).map(|now| match &carried.trace {
        // The one that came keeps what the API of OpenTelemetry would have refused in its `tracestate`.
        Some(came) if came.span_id == now.span_id && came.trace_id == now.trace_id => came.clone(),
        _ => now,
    });
    let baggage = baggage(context.baggage(), carried.baggage);
    Correlation { trace, baggage, ..carried }
}

fn span_context(trace: &TraceContext, is_remote: bool) -> SpanContext {
    SpanContext::new(
        opentelemetry::TraceId::from(trace.trace_id.to_u128()),
        opentelemetry::SpanId::from(trace.span_id.to_u64()),
        TraceFlags::new(trace.flags),
        is_remote,
        trace.state.as_deref().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default(),
    )
}

fn trace_context(span: &SpanContext) -> Option<TraceContext> {
    let state = span.trace_state().header();
    Some(TraceContext {
        trace_id: TraceId::from_u128(u128::from_be_bytes(span.trace_id().to_bytes()))?,
        span_id: SpanId::from_u64(u64::from_be_bytes(span.span_id().to_bytes()))?,
        flags: span.trace_flags().to_u8(),
        state: (!state.is_empty()).then(|| state.into()),
    })
}

/// What came, where it is still the same; it has the order and the properties that a context forgets.
fn baggage(now: &OtelBaggage, carried: Baggage) -> Baggage {
    let unchanged = now.len() == carried.len()
        && carried.iter().all(|(key, value)| now.get(key).is_some_and(|other| other.as_str() == value));
    if unchanged {
        return carried;
    }
    Baggage::new(now.iter().map(|(key, (value, _))| (key.as_str().to_owned(), value.as_str().to_owned())))
}
