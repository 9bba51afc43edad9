//! One annotation, three signals: spans, log lines and metrics that agree.
//!
//! This is the only crate that a service names: it re-exports the macros, and `tracing` with its macros.
//!
//! ```
//! use std::time::Duration;
//!
//! use obs_runtime::{Telemetry, info, observed, record};
//!
//! #[observed(user_id, agent_id)]
//! fn create_agent(user_id: &str, size: u32) -> Result<String, String> {
//!     if size > 8 {
//!         return Err(format!("no host has room for size {size}")); // one error line, here
//!     }
//!     let agent_id = format!("agent-of-{user_id}");
//!     record!(agent_id); // known late: on the span, and on every line from here on
//!     info!(size, "Agent created");
//!     Ok(agent_id)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let telemetry = Telemetry::builder("minimal").start()?;
//!     let _ = create_agent("u1", 2);
//!     telemetry.shutdown(Duration::from_secs(5));
//!     Ok(())
//! }
//! ```
//!
//! It writes one JSON object a line to the standard output (here broken for the page),
//!
//! ```text
//! {"timestamp":"2026-01-15T10:30:00.123Z","level":"info","target":"minimal","message":"Agent created",
//!  "trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","file":"src/main.rs","line":13,
//!  "user_id":"u1","agent_id":"agent-of-u1","size":2}
//! ```
//!
//! counts the call in `operation_duration_seconds{operation,target,outcome}` and `operations_in_flight{operation,target}`, and has a
//! finished span `create_agent` for whatever exporter there is. `outcome` is `ok`, `error`, `cancelled` (a future that was dropped) or
//! `panicked`. With no runtime started the function does what it does without the attribute.
//!
//! # Where to go next
//!
//! | To | See |
//! |---|---|
//! | observe functions, methods and `impl` blocks | [`observed`](macro@observed), [`record!`] |
//! | say how bad an error is, or what a value says of its call; hide a value | [`Classify`], [`Outcome`], [`Sensitive`] |
//! | count things of your own | [`MetricSet`], [`LabelSet`], [`LabelValue`]; [`metrics`] for the whole |
//! | count the states of a value, and refuse illegal steps | [`StateMachine`], [`Tracked`] |
//! | continue a caller's trace, or hand yours on | [`correlated`](macro@correlated), [`Carrier`], [`propagation`] |
//! | stay in the context across threads, tasks and channels | [`CallContext`], [`spawn_thread`], [`spawn`] |
//! | serve HTTP | the crate `obs-http`: one layer for a router |
//! | start and stop, serve `/metrics` and the probes | [`Telemetry`], [`Builder`] |
//! | have layers of one's own beside it: `fmt`, `tracing-opentelemetry` | [`Telemetry::layer`] |
//! | change the level while the service runs | [`LevelChange`], `/admin/level` |
//! | configure it by file and environment | [`ObservabilityConfig`] |
//! | look at what was emitted, in a test | `testing` (feature) |
//! | send spans somewhere of your own | [`export`], [`engine::FinishedSpan`] |
//! | open spans from middleware | [`operation`] |
//!
//! # Features
//!
//! All but the last two are on by default. A library that only annotates depends on this crate with `default-features = false`: that is
//! the macros, the engine, log lines, metrics and propagation, without tokio and without axum.
//!
//! | Feature | What it adds |
//! |---|---|
//! | `config-file` | `obs.toml`, or the file that `OBS_CONFIG` names, as a layer of the configuration |
//! | `prometheus` | foreign collectors in `/metrics`; a set of ours in any `prometheus::Registry` |
//! | `opentelemetry` | [`extract_trace_context`] and [`inject_trace_context`]; contexts to and from the `opentelemetry` crate |
//! | `tokio` | [`spawn`] and [`spawn_blocking`], which carry the context; [`InContext`] for futures and streams |
//! | `serve` | [`Telemetry::serve`] and [`Builder::mount`], [`metrics_router`], [`request_id_middleware`] |
//! | `otlp` | finished spans over OTLP, by gRPC or by HTTP |
//! | `layer` | [`Builder::start_layer`] and [`Telemetry::layer`]: a layer over a `tracing_subscriber::Registry` |
//! | `signal` | [`Telemetry::shutdown_on_signal`], on Unix |
//! | `otlp-tls` | the same over TLS, by rustls |
//! | `otel-bridge` | any exporter of the OpenTelemetry SDK ([`export`]); `opentelemetry::Context::current()` as our span, where asked for |
//! | `testing` | `testing::capture`: for `[dev-dependencies]` |
#![deny(missing_docs)]
// The doors of an engine that nobody calls.
#![cfg_attr(obs_off, allow(dead_code))]

mod classify;
pub mod config;
mod copies;
mod ids;
mod loss;
mod muted;
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
    Counter, Descriptor, Gauge, Histogram, IllegalTransition, Info, LabelSet, LabelValue, Method, MetricSet,
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
pub use crate::telemetry::{Builder, LevelChange, LevelError, LevelStatus, Report, StartError, Telemetry};
pub use obs_macros::{Carrier, Classify, LabelSet, LabelValue, MetricSet, StateMachine, correlated, observed};
pub use tracing;
pub use tracing::{
    Level, debug, debug_span, error, error_span, event, info, info_span, span, trace, trace_span, warn, warn_span,
};

/// Records a late field of the span of the surrounding `#[observed]` function.
///
/// A field that the attribute did not declare is a compile error.
///
/// ```
/// use obs_runtime::{observed, record};
///
/// #[observed(agent_id, late(host, attempts))]
/// fn place(size: u32) {
///     let agent_id = "a1";
///     record!(agent_id); // a local of that name
///     record!(host = format!("host-{size}"), attempts = 2); // expressions; numbers and booleans keep their type
///     record!(?host = Some("h1")); // by `Debug`; `%` is by `Display`
/// }
/// # place(3);
/// ```
///
/// It records on the span of the function whose attribute declared the field, also from within spans that its body opened. A
/// second value takes the place of the first. Where nobody listens the values are evaluated, and that is all.
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
/// use obs_runtime::observe;
///
/// fn place(agents: &[&str]) -> Result<usize, std::num::ParseIntError> {
///     let mut sum = 0;
///     for agent_id in agents {
///         sum += observe!("place", agent_id; { agent_id.parse::<usize>() })?;
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(place(&["1", "2"]), Ok(3));
/// assert!(place(&["1", "two"]).is_err());
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
