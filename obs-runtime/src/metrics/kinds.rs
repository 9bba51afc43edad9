//! The kinds of metrics, and the handles to one series of each.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::metrics::cell::{Callback, Cell, CounterCell, GaugeCell, GaugeUpdate, HistogramCell, InfoCell};
use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::exemplar;
use crate::metrics::family::{At, Family};
use crate::metrics::label::LabelSet;
use crate::metrics::set::{Families, Metric};

macro_rules! kind {
    ($(#[$about:meta])* $Metric:ident, $(#[$about_handle:meta])* $Handle:ident, $Cell:ty) => {
        $(#[$about])*
        pub struct $Metric<L: LabelSet = ()> {
            family: Arc<Family<L, $Cell>>,
        }

        impl<L: LabelSet> $Metric<L> {
            /// The series of these labels, which is shown from now on. It may be kept: a later update through it looks
            /// nothing up.
            #[inline]
            pub fn with(&self, labels: L) -> $Handle<'_, L> {
                $Handle { family: &self.family, at: self.family.with(labels) }
            }

            /// Takes the series of these labels away, and says whether it was there. A handle to it that was kept
            /// updates nothing that is shown; `with` begins it anew.
            pub fn remove(&self, labels: &L) -> bool {
                self.family.remove(labels)
            }

            /// Takes away every series that `keep` says no to. The one that takes what found no room stays.
            pub fn retain(&self, keep: impl FnMut(&L) -> bool) {
                self.family.retain(keep);
            }
        }

        impl<L: LabelSet> Clone for $Metric<L> {
            /// The same metric once more, not a copy of its numbers.
            fn clone(&self) -> Self {
                $Metric { family: Arc::clone(&self.family) }
            }
        }

        impl<L: LabelSet> fmt::Debug for $Metric<L> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Metric)).field("name", &self.family.name()).finish_non_exhaustive()
            }
        }

        impl<L: LabelSet> Metric for $Metric<L> {
            const KIND: Kind = <$Cell as Cell>::KIND;
            const LABELS: &'static [LabelDescriptor] = L::LABELS;

            fn make(descriptor: &'static Descriptor) -> Self {
                $Metric { family: Family::new(descriptor) }
            }

            fn add_to(&self, families: &mut Families) {
                families.push(self.family.clone());
            }
        }

        $(#[$about_handle])*
        pub struct $Handle<'a, L: LabelSet = ()> {
            family: &'a Family<L, $Cell>,
            at: At<'a, L, $Cell>,
        }

        impl<L: LabelSet> $Handle<'_, L> {
            #[inline]
            #[allow(dead_code)]
            fn update(&self, update: <$Cell as Cell>::Update) {
                self.family.update(&self.at, update);
            }
        }

        impl<L: LabelSet> Clone for $Handle<'_, L> {
            fn clone(&self) -> Self {
                $Handle { family: self.family, at: self.at.clone() }
            }
        }

        impl<L: LabelSet> fmt::Debug for $Handle<'_, L> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Handle)).field("name", &self.family.name()).finish_non_exhaustive()
            }
        }
    };
}

kind! {
    /// What only grows: requests, bytes, errors. Whole numbers.
    Counter,
    /// One series of a [`Counter`].
    CounterHandle, CounterCell
}

kind! {
    /// What goes up and down: connections, temperatures.
    Gauge,
    /// One series of a [`Gauge`].
    GaugeHandle, GaugeCell
}

kind! {
    /// What is known of something and seldom changes, told by its labels; the value is 1. Names end in `_info`.
    Info,
    /// One series of an [`Info`].
    InfoHandle, InfoCell
}

kind! {
    /// Counts observations by size: durations in seconds, sizes in bytes.
    Histogram,
    /// One series of a [`Histogram`].
    HistogramHandle, HistogramCell
}

kind! {
    /// A [`Gauge`] whose value is asked for at scrape.
    ObservedGauge,
    /// One series of an [`ObservedGauge`].
    ObservedGaugeHandle, Callback<f64>
}

kind! {
    /// A [`Counter`] whose value is asked for at scrape.
    ObservedCounter,
    /// One series of an [`ObservedCounter`].
    ObservedCounterHandle, Callback<u64>
}

impl Counter {
    /// One more.
    #[inline]
    pub fn inc(&self) {
        self.with(()).inc();
    }

    /// `n` more.
    #[inline]
    pub fn add(&self, n: u64) {
        self.with(()).add(n);
    }
}

impl<L: LabelSet> CounterHandle<'_, L> {
    /// One more.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    #[inline]
    pub fn add(&self, n: u64) {
        self.update(n);
    }
}

impl<L: LabelSet> Info<L> {
    /// It is `labels` now, and nothing else any more.
    pub fn set(&self, labels: L) {
        self.retain(|_| false);
        let _ = self.with(labels);
    }
}

impl Gauge {
    /// It is `value` now.
    #[inline]
    pub fn set(&self, value: f64) {
        self.with(()).set(value);
    }

    /// `value` more.
    #[inline]
    pub fn add(&self, value: f64) {
        self.with(()).add(value);
    }

    /// `value` less.
    #[inline]
    pub fn sub(&self, value: f64) {
        self.with(()).sub(value);
    }
}

impl<L: LabelSet> GaugeHandle<'_, L> {
    /// It is `value` now.
    #[inline]
    pub fn set(&self, value: f64) {
        self.update(GaugeUpdate::Set(value));
    }

    /// `value` more.
    #[inline]
    pub fn add(&self, value: f64) {
        self.update(GaugeUpdate::Add(value));
    }

    /// `value` less.
    #[inline]
    pub fn sub(&self, value: f64) {
        self.add(-value);
    }
}

impl Histogram {
    /// Counts `value` in its bucket. NaN is dropped, and counted as lost.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.with(()).observe(value);
    }

    /// Observes the seconds from now until the guard is dropped.
    #[must_use = "it observes when it is dropped"]
    pub fn timer(&self) -> Timer<'_> {
        self.with(()).timer()
    }
}

impl<'a, L: LabelSet> HistogramHandle<'a, L> {
    /// Counts `value` in its bucket. NaN is dropped, and counted as lost. Within a trace that is exported it may become the
    /// exemplar of the bucket, once somebody has asked for OpenMetrics. That is a trace which was sampled at its beginning: tail
    /// sampling drops none of those, and of the others nobody knows yet whether it will keep them.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.update(value);
        if exemplar::are_wanted()
            && let At::Lanes(place) = self.at
            && !value.is_nan()
        {
            self.family.exemplify(place, value);
        }
    }

    /// Observes the seconds from now until the guard is dropped.
    #[must_use = "it observes when it is dropped"]
    pub fn timer(&self) -> Timer<'a, L> {
        Timer { histogram: Some(self.clone()), begun: Instant::now() }
    }
}

/// Observes how long it lived, in seconds.
#[derive(Debug)]
pub struct Timer<'a, L: LabelSet = ()> {
    histogram: Option<HistogramHandle<'a, L>>,
    begun: Instant,
}

impl<L: LabelSet> Timer<'_, L> {
    /// Ends it without an observation.
    pub fn discard(mut self) {
        self.histogram = None;
    }
}

impl<L: LabelSet> Drop for Timer<'_, L> {
    fn drop(&mut self) {
        if let Some(histogram) = &self.histogram {
            histogram.observe(self.begun.elapsed().as_secs_f64());
        }
    }
}

impl ObservedGauge {
    /// Asks `ask` at each scrape from now on, in place of what was asked before. If it panics there is no sample.
    pub fn observe(&self, ask: impl Fn() -> f64 + Send + Sync + 'static) {
        self.with(()).observe(ask);
    }
}

impl<L: LabelSet> ObservedGaugeHandle<'_, L> {
    /// Asks `ask` at each scrape from now on, in place of what was asked before. If it panics there is no sample.
    pub fn observe(&self, ask: impl Fn() -> f64 + Send + Sync + 'static) {
        self.update(Arc::new(ask));
    }
}

impl ObservedCounter {
    /// Asks `ask` at each scrape from now on, in place of what was asked before. If it panics there is no sample.
    pub fn observe(&self, ask: impl Fn() -> u64 + Send + Sync + 'static) {
        self.with(()).observe(ask);
    }
}

impl<L: LabelSet> ObservedCounterHandle<'_, L> {
    /// Asks `ask` at each scrape from now on, in place of what was asked before. If it panics there is no sample.
    pub fn observe(&self, ask: impl Fn() -> u64 + Send + Sync + 'static) {
        self.update(Arc::new(ask));
    }
}
