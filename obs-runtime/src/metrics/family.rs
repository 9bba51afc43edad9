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
    store: Store<L, C>,
    /// Of its histograms, by their places.
    exemplars: Exemplars,
}

enum Store<L, C: Cell> {
    Dense(Dense<L, C>),
    Open(Open<L, C>),
}

/// Where the series of a handle is. The usual case is a number, so that the compiler can keep it in a register.
pub(crate) struct At<'a, L, C> {
    /// The place of its numbers in the lanes; 0 if they are elsewhere.
    place: u64,
    elsewhere: Elsewhere<'a, L, C>,
}

pub(crate) enum Elsewhere<'a, L, C> {
    Nowhere,
    Slot(&'a Series<L, C>),
    Shared(Arc<Series<L, C>>),
    /// To be looked up at each update: it was made in a scope, or there was no room.
    Labels(Arc<L>),
}

impl<'a, L, C> At<'a, L, C> {
    #[inline(always)]
    pub(crate) const fn lanes(place: u64) -> Self {
        At { place, elsewhere: Elsewhere::Nowhere }
    }

    #[inline(always)]
    pub(crate) const fn of(elsewhere: Elsewhere<'a, L, C>) -> Self {
        At { place: 0, elsewhere }
    }
}

impl<L, C> Clone for At<'_, L, C> {
    fn clone(&self) -> Self {
        At { place: self.place, elsewhere: self.elsewhere.clone() }
    }
}

impl<L, C> Clone for Elsewhere<'_, L, C> {
    fn clone(&self) -> Self {
        match self {
            Elsewhere::Nowhere => Elsewhere::Nowhere,
            Elsewhere::Slot(series) => Elsewhere::Slot(series),
            Elsewhere::Shared(series) => Elsewhere::Shared(Arc::clone(series)),
            Elsewhere::Labels(labels) => Elsewhere::Labels(Arc::clone(labels)),
        }
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
        let store = match closed_series(L::LABELS) {
            Some(series) if series <= DENSE => Store::Dense(Dense::new(descriptor, series)),
            _ => Store::Open(Open::new(descriptor)),
        };
        let family = Arc::new(Family { id: IDS.fetch_add(1, Relaxed), descriptor, store, exemplars: Exemplars::new() });
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
        let store = Store::Open(Open::new(self.descriptor));
        Arc::new(Family { id: self.id, descriptor: self.descriptor, store, exemplars: Exemplars::new() })
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
        let hit = match &self.store {
            Store::Dense(dense) if Self::IS_DENSE => dense.hit(&labels),
            Store::Open(open) if !Self::IS_DENSE => open.hit(&labels),
            // What stands in for a dense one in a scope.
            _ => None,
        };
        match hit {
            Some(at) => at,
            None => {
                // Taken apart, so that what is usual need not be in memory either.
                let At { place, elsewhere } = self.find(Given::Owned(labels));
                At { place, elsewhere }
            }
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
                At::of(Elsewhere::Labels(labels))
            }
        }
    }

    /// Updates a series, in the scope of this thread if it is in one.
    #[inline(always)]
    pub(crate) fn update(&self, at: &At<'_, L, C>, update: C::Update) {
        if scope::any() {
            // A copy, so that `at` itself need not be in memory.
            return self.update_scope(at.clone(), update);
        }
        if C::IN_LANES && at.place != 0 {
            return C::update_place(Place::unpack(at.place), self.descriptor, &update);
        }
        match &at.elsewhere {
            Elsewhere::Slot(series) => series.cell.update(update),
            elsewhere => self.update_elsewhere(elsewhere.clone(), update),
        }
    }

    #[cold]
    #[inline(never)]
    fn update_scope(&self, at: At<'_, L, C>, update: C::Update) {
        let Some(scoped) = self.stand_in() else { return self.update_at(at, update) };
        let labels = match at.elsewhere {
            Elsewhere::Nowhere => self.labels_at(Place::unpack(at.place)),
            Elsewhere::Slot(series) => series.labels.clone(),
            Elsewhere::Shared(series) => series.labels.clone(),
            Elsewhere::Labels(labels) => Some(labels),
        };
        if let Some(labels) = labels {
            scoped.update_found(&labels, update);
        }
    }

    fn update_at(&self, at: At<'_, L, C>, update: C::Update) {
        if at.place != 0 {
            return C::update_place(Place::unpack(at.place), self.descriptor, &update);
        }
        self.update_elsewhere(at.elsewhere, update);
    }

    #[inline(never)]
    fn update_elsewhere(&self, elsewhere: Elsewhere<'_, L, C>, update: C::Update) {
        match elsewhere {
            Elsewhere::Nowhere => {}
            Elsewhere::Slot(series) => series.cell.update(update),
            Elsewhere::Shared(series) => series.cell.update(update),
            Elsewhere::Labels(labels) => self.update_found(&labels, update),
        }
    }

    #[cold]
    fn update_found(&self, labels: &Arc<L>, update: C::Update) {
        let found = self.find(Given::Shared(Arc::clone(labels)));
        let Elsewhere::Labels(labels) = &found.elsewhere else { return self.update_at(found, update) };
        lost(Signal::Metrics, Reason::Cardinality, 1);
        if let (true, Store::Open(open)) = (C::ADDS_UP, &self.store) {
            self.update_at(open.other(labels), update);
        }
    }

    #[cold]
    fn find(&self, labels: Given<L>) -> At<'_, L, C> {
        match &self.store {
            Store::Dense(dense) => dense.find(labels),
            Store::Open(open) => open.find(labels),
        }
    }

    #[cold]
    fn labels_at(&self, place: Place) -> Option<Arc<L>> {
        match &self.store {
            Store::Dense(dense) => dense.labels_at(place),
            Store::Open(open) => open.labels_at(place),
        }
    }

    /// What was observed just now becomes an exemplar of its bucket, if this thread is in a trace that is exported and the one
    /// that is there is a second old.
    #[cold]
    #[inline(never)]
    pub(crate) fn exemplify(&self, at: &At<'_, L, C>, value: f64) {
        if at.place == 0 || self.here().is_some() {
            return;
        }
        let (bucket, now) = (cell::bucket(self.descriptor.buckets, value), series::now());
        if !self.exemplars.wants(at.place, bucket, now) {
            return;
        }
        if let Some(trace) = engine::current().and_then(|here| here.trace).filter(TraceContext::sampled) {
            let (trace_id, span_id) = (trace.trace_id, Some(trace.span_id));
            self.exemplars.put(at.place, bucket, Exemplar { trace_id, span_id, value, at: now });
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
        match &self.store {
            Store::Dense(dense) => dense.remove(labels),
            Store::Open(open) => open.remove(labels),
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
        match &self.store {
            Store::Dense(dense) => dense.retain(keep),
            Store::Open(open) => open.retain(keep),
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
        match &self.store {
            Store::Dense(dense) => dense.expire(reading, ttl),
            Store::Open(open) => open.expire(reading, ttl),
        }
    }

    fn page(&self, cursor: &mut Cursor, viewer: &mut Viewer<'_>) -> bool {
        match &self.store {
            Store::Dense(dense) => dense.page(cursor, viewer, &self.exemplars),
            Store::Open(open) => open.page(cursor, viewer, &self.exemplars),
        }
    }
}
