//! One annotation, three signals: spans, log lines and metrics that agree.
#![deny(missing_docs)]

mod classify;
pub mod config;
mod ids;
mod loss;
pub mod names;
mod outcome;
mod sensitive;
mod text;

pub mod engine;
mod log;
pub mod metrics;
pub mod propagation;

pub mod export;
#[cfg(feature = "serve")]
pub mod serve;

mod call_context;
pub mod operation;
mod published;
#[cfg(feature = "tokio")]
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use crate::call_context::{CallContext, spawn_thread};
pub use crate::classify::Classify;
pub use crate::config::{ConfigError, ObservabilityConfig};
pub use crate::ids::{InvalidId, MessageId, RequestId, SessionId, SpanId, TraceId};
pub use crate::metrics::{
    Counter, Descriptor, Gauge, Histogram, IllegalTransition, LabelSet, LabelValue, Method, MetricSet,
    OPERATION_DESCRIPTORS, ObservedCounter, ObservedGauge, RegisterError, Registry, Route, StateMachine, Status,
    Tracked,
};
pub use crate::outcome::{Ended, Outcome};
pub use crate::propagation::Carrier;
#[cfg(feature = "serve")]
pub use crate::published::request_id_middleware;
pub use crate::published::{FlushGuard, init_tracer, init_tracing};
#[cfg(feature = "opentelemetry")]
pub use crate::published::{extract_trace_context, inject_trace_context};
pub use crate::sensitive::Sensitive;
#[cfg(feature = "serve")]
pub use crate::serve::{ServeError, Server, metrics_router};
#[cfg(feature = "tokio")]
pub use crate::tasks::{InContext, spawn, spawn_blocking};
pub use crate::telemetry::{Builder, Report, StartError, Telemetry};
pub use obs_macros::{Carrier, Classify, LabelSet, LabelValue, MetricSet, StateMachine, correlated, observed};
pub use tracing;
pub use tracing::{
    Level, debug, debug_span, error, error_span, event, info, info_span, span, trace, trace_span, warn, warn_span,
};

/// Records a late field of the span of the surrounding `#[observed]` function.
///
/// `record!(agent_id = id)`, `record!(agent_id)` for a local of that name, `?` and `%` as in `#[observed]`. A field that
/// the attribute did not declare is a compile error.
#[macro_export]
macro_rules! record {
    ($($tokens:tt)*) => {
        $crate::__private::__record! { $crate; $($tokens)* }
    };
}

/// Gives a block its span, its metrics and the event of its error: what [`observed`](macro@observed) does for a function.
///
/// The name stands first, then the fields and options of `#[observed]`, then behind a semicolon the block: `{ … }`, or
/// `async { … }` or `async move { … }`, which gives a future. A field that is only named is a variable.
///
/// ```
/// use obs_runtime::{observe, testing::capture};
///
/// fn place(agents: &[&str]) -> Result<usize, std::num::ParseIntError> {
///     let mut sum = 0;
///     for agent_id in agents {
///         sum += observe!("place", agent_id; { agent_id.parse::<usize>() })?;
///     }
///     Ok(sum)
/// }
///
/// let seen = capture(|| place(&["1", "two"]));
/// assert_eq!(seen.spans()[0].fields.get("agent_id"), Some(&"1".into()));
/// assert_eq!(seen.metric("operation_duration_seconds_count", &[("outcome", "error")]), Some(1.0));
/// ```
///
/// The block is a closure, so a `return` or `?` in it gives the block its value. `record!` in it writes to the function around
/// it, unless the block declares `late(…)` fields of its own.
#[macro_export]
macro_rules! observe {
    ($($tokens:tt)*) => {
        $crate::__private::__observe! { $crate; $($tokens)* }
    };
}
