//! What travels between processes: the trace, the baggage and the ids, and the carriers that they travel in.

use std::sync::Arc;

use crate::{MessageId, RequestId, SessionId, SpanId, TraceId};

/// The most characters that an id may have.
pub const MAX_ID_LENGTH: usize = 128;

/// The context that one process hands to the next.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// The trace and the span that the next span is a child of.
    pub trace: Option<TraceContext>,
    /// The HTTP request.
    pub request_id: Option<RequestId>,
    /// The WebSocket session.
    pub session_id: Option<SessionId>,
    /// The chat message.
    pub message_id: Option<MessageId>,
    /// The caller's key-value pairs, as a list of decoded pairs in the order of the header.
    pub baggage: Arc<[(String, String)]>,
}

/// A position in a trace, by W3C Trace Context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The flags: bit 0 sampled, bit 1 random.
    pub flags: u8,
    /// `tracestate`, as it goes out.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// Whether the caller records this trace.
    #[must_use]
    pub const fn sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}
