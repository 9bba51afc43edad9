//! Metrics: declared as sets, counted in typed series, written as Prometheus reads them.
//!
//! ```
//! use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet};
//!
//! #[derive(MetricSet)]
//! #[metric_set(prefix = "parcel")]
//! struct ParcelMetrics {
//!     /// Parcels that were handed over.
//!     handovers_total: Counter<HandoverLabels>,
//!     /// Parcels that are under way.
//!     under_way: Gauge,
//!     /// How long a parcel takes.
//!     delivery_duration_seconds: Histogram,
//! }
//!
//! #[derive(LabelSet)]
//! struct HandoverLabels {
//!     service: Service,
//! }
//!
//! #[derive(LabelValue)]
//! enum Service {
//!     Standard,
//!     NextDay,
//! }
//!
//! let metrics = ParcelMetrics::global();
//! metrics.handovers_total.with(HandoverLabels { service: Service::NextDay }).inc();
//! metrics.under_way.add(1.0);
//! {
//!     let _timer = metrics.delivery_duration_seconds.timer(); // observes the seconds until it is dropped
//! }
//! assert!(obs_runtime::metrics::encode().contains("parcel_handovers_total{service=\"next_day\"} 1\n"));
//! ```
//!
//! `T::global()` is the process's instance, which `/metrics` and [`encode`] show; an instance by `T::new()` is in the text of the
//! [`Registry`] that it is registered with. Inside `testing::capture` both `T::global()` and a [`Tracked`] are counted for that
//! capture alone.
//!
//! Labels of enums and `bool` cost an array index. A label that may have many values is a newtype that says how many
//! (`#[label(max = 10_000)]`). What a bound refuses, and every other loss of telemetry, is in `obs_dropped_total{signal,reason}`:
//!
//! | `signal` | `reason`s |
//! |---|---|
//! | `logs` | `queue_full`, `write_failed` (a full disk, a closed pipe), `shutdown` (the deadline came first) |
//! | `spans` | `queue_full`, `export_failed`, `shutdown`, `no_span` to record on, `thread_ending` |
//! | `metrics` | `cardinality` (a bound was reached), `malformed` (NaN, a callback or a foreign collector that failed) |
//! | `context` | `malformed` (a header that was refused), `write_failed` (a full header map) |

mod descriptor;
mod label;

mod cell;
mod dense;
mod exemplar;
mod family;
pub(crate) mod hash;
mod http;
mod kinds;
mod lanes;
mod open;
pub(crate) mod operations;
mod roll;
pub(crate) mod scope;
mod series;
mod snapshot;
mod sorted;
mod sum;
mod table;
pub(crate) mod text;
mod words;

/// The atomics of the words, under a name that a model of them can give to its own.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
}

pub(crate) mod check;
#[cfg(feature = "prometheus")]
pub(crate) mod collector;
#[cfg(not(feature = "prometheus"))]
#[path = "no_collector.rs"]
pub(crate) mod collector;
#[cfg(feature = "prometheus")]
pub(crate) mod foreign;
#[cfg(not(feature = "prometheus"))]
#[path = "no_foreign.rs"]
mod foreign;
pub(crate) mod own;
mod process;
pub(crate) mod registry;
pub(crate) mod set;
pub(crate) mod state;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(not(feature = "tokio"))]
#[path = "no_tokio.rs"]
mod tokio;

#[cfg(feature = "prometheus")]
pub use self::collector::collector;
pub use self::descriptor::{Descriptor, Kind, LabelDescriptor};
pub use self::http::{Method, Route, Status};
pub use self::kinds::{
    Counter, CounterHandle, Gauge, GaugeHandle, Histogram, HistogramHandle, Info, InfoHandle, ObservedCounter,
    ObservedCounterHandle, ObservedGauge, ObservedGaugeHandle, Timer,
};
pub(crate) use self::label::index as label_index;
pub use self::label::{LabelSet, LabelValue, LabelVisitor, Values};
pub use self::operations::OPERATION_DESCRIPTORS;
pub use self::registry::{
    CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE, RUNTIME_DESCRIPTORS, RegisterError, Registry, encode, encode_openmetrics,
};
pub use self::set::{Metric, MetricSet};
pub use self::state::{IllegalTransition, StateMachine, Tracked};
