//! All the series of one metric: an array where the labels are closed, a bounded map where one is open.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::engine;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::cell::{self, Cell};
use crate::metrics::dense::Dense;
use crate::metrics::descriptor::{Descriptor, closed_series};
use crate::metrics::exemplar::{Exemplar, Exemplars};
use crate::metrics::label::LabelSet;
use crate::metrics::lanes::{Place, Reading};
use crate::metrics::open::Open;
use crate::metrics::scope;
use crate::metrics::series::{self, Cursor, Series, Viewer};
use crate::propagation::TraceContext;

/// Above this many possible series a map is smaller than the array.
const DENSE: usize = 1 << 14;

/// The series of one metric.
pub(crate) struct Family<L, C: Cell> {
    /// One for each metric made in this process: what stands for it in a scope is found by it.
    id: u64,
    descriptor: &'static Descriptor,
    /// Of closed labels; empty where they are in the map.
    dense: Dense<L, C>,
    /// Of open labels, and of any in a scope.
    open: Option<Open<L, C>>,
    /// Of its histograms, by their places.
    exemplars: Exemplars,
}

/// Where the series of a handle is. Two words, which the compiler can keep in registers.
pub(crate) enum At<'a, L, C> {
    /// The place of its numbers in the lanes, packed.
    Lanes(u64),
    Slot(&'a Series<L, C>),
    /// If it is absent it is looked up at each update: the handle was made in a scope, or there was no room.
    Shared(Shared<Series<L, C>>),
}

impl<L, C: Cell> At<'_, L, C> {
    pub(crate) const fn shared(series: Arc<Series<L, C>>) -> Self {
        At::Shared(Shared(Some(series)))
    }

    /// That of `labels`, wherever it is by then.
    #[cold]
    pub(crate) fn absent(labels: Arc<L>) -> Self {
        At::shared(Arc::new(Series::absent(labels)))
    }

    /// The series, where its numbers are not in the lanes.
    fn series(&self) -> Option<&Series<L, C>> {
        match self {
            At::Lanes(_) => None,
            At::Slot(series) => Some(series),
            At::Shared(Shared(series)) => series.as_deref(),
        }
    }

    /// The labels of one that is absent.
    fn wanted(&self) -> Option<&Arc<L>> {
        self.series().filter(|series| series.is_absent())?.labels.as_ref()
    }
}

impl<L, C> Clone for At<'_, L, C> {
    #[inline]
    fn clone(&self) -> Self {
        match self {
            At::Lanes(place) => At::Lanes(*place),
            At::Slot(series) => At::Slot(series),
            At::Shared(series) => At::Shared(Shared(series.0.clone())),
        }
    }
}

/// An `Arc` that is let go out of line and by value: nobody takes the address of a handle, which may have none, for it.
pub(crate) struct Shared<T>(Option<Arc<T>>);

impl<T> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn let_go<T>(_arc: Option<Arc<T>>) {}
        let_go(self.0.take());
    }
}

/// Labels as they were given: they are put on the heap only for a new series.
pub(crate) enum Given<L> {
    Owned(L),
    Shared(Arc<L>),
}

impl<L> Given<L> {
    #[inline]
    pub(crate) fn get(&self) -> &L {
        match self {
            Given::Owned(labels) => labels,
            Given::Shared(labels) => labels,
        }
    }

    pub(crate) fn into_shared(self) -> Arc<L> {
        match self {
            Given::Owned(labels) => Arc::new(labels),
            Given::Shared(labels) => labels,
        }
    }
}

impl<L: LabelSet, C: Cell> Family<L, C> {
    const IS_DENSE: bool = matches!(closed_series(L::LABELS), Some(series) if series <= DENSE);

    pub(crate) fn new(descriptor: &'static Descriptor) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let family = Arc::new(Self::of(IDS.fetch_add(1, Relaxed), descriptor, closed_series(L::LABELS)));
        if let Some(labels) = L::only() {
            let _ = family.find(Given::Owned(labels));
        }
        family
    }

    pub(crate) fn name(&self) -> &'static str {
        self.descriptor.name
    }

    /// An empty one that stands for this one in a scope.
    fn scoped(&self) -> Arc<Self> {
        Arc::new(Self::of(self.id, self.descriptor, None))
    }

    /// With an array of `series`, where there are so few.
    fn of(id: u64, descriptor: &'static Descriptor, series: Option<usize>) -> Self {
        let series = series.filter(|series| *series <= DENSE);
        let open = if series.is_none() { Some(Open::new(descriptor)) } else { None };
        let dense = Dense::new(descriptor, series.unwrap_or(0));
        Family { id, descriptor, dense, open, exemplars: Exemplars::new() }
    }

    /// What stands for this one in the scope of this thread, if it is in one.
    #[inline]
    fn here(&self) -> Option<Arc<Self>> {
        if !scope::any() {
            return None;
        }
        self.stand_in()
    }

    #[cold]
    #[inline(never)]
    fn stand_in(&self) -> Option<Arc<Self>> {
        scope::current()?.family(self.id, || self.scoped())
    }

    /// The series of `labels`; it is there from now on.
    #[inline(always)]
    pub(crate) fn with(&self, labels: L) -> At<'_, L, C> {
        if scope::any() {
            return self.with_scope(labels);
        }
        let hit = if Self::IS_DENSE {
            self.dense.hit(&labels)
        } else {
            self.open.as_ref().and_then(|open| open.hit(&labels))
        };
        match hit {
            Some(at) => at,
            None => self.find(Given::Owned(labels)),
        }
    }

    #[cold]
    #[inline(never)]
    fn with_scope(&self, labels: L) -> At<'_, L, C> {
        match self.stand_in() {
            None => self.find(Given::Owned(labels)),
            Some(scoped) => {
                let labels = Arc::new(labels);
                let _ = scoped.find(Given::Shared(Arc::clone(&labels)));
                At::absent(labels)
            }
        }
    }

    /// Updates a series, in the scope of this thread if it is in one.
    #[inline(always)]
    pub(crate) fn update(&self, at: &At<'_, L, C>, update: C::Update) {
        match at {
            At::Lanes(place) if C::IN_LANES => {
                let width = C::width(self.descriptor);
                if Place::unpack(*place).write_here(width, |words| C::add(words, self.descriptor, &update)) {
                    return;
                }
            }
            At::Slot(series) if !C::IN_LANES && !scope::any() => return series.cell.update(update),
            _ => {}
        }
        // A copy, so that `at` itself need not be in memory.
        self.update_rarely(at.clone(), update);
    }

    #[cold]
    #[inline(never)]
    fn update_rarely(&self, at: At<'_, L, C>, update: C::Update) {
        let Some(scoped) = self.here() else { return self.update_at(&at, update) };
        let labels = match at {
            At::Lanes(place) => self.labels_at(Place::unpack(place)),
            at => at.series().and_then(|series| series.labels.clone()),
        };
        if let Some(labels) = labels {
            scoped.update_found(&labels, update);
        }
    }

    fn update_at(&self, at: &At<'_, L, C>, update: C::Update) {
        if let At::Lanes(place) = at {
            let width = C::width(self.descriptor);
            return Place::unpack(*place).write(width, |words| C::add(words, self.descriptor, &update));
        }
        match (at.wanted(), at.series()) {
            (Some(labels), _) => self.update_found(labels, update),
            (None, Some(series)) => series.cell.update(update),
            (None, None) => {}
        }
    }

    #[cold]
    fn update_found(&self, labels: &Arc<L>, update: C::Update) {
        let found = self.find(Given::Shared(Arc::clone(labels)));
        if found.wanted().is_none() {
            return self.update_at(&found, update);
        }
        lost(Signal::Metrics, Reason::Cardinality, 1);
        if let (true, Some(open)) = (C::ADDS_UP, &self.open) {
            self.update_at(&open.other(labels), update);
        }
    }

    #[cold]
    #[inline(never)]
    fn find(&self, labels: Given<L>) -> At<'_, L, C> {
        match &self.open {
            None => self.dense.find(labels),
            Some(open) => open.find(labels),
        }
    }

    #[cold]
    fn labels_at(&self, place: Place) -> Option<Arc<L>> {
        match &self.open {
            None => self.dense.labels_at(place),
            Some(open) => open.labels_at(place),
        }
    }

    /// What was observed just now becomes an exemplar of its bucket, if this thread is in a trace that is exported and the one
    /// that is there is a second old.
    #[cold]
    #[inline(never)]
    pub(crate) fn exemplify(&self, place: u64, value: f64) {
        if self.here().is_some() {
            return;
        }
        let (bucket, now) = (cell::bucket(self.descriptor.buckets, value), series::now());
        if !self.exemplars.wants(place, bucket, now) {
            return;
        }
        if let Some(trace) = engine::current().and_then(|here| here.trace).filter(TraceContext::sampled) {
            let (trace_id, span_id) = (trace.trace_id, Some(trace.span_id));
            self.exemplars.put(place, bucket, Exemplar { trace_id, span_id, value, at: now });
        }
    }

    /// Takes a series away. Handles to it that are kept write to nowhere.
    pub(crate) fn remove(&self, labels: &L) -> bool {
        if let Some(scoped) = self.here() {
            return scoped.remove_own(labels);
        }
        self.remove_own(labels)
    }

    fn remove_own(&self, labels: &L) -> bool {
        match &self.open {
            None => self.dense.remove(labels),
            Some(open) => open.remove(labels),
        }
    }

    /// Takes away the series that `keep` says no to.
    pub(crate) fn retain(&self, keep: impl FnMut(&L) -> bool) {
        match self.here() {
            Some(scoped) => scoped.retain_own(keep),
            None => self.retain_own(keep),
        }
    }

    fn retain_own(&self, keep: impl FnMut(&L) -> bool) {
        match &self.open {
            None => self.dense.retain(keep),
            Some(open) => open.retain(keep),
        }
    }
}

/// A family of any labels and cells.
pub(crate) trait AnyFamily: Any + Send + Sync {
    fn descriptor(&self) -> &'static Descriptor;

    /// Takes away what was left alone for longer than the metric says.
    fn expire(&self, reading: &Reading);

    /// Shows the next series in their order; says whether there are more.
    fn page(&self, cursor: &mut Cursor, viewer: &mut Viewer<'_>) -> bool;
}

impl<L: LabelSet, C: Cell> AnyFamily for Family<L, C> {
    fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    fn expire(&self, reading: &Reading) {
        let Some(ttl) = self.descriptor.ttl else { return };
        match &self.open {
            None => self.dense.expire(reading, ttl),
            Some(open) => open.expire(reading, ttl),
        }
    }

    fn page(&self, cursor: &mut Cursor, viewer: &mut Viewer<'_>) -> bool {
        match &self.open {
            None => self.dense.page(cursor, viewer, &self.exemplars),
            Some(open) => open.page(cursor, viewer, &self.exemplars),
        }
    }
}
