//! One trace beside a bucket: what an observation of that size looked like.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::{SpanId, TraceId};

/// An observation whose trace was kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: Option<SpanId>,
    /// What was observed, in the unit of the metric.
    pub(crate) value: f64,
    /// Milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// The exemplars of one callsite: the newest of each way to end and each bucket.
#[derive(Debug)]
pub(crate) struct Exemplars(Mutex<BTreeMap<(usize, usize), Exemplar>>);

impl Exemplars {
    pub(crate) const fn new() -> Self {
        Exemplars(Mutex::new(BTreeMap::new()))
    }

    /// Keeps `exemplar`. If another thread is here at this moment, its exemplar is as good.
    pub(crate) fn put(&self, outcome: usize, bucket: usize, exemplar: Exemplar) {
        let mut exemplars = match self.0.try_lock() {
            Ok(exemplars) => exemplars,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return,
        };
        exemplars.insert((outcome, bucket), exemplar);
    }

    /// Those of one way to end, by bucket.
    pub(crate) fn of(&self, outcome: usize) -> Vec<(usize, Exemplar)> {
        let exemplars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exemplars
            .range((outcome, 0)..=(outcome, usize::MAX))
            .map(|((_, bucket), exemplar)| (*bucket, *exemplar))
            .collect()
    }
}
