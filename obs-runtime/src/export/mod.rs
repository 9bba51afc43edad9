//! The exporter seam: something that receives finished spans, on a thread of its own.
//!
//! ```
//! use obs_runtime::engine::FinishedSpan;
//! use obs_runtime::export::{Delivery, Exporter};
//!
//! /// Says which spans were slow.
//! struct Slow;
//!
//! impl Exporter for Slow {
//!     fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
//!         for span in spans.iter().filter(|span| span.duration_nanos > 1_000_000_000) {
//!             println!("{} took {} ms", span.name, span.duration_nanos / 1_000_000);
//!         }
//!         Delivery::all(&spans)
//!     }
//! }
//!
//! let telemetry = obs_runtime::Telemetry::builder("shop").exporter(Slow).build()?;
//! # drop(telemetry);
//! # Ok::<(), obs_runtime::StartError>(())
//! ```
//!
//! The example `file_exporter` of the repository is a whole one, which writes spans to a file and says what it could not
//! write. With the feature `otel-bridge`, `bridge::Bridge` makes an exporter of any `SpanExporter` of the OpenTelemetry SDK.
//!
//! What an exporter may rely on: it gets spans in batches of at most `otlp_batch`, at most `otlp_delay` after they ended (with
//! `tail_sampling`, after their trace was decided); of those that wait, `otlp_queue_bytes` bound the memory. What it does not
//! accept is counted as lost, in `obs_dropped_total` and in the [`Report`](crate::Report) of the shutdown, which does
//! not wait for it longer than it may.

pub(crate) mod batch;
#[cfg(feature = "otel-bridge")]
pub mod bridge;
mod pipeline;
mod resource;
mod shards;
mod tail;

#[cfg(feature = "otlp")]
pub mod otlp;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::batch::Batch;
use crate::config::ObservabilityConfig;
use crate::engine::FinishedSpan;

pub(crate) use self::pipeline::Settings;
pub use self::pipeline::{Exported, Pipeline};
pub use self::resource::Resource;

/// How much of a span goes out by the configuration. What is more is counted on the span, where its format has a place for it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// `span_attribute_limit`: how many fields.
    pub attributes: usize,
    /// `attribute_length_limit`: the longest text of an attribute, in bytes.
    pub length: usize,
    /// `span_link_limit`: how many links.
    pub links: usize,
    /// `event_attribute_limit`: how many attributes an event has, with its level.
    pub event_attributes: usize,
}

impl Limits {
    pub(crate) fn of(config: &ObservabilityConfig) -> Self {
        Limits {
            attributes: config.span_attribute_limit,
            length: config.attribute_length_limit,
            links: config.span_link_limit,
            event_attributes: config.event_attribute_limit,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::of(&ObservabilityConfig::default())
    }
}

/// Something that finished spans are given to.
pub trait Exporter: Send + 'static {
    /// Told once, before the first span, who sends them. Only [`Builder::exporter`](crate::Builder::exporter) tells it.
    fn start(&mut self, resource: &Resource) {
        let _ = resource;
    }

    /// Told once, before the first span, how much of a span the configuration lets out. Spans come whole all the same: what
    /// an exporter sends on is its own affair. Only [`Builder::exporter`](crate::Builder::exporter) tells it.
    fn limit(&mut self, limits: &Limits) {
        let _ = limits;
    }

    /// Takes spans, in the order in which they ended, and says how many of them arrived; the others are counted as lost.
    ///
    /// It is called on a thread of its own and may block. What it emits through `tracing` goes nowhere, as an exporter that
    /// speaks through the pipeline that it serves would never come to an end. If it panics, the spans are lost, and the next
    /// ones are given to it all the same. After the last ones it is dropped, on that thread.
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery;
}

impl Exporter for Box<dyn Exporter> {
    fn start(&mut self, resource: &Resource) {
        (**self).start(resource);
    }

    fn limit(&mut self, limits: &Limits) {
        (**self).limit(limits);
    }

    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        (**self).export(spans)
    }
}

/// Something that reads spans where they lie, on the thread of a [`Pipeline`].
pub(crate) trait Receive: Send + 'static {
    /// Exports the spans of each request, and says what became of so many spans. Those of which nothing is said are lost.
    fn receive(
        &mut self,
        batch: &Batch,
        requests: &mut dyn Iterator<Item = Range<usize>>,
        settle: &mut dyn FnMut(usize, Delivery),
    );
}

/// An exporter that is given spans of its own.
pub(crate) struct Owning<E>(pub(crate) E);

impl<E: Exporter> Receive for Owning<E> {
    fn receive(
        &mut self,
        batch: &Batch,
        requests: &mut dyn Iterator<Item = Range<usize>>,
        settle: &mut dyn FnMut(usize, Delivery),
    ) {
        for range in requests {
            let spans = range.len();
            let delivery = catch_unwind(AssertUnwindSafe(|| self.0.export(batch.to_finished(range))));
            settle(spans, delivery.unwrap_or_else(|_| Delivery::panicked()));
        }
    }
}

/// What became of the spans given to an [`Exporter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How many have arrived.
    pub accepted: usize,
    /// Why the others have not.
    pub problem: Option<String>,
}

impl Delivery {
    /// All of them arrived.
    #[must_use]
    pub fn all(spans: &[FinishedSpan]) -> Self {
        Delivery { accepted: spans.len(), problem: None }
    }

    /// None of them arrived.
    #[must_use]
    pub fn none(problem: impl Into<String>) -> Self {
        Delivery { accepted: 0, problem: Some(problem.into()) }
    }

    fn panicked() -> Self {
        Delivery::none("the exporter panicked")
    }
}
