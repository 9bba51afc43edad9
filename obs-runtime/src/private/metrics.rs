//! What the derives of metrics call.

use std::fmt;

pub use crate::metrics::check::{buckets, count, flatten, names, series};
pub use crate::metrics::set::{Families, Global, Metric};
pub use crate::metrics::state::{Edge, Machine, Move, State, edge, make};
pub use crate::metrics::{
    Descriptor, Kind, LabelDescriptor, LabelSet, LabelValue, LabelVisitor, MetricSet, StateMachine, Values,
};

/// The buckets of a histogram of seconds that names none.
pub const SECONDS: &[f64] = &crate::metrics::operations::BUCKETS;

/// What is known of the metric `M`.
#[must_use]
pub const fn descriptor<M: Metric>(
    name: &'static str,
    help: &'static str,
    unit: Option<&'static str>,
    buckets: &'static [f64],
    file: &'static str,
    line: u32,
) -> Descriptor {
    Descriptor { name, kind: M::KIND, help, unit, labels: M::LABELS, buckets, file, line }
}

/// What is known of a metric of a state machine.
#[must_use]
pub const fn state_descriptor(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    labels: &'static [LabelDescriptor],
    buckets: &'static [f64],
    place: (&'static str, u32),
) -> Descriptor {
    let unit = if buckets.is_empty() { None } else { Some("seconds") };
    Descriptor { name, kind, help, unit, labels, buckets, file: place.0, line: place.1 }
}

/// The buckets of the time that states last: from a tenth of a second to a day.
pub const DWELL: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// The label `name` with these values only.
#[must_use]
pub const fn closed_label(name: &'static str, values: &'static [&'static str]) -> LabelDescriptor {
    LabelDescriptor::closed(name, values)
}

/// The labels of the metric `M`.
#[must_use]
pub const fn labels_of<M: Metric>() -> &'static [LabelDescriptor] {
    M::LABELS
}

/// A metric that is as `parts` say.
#[must_use]
pub fn metric<M: Metric>(descriptors: &'static [Descriptor]) -> M {
    M::make(&descriptors[0])
}

/// Adds a metric to `families`.
pub fn family<M: Metric>(metric: &M, families: &mut Families) {
    metric.add_to(families);
}

/// The label `name` of the type `T`.
#[must_use]
pub const fn label<T: LabelValue>(name: &'static str) -> LabelDescriptor {
    LabelDescriptor::of::<T>(name)
}

/// Shows the value of a label to `visitor`.
#[inline]
pub fn visit<T: LabelValue>(visitor: &mut LabelVisitor, value: &T) {
    visitor.label(value);
}

/// Writes what is inside a newtype.
///
/// # Errors
///
/// Those of `out`.
pub fn inner_text<T: fmt::Display + ?Sized>(value: &T, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{value}")
}
