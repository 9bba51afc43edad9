//! Field, label and metric names, each spelled once.

/// The five standard fields, in the order of the hierarchy: they may be declared by `#[observed]` without an argument.
pub const STANDARD_FIELDS: [&str; 5] = [USER_ID, AGENT_ID, SESSION_ID, REQUEST_ID, MESSAGE_ID];

/// The user on whose behalf the work is done.
pub const USER_ID: &str = "user_id";
/// The agent that the work is about.
pub const AGENT_ID: &str = "agent_id";
/// The WebSocket session.
pub const SESSION_ID: &str = "session_id";
/// The HTTP request.
pub const REQUEST_ID: &str = "request_id";
/// The chat message.
pub const MESSAGE_ID: &str = "message_id";

/// The ids that came with a request, or were made for it: fields of every line and of every span below.
pub(crate) const TRAVELLING_IDS: [&str; 3] = [SESSION_ID, REQUEST_ID, MESSAGE_ID];

/// How an operation ended: `ok`, `error`, `cancelled` or `panicked`.
pub const OUTCOME: &str = "outcome";
/// The text of an error.
pub const ERROR: &str = "error";
/// The kind of an error, by the OpenTelemetry semantic conventions.
pub const ERROR_TYPE: &str = "error.type";
/// How long an operation took, in milliseconds.
pub const DURATION_MS: &str = "duration_ms";

/// How many lines of its callsite were held back before a line, where their rate is bounded.
pub const SUPPRESSED: &str = "suppressed";

/// The keys that every log line begins with, in their order. A field that bears one of them gets a trailing `_`.
pub const RESERVED: [&str; 8] = ["timestamp", "level", "target", "message", "trace_id", "span_id", "file", "line"];

/// The same keys as a field bears them, in the same order.
pub(crate) const RESERVED_AS_FIELDS: [&str; 8] =
    ["timestamp_", "level_", "target_", "message_", "trace_id_", "span_id_", "file_", "line_"];

/// The target of an event, where it is not that of its span; no field is called so.
pub(crate) const TARGET_FIELD: &[u8] = b",\"target\":";

/// The target of the events that tell an audited call.
pub const AUDIT: &str = "audit";

/// Header: the caller's trace, by W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// Header: what tracing vendors add to the trace, by W3C Trace Context.
pub const TRACESTATE: &str = "tracestate";
/// Header: the caller's key-value pairs, by W3C Baggage.
pub const BAGGAGE: &str = "baggage";
/// Header: the id of the HTTP request.
pub const X_REQUEST_ID: &str = "x-request-id";
/// Header: the id of the WebSocket session.
pub const X_SESSION_ID: &str = "x-session-id";
/// Header: the id of the chat message.
pub const X_MESSAGE_ID: &str = "x-message-id";

/// The headers that travel between processes.
pub const TRAVELLING: [&str; 6] = [TRACEPARENT, TRACESTATE, BAGGAGE, X_REQUEST_ID, X_SESSION_ID, X_MESSAGE_ID];

/// The field by which a `tracing` span overrides its exported name (a convention of tracing-opentelemetry).
pub const OTEL_NAME: &str = "otel.name";
/// The field by which a `tracing` span says its kind (a convention of tracing-opentelemetry).
pub const OTEL_KIND: &str = "otel.kind";
