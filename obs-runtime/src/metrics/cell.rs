//! What one series is made of. Everything that counts reaches its numbers through these types.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, PoisonError};

use crate::loss::{Reason, Signal, lost};
use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::lanes::{Place, Reading, WORDS, add};
use crate::metrics::sum::Sum;
use crate::metrics::text::Value;

/// The numbers of one series. Those that only add up lie in lanes, at a place; the others are in the cell itself.
pub(crate) trait Cell: Send + Sync + 'static {
    const KIND: Kind;
    /// Whether what finds no room is still worth something when added up under `_other`.
    const ADDS_UP: bool;
    /// Whether the numbers lie in lanes.
    const IN_LANES: bool;
    /// Whether its value is asked of somebody's code.
    const ASKS: bool = false;
    /// What the sum of its one word in the lanes is worth, where it has one: many such are read together.
    const OF_WORD: Option<fn(u64) -> Value> = None;
    /// An update of the numbers.
    type Update;

    fn new() -> Self;

    /// How many words there are at its place.
    fn width(_descriptor: &Descriptor) -> usize {
        0
    }

    /// Updates the words of one lane, which nobody else writes.
    fn add(_words: &[AtomicU64], _descriptor: &'static Descriptor, _update: &Self::Update) {}

    fn update(&self, _update: Self::Update) {}

    /// Begins anew; what lies in lanes does so by its place.
    fn reset(&self) {}

    /// What it is now; `None` if there is nothing to say.
    fn value(&self, place: Option<Place>, descriptor: &'static Descriptor, reading: &Reading) -> Option<Value>;

    /// A number that differs from the last one if there were updates.
    fn updates(&self, place: Option<Place>, descriptor: &'static Descriptor, reading: &Reading) -> Used;
}

/// What is known of the updates of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// So many, or a number that grows with them.
    Count(u64),
    /// Whether there were any since it was asked last.
    Since(bool),
}

/// A whole number that only grows.
pub(crate) struct CounterCell;

impl Cell for CounterCell {
    const KIND: Kind = Kind::Counter;
    const ADDS_UP: bool = true;
    const IN_LANES: bool = true;
    const OF_WORD: Option<fn(u64) -> Value> = Some(Value::Whole);
    type Update = u64;

    fn new() -> Self {
        CounterCell
    }

    #[inline]
    fn width(_descriptor: &Descriptor) -> usize {
        1
    }

    #[inline(always)]
    fn add(words: &[AtomicU64], _descriptor: &'static Descriptor, n: &u64) {
        words.iter().for_each(|word| add(word, *n));
    }

    fn value(&self, place: Option<Place>, _descriptor: &'static Descriptor, reading: &Reading) -> Option<Value> {
        let [total] = reading.totals(place?);
        Some(Value::Whole(total))
    }

    fn updates(&self, place: Option<Place>, _descriptor: &'static Descriptor, reading: &Reading) -> Used {
        Used::Count(place.map_or(0, |place| reading.totals::<1>(place)[0]))
    }
}

/// A whole number that goes up and down, and is never set: how many there are of something.
pub(crate) struct LevelCell;

impl Cell for LevelCell {
    const KIND: Kind = Kind::Gauge;
    const ADDS_UP: bool = true;
    const IN_LANES: bool = true;
    const OF_WORD: Option<fn(u64) -> Value> = Some(|total| Value::Number(total.cast_signed() as f64));
    type Update = i64;

    fn new() -> Self {
        LevelCell
    }

    #[inline]
    fn width(_descriptor: &Descriptor) -> usize {
        1
    }

    #[inline(always)]
    fn add(words: &[AtomicU64], _descriptor: &'static Descriptor, more: &i64) {
        // Each lane wraps for itself; the sum of all is right.
        words.iter().for_each(|word| add(word, more.cast_unsigned()));
    }

    fn value(&self, place: Option<Place>, _descriptor: &'static Descriptor, reading: &Reading) -> Option<Value> {
        let [total] = reading.totals(place?);
        Some(Value::Number(total.cast_signed() as f64))
    }

    fn updates(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Used {
        Used::Since(true)
    }
}

/// Counts by bucket, and the sum: a word for each bound, and [`MORE`].
pub(crate) struct HistogramCell;

/// A word for what is above all bounds, and two for the sum.
const MORE: usize = 3;

/// How many bounds there is room for.
pub(crate) const MOST_BUCKETS: usize = WORDS - MORE;

impl Cell for HistogramCell {
    const KIND: Kind = Kind::Histogram;
    const ADDS_UP: bool = true;
    const IN_LANES: bool = true;
    type Update = f64;

    fn new() -> Self {
        HistogramCell
    }

    #[inline]
    fn width(descriptor: &Descriptor) -> usize {
        descriptor.buckets.len() + MORE
    }

    #[inline(always)]
    fn add(words: &[AtomicU64], descriptor: &'static Descriptor, value: &f64) {
        let value = *value;
        // One NaN would make the sum NaN for ever.
        if value.is_nan() {
            return lost(Signal::Metrics, Reason::Malformed, 1);
        }
        let Some((counts, [high, low])) = words.split_last_chunk() else { return };
        if let Some(count) = counts.get(bucket(descriptor.buckets, value)) {
            add(count, 1);
        }
        let mut sum = Sum::of(f64::from_bits(high.load(Relaxed)), f64::from_bits(low.load(Relaxed)));
        sum.add(value);
        high.store(sum.high.to_bits(), Relaxed);
        low.store(sum.low.to_bits(), Relaxed);
    }

    fn value(&self, place: Option<Place>, descriptor: &'static Descriptor, reading: &Reading) -> Option<Value> {
        let place = place?;
        let bounds = descriptor.buckets;
        let (mut counts, mut sum) = (vec![0_u64; bounds.len() + 1], Sum::default());
        reading.each(place, &mut vec![0; bounds.len() + MORE], |words| {
            let Some((found, [high, low])) = words.split_last_chunk() else { return };
            counts.iter_mut().zip(found).for_each(|(count, found)| *count = count.wrapping_add(*found));
            sum.add(f64::from_bits(*high));
            sum.add(f64::from_bits(*low));
        });
        Some(Value::Histogram { bounds, counts, sum: sum.value() })
    }

    fn updates(&self, place: Option<Place>, descriptor: &'static Descriptor, reading: &Reading) -> Used {
        let mut count = 0_u64;
        if let Some(place) = place {
            let buckets = descriptor.buckets.len() + 1;
            reading.each(place, &mut vec![0; buckets], |words| {
                count = words.iter().fold(count, |count, word| count.wrapping_add(*word));
            });
        }
        Used::Count(count)
    }
}

/// The bucket of `value`: how many bounds are below it.
#[inline]
pub(crate) fn bucket(bounds: &[f64], value: f64) -> usize {
    if bounds.len() > 32 {
        return bounds.partition_point(|bound| *bound < value);
    }
    // Where values are anyhow, a search that branches is mispredicted; adding up is not.
    bounds.iter().map(|bound| usize::from(*bound < value)).sum()
}

/// A number that is set, or added to.
pub(crate) struct GaugeCell {
    /// The bits of an `f64`.
    bits: AtomicU64,
    touched: AtomicBool,
}

/// An update of a gauge.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GaugeUpdate {
    Set(f64),
    Add(f64),
}

impl Cell for GaugeCell {
    const KIND: Kind = Kind::Gauge;
    const ADDS_UP: bool = false;
    const IN_LANES: bool = false;
    type Update = GaugeUpdate;

    fn new() -> Self {
        GaugeCell { bits: AtomicU64::new(0), touched: AtomicBool::new(true) }
    }

    #[inline]
    fn update(&self, update: GaugeUpdate) {
        match update {
            GaugeUpdate::Set(value) => self.bits.store(value.to_bits(), Relaxed),
            GaugeUpdate::Add(value) => add_float(&self.bits, value),
        }
        self.touched.store(true, Relaxed);
    }

    fn reset(&self) {
        self.bits.store(0, Relaxed);
    }

    fn value(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Option<Value> {
        Some(Value::Number(f64::from_bits(self.bits.load(Relaxed))))
    }

    fn updates(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Used {
        Used::Since(self.touched.swap(false, AcqRel))
    }
}

/// What only has labels.
pub(crate) struct InfoCell;

impl Cell for InfoCell {
    const KIND: Kind = Kind::Info;
    const ADDS_UP: bool = false;
    const IN_LANES: bool = false;
    type Update = ();

    fn new() -> Self {
        InfoCell
    }

    fn value(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Option<Value> {
        Some(Value::Whole(1))
    }

    fn updates(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Used {
        Used::Since(true)
    }
}

pub(crate) type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// A callback that is asked at scrape.
pub(crate) struct Callback<T>(Mutex<Option<Ask<T>>>);

impl<T> Callback<T> {
    fn observe(&self, ask: Option<Ask<T>>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), ask);
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
}

macro_rules! callback {
    ($number:ty, $kind:ident, $value:ident) => {
        impl Cell for Callback<$number> {
            const KIND: Kind = Kind::$kind;
            const ADDS_UP: bool = false;
            const IN_LANES: bool = false;
            const ASKS: bool = true;
            type Update = Ask<$number>;

            fn new() -> Self {
                Callback(Mutex::new(None))
            }

            fn update(&self, ask: Ask<$number>) {
                self.observe(Some(ask));
            }

            fn reset(&self) {
                self.observe(None);
            }

            fn value(
                &self,
                _place: Option<Place>,
                _descriptor: &'static Descriptor,
                _reading: &Reading,
            ) -> Option<Value> {
                self.ask().map(Value::$value)
            }

            fn updates(&self, _place: Option<Place>, _descriptor: &'static Descriptor, _reading: &Reading) -> Used {
                Used::Since(true)
            }
        }
    };
}

callback!(f64, Gauge, Number);
callback!(u64, Counter, Whole);

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
