use std::borrow::Cow;
use std::sync::Arc;

use tracing::{Level, Metadata};

use crate::engine::Fields;
use crate::engine::clock::Moment;
use crate::engine::record::{Ids, Record};
use crate::{Ended, SpanId, TraceId};

/// A span that has ended, as exporters receive it.
#[derive(Clone, Debug)]
pub struct FinishedSpan {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The span it is a child of.
    pub parent_id: Option<SpanId>,
    /// Whether the parent is in another process.
    pub parent_is_remote: bool,
    /// W3C trace flags: bit 0 sampled, bit 1 random.
    pub flags: u8,
    /// W3C `tracestate`.
    pub trace_state: Option<Arc<str>>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// The module path, or what `target = "…"` said.
    pub target: &'static str,
    /// The source file and line.
    pub location: Option<(&'static str, u32)>,
    /// Its level.
    pub level: Level,
    /// Its role in the conversation between services.
    pub kind: SpanKind,
    /// Nanoseconds since the Unix epoch at which it began.
    pub start_unix_nanos: u64,
    /// How long it lasted, in nanoseconds, by a monotonic clock.
    pub duration_nanos: u64,
    /// Whether it took longer than `slow = "…"` of its operation allows.
    pub slow: bool,
    /// The ids of request, session and message and the chosen keys of the baggage, where it inherits them; then its own fields, in the
    /// order in which they were recorded, with `outcome`, `error` and `error.type`. Other fields that it inherits are on its lines alone.
    pub fields: Fields,
    /// How it ended, where somebody judged it.
    pub outcome: Option<Ended>,
    /// The text of the error, where it ended in one.
    pub error: Option<Box<str>>,
    /// Other spans that it belongs with.
    pub links: Vec<Link>,
    /// What happened inside it: the newest of its log lines, as far as `span_events` makes events of them.
    pub events: Vec<SpanEvent>,
    /// How many older events there were.
    pub dropped_events: u32,
}

/// A log line, as an event of the span that it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanEvent {
    /// Nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// Its level.
    pub level: Level,
    /// Its message.
    pub name: String,
    /// Its own fields, and `target` where that is not the span's.
    pub fields: Fields,
}

impl FinishedSpan {
    /// The status by the OpenTelemetry specification: an error with its description where the span failed or panicked, else
    /// unset.
    ///
    /// # Errors
    /// The description of the error.
    pub fn status(&self) -> Result<(), &str> {
        match (&self.error, self.outcome) {
            (Some(error), _) => Err(error),
            (None, Some(outcome @ (Ended::Panicked | Ended::Error))) => Err(outcome.as_str()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl FinishedSpan {
    /// A span of which nothing is special.
    pub(crate) fn of(trace_id: TraceId, span_id: SpanId, parent_id: Option<SpanId>) -> Self {
        FinishedSpan {
            trace_id,
            span_id,
            parent_id,
            parent_is_remote: false,
            flags: 0,
            trace_state: None,
            name: "work".into(),
            target: "tests",
            location: None,
            level: Level::INFO,
            kind: SpanKind::Internal,
            start_unix_nanos: 1,
            duration_nanos: 1,
            slow: false,
            fields: Fields::default(),
            outcome: None,
            error: None,
            links: Vec::new(),
            events: Vec::new(),
            dropped_events: 0,
        }
    }
}

/// A span at its end, while its record is still at hand.
pub(crate) struct Closed<'a> {
    pub(crate) record: &'a Record,
    pub(crate) ids: Ids,
    pub(crate) meta: &'static Metadata<'static>,
    pub(crate) end: Moment,
    pub(crate) outcome: Option<Ended>,
    pub(crate) error: Option<&'a str>,
}

impl Closed<'_> {
    /// The `tracestate` of its trace.
    #[inline]
    pub(crate) fn trace_state(&self) -> &str {
        let trace = self.record.carried.as_ref().and_then(|carried| carried.trace.as_ref());
        trace.and_then(|trace| trace.state.as_deref()).unwrap_or_default()
    }

    /// Whether it has nothing but what most spans have: ids, times and fields.
    #[inline]
    pub(crate) fn is_common(&self) -> bool {
        self.error.is_none()
            && self.record.events.is_empty()
            && self.record.rare().is_none_or(|rare| rare.name.is_none() && rare.links.is_empty())
            && self.trace_state().is_empty()
    }
}

/// A span's role, by the OpenTelemetry specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside the process.
    #[default]
    Internal,
    /// The answer to a remote caller.
    Server,
    /// A call to a remote service.
    Client,
    /// A message that is put into a queue.
    Producer,
    /// A message that is taken out of a queue.
    Consumer,
}

impl SpanKind {
    /// The kind with this name (`internal`, `server`, `client`, `producer`, `consumer`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "internal" => SpanKind::Internal,
            "server" => SpanKind::Server,
            "client" => SpanKind::Client,
            "producer" => SpanKind::Producer,
            "consumer" => SpanKind::Consumer,
            _ => return None,
        })
    }
}

/// Another span that a span belongs with, without being its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other span's trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
}
