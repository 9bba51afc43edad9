use http::HeaderMap;
use opentelemetry::Context;

use crate::propagation::{self, Correlation};

/// What `headers` say about the caller, as a context of OpenTelemetry: its span (remote), its baggage and its ids. Malformed headers are
/// as if they were not there.
///
/// ```
/// use opentelemetry::trace::TraceContextExt as _;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("traceparent", http::HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
/// let context = obs_runtime::extract_trace_context(&headers);
/// assert_eq!(context.span().span_context().span_id().to_string(), "b7ad6b7169203331");
/// ```
#[must_use]
pub fn extract_trace_context(headers: &HeaderMap) -> Context {
    propagation::opentelemetry::to_context(&propagation::extract(headers))
}

/// Writes the span, the baggage and the ids of `cx` into `headers`; where `cx` names no span, those of the current span of this toolkit;
/// where there is none either, nothing.
pub fn inject_trace_context(headers: &mut HeaderMap, cx: &Context) {
    let correlation = propagation::opentelemetry::from_context(cx);
    let correlation = if correlation.trace.is_some() { correlation } else { Correlation::current() };
    propagation::inject(&correlation, headers);
}
