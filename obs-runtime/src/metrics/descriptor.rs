//! What a metric says of itself, known at compile time.

use std::fmt;
use std::time::Duration;

use crate::metrics::label::{LabelValue, Values};

/// What is known of a metric before the program runs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Descriptor {
    /// The published name, with its prefix.
    pub name: &'static str,
    /// The kind, as the exposition text says it.
    pub kind: Kind,
    /// The HELP text.
    pub help: &'static str,
    /// The unit of the values, if the name has one: `seconds`, `bytes`.
    pub unit: Option<&'static str>,
    /// The labels, in the order in which they are written.
    pub labels: &'static [LabelDescriptor],
    /// The upper bounds of a histogram, without `+Inf`; empty for the other kinds.
    pub buckets: &'static [f64],
    /// After how long without an update a series leaves, if it does.
    pub ttl: Option<Duration>,
    /// The file that declares it.
    pub file: &'static str,
    /// The line that declares it.
    pub line: u32,
}

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelDescriptor {
    /// The name of the label.
    pub name: &'static str,
    /// Every value that it can have, if they are known.
    pub values: Option<&'static [&'static str]>,
    /// How many values it can have at most.
    pub max: usize,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts observations by size.
    Histogram,
    /// It only has labels; its value is 1.
    Info,
}

impl Kind {
    /// The word for it. The text format 0.0.4 has no word for `info` and says `gauge`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Descriptor {
    /// What an array of them is filled with before the real ones are in.
    pub(crate) const NONE: Self = Descriptor {
        name: "",
        kind: Kind::Counter,
        help: "",
        unit: None,
        labels: &[],
        buckets: &[],
        ttl: None,
        file: "",
        line: 0,
    };
}

impl Descriptor {
    /// What the sampled series are called in OpenMetrics: there the name of the metric is without what its samples add.
    pub(crate) fn base(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => return self.name,
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}

impl LabelDescriptor {
    /// The label `name` with the values of `T`.
    pub(crate) const fn of<T: LabelValue>(name: &'static str) -> Self {
        match T::VALUES {
            Values::Closed(values) => LabelDescriptor { name, values: Some(values), max: values.len() },
            Values::Open { max } => LabelDescriptor { name, values: None, max },
        }
    }

    /// The label `name` with these values only.
    pub(crate) const fn closed(name: &'static str, values: &'static [&'static str]) -> Self {
        LabelDescriptor { name, values: Some(values), max: values.len() }
    }
}

/// How many series labels without an open one can make; `None` if one of them is open.
pub(crate) const fn closed_series(labels: &[LabelDescriptor]) -> Option<usize> {
    let mut product = 1_usize;
    let mut at = 0;
    while at < labels.len() {
        match labels[at].values {
            Some(values) => product = product.saturating_mul(values.len()),
            None => return None,
        }
        at += 1;
    }
    Some(product)
}
