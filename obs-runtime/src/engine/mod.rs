//! The engine: spans, events and the clock, behind `tracing::Subscriber`. What it shows is what exporters receive: a
//! [`FinishedSpan`] with its [`Fields`].
//!
//! A span is a `Record` in a box, and the box is where the span is: with the call that an attribute observes, on the
//! stack of the thread that works in it, or in one of the slots where `tracing` and other threads find it by an id. A
//! child copies the rendered fields of its parent, so that a log line copies one text.

pub(crate) mod call;
pub(crate) mod callsite;
pub(crate) mod clock;
pub(crate) mod context;
pub(crate) mod core;
pub(crate) mod events;
pub(crate) mod facade;
pub(crate) mod fields;
pub(crate) mod filter;
mod finished;
pub(crate) mod held;
#[cfg(feature = "layer")]
pub(crate) mod layer;
#[cfg(not(feature = "layer"))]
#[path = "no_layer.rs"]
pub(crate) mod layer;
pub(crate) mod local;
pub(crate) mod made;
#[cfg(feature = "otel-bridge")]
mod mirror;
#[cfg(not(feature = "otel-bridge"))]
#[path = "no_mirror.rs"]
mod mirror;
pub(crate) mod opening;
pub(crate) mod plain;
pub(crate) mod record;
pub(crate) mod recorder;
// Only the administration server and captures ask.
#[cfg_attr(not(any(feature = "serve", feature = "testing")), allow(dead_code))]
pub(crate) mod running;
pub(crate) mod sampling;
pub(crate) mod slots;
pub(crate) mod stack;
pub(crate) mod subscriber;
#[cfg(feature = "tokio")]
mod task;
#[cfg(not(feature = "tokio"))]
#[path = "no_task.rs"]
mod task;
pub(crate) mod visit;

pub(crate) use self::context::current;
pub use self::fields::{FieldValue, Fields};
pub(crate) use self::finished::Closed;
pub use self::finished::{FinishedSpan, Link, SpanEvent, SpanKind};
