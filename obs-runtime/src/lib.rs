//! One annotation, three signals: spans, log lines and metrics that agree.
#![deny(missing_docs)]

// What the macros write names this crate from outside; here it is `crate`.
extern crate self as obs_runtime;

pub mod config;
mod ids;
mod loss;
pub mod names;
mod outcome;

pub mod engine;
mod log;
pub mod metrics;
pub mod propagation;

pub mod export;
#[cfg(feature = "serve")]
pub mod serve;

mod published;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use crate::ids::{InvalidId, MessageId, RequestId, SessionId, SpanId, TraceId};
pub use crate::outcome::Outcome;
pub use tracing;
pub use tracing::{
    Level, debug, debug_span, error, error_span, event, info, info_span, span, trace, trace_span, warn, warn_span,
};
