//! One trace beside a bucket: what an observation of that size looked like.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

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

/// Whether somebody has asked for a text that shows exemplars: until then none of users' histograms is kept.
static WANTED: AtomicBool = AtomicBool::new(false);

/// One relaxed load.
#[inline]
pub(crate) fn are_wanted() -> bool {
    WANTED.load(Relaxed)
}

/// Somebody asks for them.
pub(crate) fn want() {
    WANTED.store(true, Relaxed);
}

/// How many are kept for one metric.
const MOST: usize = 4096;

/// An exemplar so old, in milliseconds, gives way to the next.
const OLD: u64 = 1_000;

/// The exemplars of one callsite or metric: the newest of each series and each bucket.
#[derive(Debug)]
pub(crate) struct Exemplars(Mutex<BTreeMap<(u64, usize), Exemplar>>);

impl Exemplars {
    pub(crate) const fn new() -> Self {
        Exemplars(Mutex::new(BTreeMap::new()))
    }

    /// Keeps `exemplar`. If another thread is here at this moment, its exemplar is as good.
    pub(crate) fn put(&self, series: u64, bucket: usize, exemplar: Exemplar) {
        if let Some(mut exemplars) = self.try_lock() {
            exemplars.insert((series, bucket), exemplar);
        }
    }

    /// Whether there is room for one of this bucket, and that which is there is old at `at`.
    pub(crate) fn wants(&self, series: u64, bucket: usize, at: u64) -> bool {
        self.try_lock().is_some_and(|exemplars| match exemplars.get(&(series, bucket)) {
            Some(exemplar) => exemplar.at + OLD <= at,
            None => exemplars.len() < MOST,
        })
    }

    /// Those of one series, by bucket.
    pub(crate) fn of(&self, series: u64) -> Vec<(usize, Exemplar)> {
        let exemplars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exemplars
            .range((series, 0)..=(series, usize::MAX))
            .map(|((_, bucket), exemplar)| (*bucket, *exemplar))
            .collect()
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, BTreeMap<(u64, usize), Exemplar>>> {
        match self.0.try_lock() {
            Ok(exemplars) => Some(exemplars),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
