//! What the derives of metrics call.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

pub use crate::metrics::check::{buckets, count, flatten, names, series};
pub use crate::metrics::collector::{Collector, Desc, Descs, MetricFamily, collect};
pub use crate::metrics::set::{Families, Global, Metric};
pub use crate::metrics::state::{Edge, Machine, Move, State, edge, make};
pub use crate::metrics::{
    Descriptor, Kind, LabelDescriptor, LabelSet, LabelValue, LabelVisitor, MetricSet, StateMachine, Values,
};
pub use std::vec::Vec;

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
    Descriptor { name, kind: M::KIND, help, unit, labels: M::LABELS, buckets, ttl: None, file, line }
}

/// The same of a metric whose series leave after so many nanoseconds without an update.
#[must_use]
pub const fn lasting(descriptor: Descriptor, nanos: u64) -> Descriptor {
    Descriptor { ttl: Some(Duration::from_nanos(nanos)), ..descriptor }
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
    Descriptor { name, kind, help, unit, labels, buckets, ttl: None, file: place.0, line: place.1 }
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

/// A field of a set of metrics. If its type is no metric, [`descriptor`] says so; here it is passed over, so that it is
/// said once.
pub struct MaybeMetric<'a, M>(pub &'a M);

impl<M: Metric> MaybeMetric<'_, M> {
    /// Adds the metric to `families`.
    pub fn __obs_add_to(&self, families: &mut Families) {
        self.0.add_to(families);
    }
}

/// What a [`MaybeMetric`] is when it is none.
pub struct NoMetric;

impl NoMetric {
    /// Adds nothing.
    pub fn __obs_add_to(&self, _families: &mut Families) {}
}

impl<M> Deref for MaybeMetric<'_, M> {
    type Target = NoMetric;

    fn deref(&self) -> &NoMetric {
        &NoMetric
    }
}

/// The label `name` of the type `T`.
#[must_use]
pub const fn label<T: LabelValue>(name: &'static str) -> LabelDescriptor {
    LabelDescriptor::of::<T>(name)
}

/// A field of a set of labels. If its type is no label, [`label`] says so; here it is passed over, so that it is said once.
pub struct MaybeLabel<'a, T>(pub &'a T);

impl<'a, T: LabelValue> MaybeLabel<'a, T> {
    /// Goes on from the index of the labels before.
    #[inline]
    #[must_use]
    pub fn __obs_index(&self, before: usize) -> Option<usize> {
        crate::metrics::label_index(before, self.0)
    }

    /// Shows the value to `visitor`.
    #[inline(always)]
    pub fn __obs_visit(&self, visitor: &mut LabelVisitor<'a>) {
        visitor.label(self.0);
    }
}

/// What a [`MaybeLabel`] is when it is none.
pub struct NoLabel;

impl NoLabel {
    /// There is none.
    #[must_use]
    pub fn __obs_index(&self, _before: usize) -> Option<usize> {
        None
    }

    /// Shows nothing.
    pub fn __obs_visit(&self, _visitor: &mut LabelVisitor<'_>) {}
}

impl<T> Deref for MaybeLabel<'_, T> {
    type Target = NoLabel;

    fn deref(&self) -> &NoLabel {
        &NoLabel
    }
}

/// What is inside a newtype, whose text may be there already.
pub struct Inner<'a, T>(pub &'a T);

/// An [`Inner`] whose text must be written first.
pub struct NotReady;

impl NotReady {
    /// None.
    #[inline]
    #[must_use]
    pub fn __obs_ready(&self) -> Option<&'static str> {
        None
    }

    /// None.
    #[inline]
    #[must_use]
    pub fn __obs_lasting(&self) -> Option<&'static str> {
        None
    }
}

impl<T> Deref for Inner<'_, T> {
    type Target = NotReady;

    #[inline]
    fn deref(&self) -> &NotReady {
        &NotReady
    }
}

macro_rules! ready {
    ($($Text:ty),*) => {
        $(impl<'a> Inner<'a, $Text> {
            /// The text.
            #[inline]
            #[must_use]
            pub fn __obs_ready(&self) -> Option<&'a str> {
                Some(self.0)
            }
        })*
    };
}

impl Inner<'_, &'static str> {
    /// The text, which stays where it is.
    #[inline]
    #[must_use]
    pub fn __obs_lasting(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

ready!(String, Box<str>, Arc<str>, &'static str, Cow<'static, str>);

/// What has a text, for a newtype that is a label.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text that a label could be: it has no `Display`",
    label = "implement `Display` for it, or keep its text in the newtype"
)]
pub trait LabelText {
    #[doc(hidden)]
    fn __obs_write(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display + ?Sized> LabelText for T {
    fn __obs_write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// Writes what is inside a newtype.
///
/// # Errors
///
/// Those of `out`.
pub fn inner_text<T: LabelText + ?Sized>(value: &T, out: &mut dyn fmt::Write) -> fmt::Result {
    value.__obs_write(out)
}
