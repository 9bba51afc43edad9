//! What one series is made of. Everything that counts reaches its numbers through these types.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::loss::{Reason, Signal, lost};
use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::text::Value;

/// The numbers of one series.
pub(crate) trait Cell: Send + Sync + 'static {
    const KIND: Kind;
    /// Whether what finds no room is still worth something when added up under `_other`.
    const ADDS_UP: bool;

    fn new(descriptor: &'static Descriptor) -> Self;
    fn reset(&self);
    /// What it is now; `None` if there is nothing to say.
    fn value(&self) -> Option<Value>;
}

#[derive(Debug)]
pub(crate) struct CounterCell(AtomicU64);

impl CounterCell {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
}

impl Cell for CounterCell {
    const KIND: Kind = Kind::Counter;
    const ADDS_UP: bool = true;

    fn new(_descriptor: &'static Descriptor) -> Self {
        CounterCell(AtomicU64::new(0))
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    fn value(&self) -> Option<Value> {
        Some(Value::Whole(self.0.load(Relaxed)))
    }
}

/// The bits of an `f64`.
#[derive(Debug)]
pub(crate) struct GaugeCell(AtomicU64);

impl GaugeCell {
    #[inline]
    pub(crate) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    #[inline]
    pub(crate) fn add(&self, value: f64) {
        add_float(&self.0, value);
    }
}

impl Cell for GaugeCell {
    const KIND: Kind = Kind::Gauge;
    const ADDS_UP: bool = false;

    fn new(_descriptor: &'static Descriptor) -> Self {
        GaugeCell(AtomicU64::new(0))
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    fn value(&self) -> Option<Value> {
        Some(Value::Number(f64::from_bits(self.0.load(Relaxed))))
    }
}

#[derive(Debug)]
pub(crate) struct HistogramCell {
    bounds: &'static [f64],
    /// One a bound, and the last for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl HistogramCell {
    #[inline]
    pub(crate) fn observe(&self, value: f64) {
        // One NaN would make the sum NaN for ever.
        if value.is_nan() {
            return lost(Signal::Metrics, Reason::Malformed, 1);
        }
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        add_float(&self.sum, value);
    }
}

impl Cell for HistogramCell {
    const KIND: Kind = Kind::Histogram;
    const ADDS_UP: bool = true;

    fn new(descriptor: &'static Descriptor) -> Self {
        let bounds = descriptor.buckets;
        HistogramCell {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn reset(&self) {
        self.counts.iter().chain([&self.sum]).for_each(|cell| cell.store(0, Relaxed));
    }

    fn value(&self) -> Option<Value> {
        Some(Value::Histogram {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: f64::from_bits(self.sum.load(Relaxed)),
        })
    }
}

type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// A callback that is asked at scrape.
pub(crate) struct Callback<T>(Mutex<Option<Ask<T>>>);

impl<T> Callback<T> {
    pub(crate) fn observe(&self, ask: impl Fn() -> T + Send + Sync + 'static) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(ask));
        // What the old callback owned may do anything when it goes, so it goes when the lock is free.
        drop(before);
    }

    fn ask(&self) -> Option<T> {
        let ask = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let answer = catch_unwind(AssertUnwindSafe(|| ask()));
        if answer.is_err() {
            lost(Signal::Metrics, Reason::Malformed, 1);
        }
        answer.ok()
    }

    fn forget(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(before);
    }
}

impl Cell for Callback<f64> {
    const KIND: Kind = Kind::Gauge;
    const ADDS_UP: bool = false;

    fn new(_descriptor: &'static Descriptor) -> Self {
        Callback(Mutex::new(None))
    }

    fn reset(&self) {
        self.forget();
    }

    fn value(&self) -> Option<Value> {
        self.ask().map(Value::Number)
    }
}

impl Cell for Callback<u64> {
    const KIND: Kind = Kind::Counter;
    const ADDS_UP: bool = false;

    fn new(_descriptor: &'static Descriptor) -> Self {
        Callback(Mutex::new(None))
    }

    fn reset(&self) {
        self.forget();
    }

    fn value(&self) -> Option<Value> {
        self.ask().map(Value::Whole)
    }
}

fn add_float(cell: &AtomicU64, value: f64) {
    let mut old = cell.load(Relaxed);
    loop {
        let new = (f64::from_bits(old) + value).to_bits();
        match cell.compare_exchange_weak(old, new, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => old = now,
        }
    }
}
