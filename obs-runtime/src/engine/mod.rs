//! The engine: spans, events and the clock, behind `tracing::Subscriber`.
//!
//! A span is a [`node::Node`], held by whoever works in it: the thread's [`stack`], the call that an attribute observes, or the
//! table of ids by which `tracing` names it ([`core`]). A log line asks the node for the fields of all the spans around.

pub(crate) mod call;
pub(crate) mod callsite;
pub(crate) mod clock;
pub(crate) mod context;
pub(crate) mod core;
mod fields;
pub(crate) mod filter;
mod finished;
pub(crate) mod node;
pub(crate) mod sampling;
pub(crate) mod stack;
pub(crate) mod subscriber;
pub(crate) mod visit;

pub(crate) use self::context::{Entered, current, enter};
pub use self::fields::{FieldValue, Fields};
pub use self::finished::{FinishedSpan, Link, SpanKind};
