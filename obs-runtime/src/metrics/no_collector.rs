//! Without the feature `prometheus` sets are no collectors: what the derive writes is of these types, and nobody calls it.

use crate::metrics::descriptor::Descriptor;
use crate::metrics::set::MetricSet;

/// Stands for the trait of the `prometheus` crate.
pub trait Collector {
    /// What is collected.
    fn desc(&self) -> Vec<&Desc>;

    /// The metrics.
    fn collect(&self) -> Vec<MetricFamily>;
}

/// Stands for the type of the `prometheus` crate.
pub struct Desc;

/// Stands for the type of the `prometheus` crate.
pub struct MetricFamily;

/// None.
pub struct Descs;

impl Descs {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Descs
    }

    /// None.
    #[must_use]
    pub const fn of(&self, _descriptors: &'static [Descriptor]) -> Vec<&Desc> {
        Vec::new()
    }
}

impl Default for Descs {
    fn default() -> Self {
        Self::new()
    }
}

/// None.
pub const fn collect<T: MetricSet>(_set: &T) -> Vec<MetricFamily> {
    Vec::new()
}
