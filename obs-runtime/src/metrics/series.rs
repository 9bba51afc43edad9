//! One series of a metric, and how it is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::metrics::cell::{Cell, Used};
use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::exemplar::{Exemplar, Exemplars};
use crate::metrics::lanes::{Place, Reading};
use crate::metrics::roll::Sums;
use crate::metrics::text::Value;

/// One series, with what it is called.
pub(crate) struct Series<L, C> {
    /// `None` for the one that takes what found no room.
    pub(crate) labels: Option<Arc<L>>,
    /// Milliseconds since the Unix epoch; 0 for one that is absent.
    created: AtomicU64,
    /// What was seen of its updates, and when: milliseconds since the Unix epoch.
    used: AtomicU64,
    used_at: AtomicU64,
    pub(crate) cell: C,
}

impl<L, C: Cell> Series<L, C> {
    pub(crate) fn new(labels: Option<Arc<L>>) -> Self {
        let now = now();
        Series {
            labels,
            created: AtomicU64::new(now),
            used: AtomicU64::new(u64::MAX),
            used_at: AtomicU64::new(now),
            cell: C::new(),
        }
    }

    /// One that is nowhere: it says which labels are meant.
    pub(crate) fn absent(labels: Arc<L>) -> Self {
        Series { created: AtomicU64::new(0), ..Series::new(Some(labels)) }
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.created() == 0
    }

    /// Begins anew, as one that was just made.
    pub(crate) fn reset(&self) {
        self.created.store(now(), Relaxed);
        self.used.store(u64::MAX, Relaxed);
        self.cell.reset();
    }

    /// Whether it has been left alone for `ttl`. An update is noticed when this is asked, not when it is made.
    pub(crate) fn expired(
        &self,
        place: Option<Place>,
        descriptor: &'static Descriptor,
        reading: &Reading,
        ttl: Duration,
    ) -> bool {
        let used = match self.cell.updates(place, descriptor, reading) {
            Used::Count(count) => self.used.swap(count, Relaxed) != count,
            Used::Since(used) => used,
        };
        let now = now();
        if used {
            self.used_at.store(now, Relaxed);
            return false;
        }
        u128::from(now.saturating_sub(self.used_at.load(Relaxed))) >= ttl.as_millis()
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn created(&self) -> u64 {
        self.created.load(Relaxed)
    }
}

/// Who is shown series, and what they want to know.
pub(crate) struct Viewer<'a> {
    pub(crate) reading: &'a Reading,
    /// Whether they want to know when a series began, and see exemplars, as OpenMetrics has them.
    pub(crate) births: bool,
    pub(crate) show: &'a mut dyn FnMut(&Shown<'_>),
}

/// A series that is about to be shown: its labels, itself, and where its numbers lie.
pub(crate) type Found<'a, L, C> = (&'a str, &'a Series<L, C>, Option<Place>);

impl Viewer<'_> {
    /// Shows the series of a page.
    pub(crate) fn page<'s, L: 's, C: Cell>(
        &mut self,
        page: impl Iterator<Item = Found<'s, L, C>>,
        descriptor: &'static Descriptor,
        exemplars: &Exemplars,
    ) {
        let Some(of_word) = C::OF_WORD else {
            return page.for_each(|(labels, series, place)| self.view(labels, series, place, descriptor, exemplars));
        };
        let (mut found, mut places, mut sums) =
            (Vec::with_capacity(page_of::<C>()), Vec::with_capacity(page_of::<C>()), Vec::new());
        for (labels, series, place) in page {
            let Some(place) = place else { continue };
            found.push((labels, series));
            places.push(place.pack());
        }
        self.reading.sums(&places, &mut sums);
        for ((labels, series), sum) in found.into_iter().zip(sums) {
            self.word(labels, of_word(sum), || series.created());
        }
    }

    /// Shows a series of one word, whose value is known.
    #[inline]
    pub(crate) fn word(&mut self, labels: &str, value: Value, created: impl FnOnce() -> u64) {
        let created = if self.births { created() } else { 0 };
        (self.show)(&Shown { labels, created, value, exemplars: &[] });
    }

    fn view<L, C: Cell>(
        &mut self,
        labels: &str,
        series: &Series<L, C>,
        place: Option<Place>,
        descriptor: &'static Descriptor,
        exemplars: &Exemplars,
    ) {
        if let Some(value) = series.cell.value(place, descriptor, self.reading) {
            let created = if self.births { series.created() } else { 0 };
            let exemplars = match place {
                Some(place) if self.births && C::KIND == Kind::Histogram => exemplars.of(place.pack()),
                _ => Vec::new(),
            };
            (self.show)(&Shown { labels, created, value, exemplars: &exemplars });
        }
    }
}

/// One series at one moment.
pub(crate) struct Shown<'a> {
    /// As they are written.
    pub(crate) labels: &'a str,
    /// Milliseconds since the Unix epoch; 0 if that is not known.
    pub(crate) created: u64,
    pub(crate) value: Value,
    /// By bucket.
    pub(crate) exemplars: &'a [(usize, Exemplar)],
}

/// Where the next page of the series of a metric begins.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    pub(crate) after: Option<String>,
    /// About where that is.
    pub(crate) near: usize,
    pub(crate) sums: Sums,
}

/// How many series are shown at a time; in between nothing is locked, and what was written is handed on. Those of one word
/// are a line each, the others may be many.
pub(crate) const fn page_of<C: Cell>() -> usize {
    if C::OF_WORD.is_some() { 512 } else { 64 }
}

/// Milliseconds since the Unix epoch, never 0.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}
