//! Metric cells, sets, registries and their text.

mod descriptor;
mod label;

mod cell;
mod family;
mod http;
mod kinds;
pub(crate) mod operations;
pub(crate) mod scope;
mod text;

pub(crate) mod check;
#[cfg(feature = "prometheus")]
pub(crate) mod foreign;
#[cfg(not(feature = "prometheus"))]
#[path = "no_foreign.rs"]
mod foreign;
mod registry;
pub(crate) mod set;
pub(crate) mod state;

pub use self::descriptor::{Descriptor, Kind, LabelDescriptor};
pub use self::http::{Method, Route, Status};
pub use self::kinds::{
    Counter, CounterHandle, Gauge, GaugeHandle, Histogram, HistogramHandle, ObservedCounter, ObservedCounterHandle,
    ObservedGauge, ObservedGaugeHandle, Timer,
};
pub use self::label::{LabelSet, LabelValue, LabelVisitor, Values};
pub use self::operations::OPERATION_DESCRIPTORS;
pub use self::registry::{CONTENT_TYPE, RegisterError, Registry, encode};
pub use self::set::{Metric, MetricSet};
pub use self::state::{IllegalTransition, StateMachine, Tracked};
