//! All the series of one metric: an array where the labels are closed, a bounded map where one is open.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::loss::{Reason, Signal, lost};
use crate::metrics::cell::Cell;
use crate::metrics::descriptor::{Descriptor, closed_series};
use crate::metrics::label::{Key, LabelSet, LabelVisitor, OTHER};
use crate::metrics::scope;
use crate::metrics::text::{self, Snapshot};

/// Above this many possible series a map is smaller than the array.
const DENSE: usize = 1 << 14;

/// The series of one metric.
pub(crate) struct Family<L, C> {
    /// One for each metric made in this process: what stands for it in a scope is found by it.
    id: u64,
    descriptor: &'static Descriptor,
    store: Store<L, C>,
}

/// One series, with what it is called.
pub(crate) struct Series<L, C> {
    /// `None` for the one that takes what found no room.
    labels: Option<Arc<L>>,
    key: Key,
    /// Whether it is there, as far as a scrape is concerned.
    shown: AtomicBool,
    cell: C,
}

enum Store<L, C> {
    Dense(Box<[OnceLock<Series<L, C>>]>),
    Map(RwLock<Map<L, C>>),
}

struct Map<L, C> {
    series: HashMap<Key, Arc<Series<L, C>>>,
    /// How many of them are somebody's own, not one of those that take what found no room.
    own: usize,
    /// For each open label, its values and how many series have each.
    values: Vec<HashMap<String, usize>>,
    limit: usize,
}

/// Where the series of a handle is.
pub(crate) enum At<'a, L, C> {
    Slot(&'a Series<L, C>),
    Shared(Arc<Series<L, C>>),
    /// To be looked up at each update: it was made in a scope, or there was no room.
    Labels(Arc<L>),
}

impl<L, C> Clone for At<'_, L, C> {
    fn clone(&self) -> Self {
        match self {
            At::Slot(series) => At::Slot(series),
            At::Shared(series) => At::Shared(Arc::clone(series)),
            At::Labels(labels) => At::Labels(Arc::clone(labels)),
        }
    }
}

/// Labels as they were given: they are put on the heap only for a new series.
enum Given<L> {
    Owned(L),
    Shared(Arc<L>),
}

impl<L> Given<L> {
    fn get(&self) -> &L {
        match self {
            Given::Owned(labels) => labels,
            Given::Shared(labels) => labels,
        }
    }

    fn into_shared(self) -> Arc<L> {
        match self {
            Given::Owned(labels) => Arc::new(labels),
            Given::Shared(labels) => labels,
        }
    }
}

impl<L: LabelSet, C: Cell> Family<L, C> {
    pub(crate) fn new(descriptor: &'static Descriptor) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let store = match closed_series(L::LABELS) {
            Some(series) if series <= DENSE => Store::Dense((0..series).map(|_| OnceLock::new()).collect()),
            _ => Store::map(),
        };
        let family = Arc::new(Family { id: IDS.fetch_add(1, Relaxed), descriptor, store });
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
        Arc::new(Family { id: self.id, descriptor: self.descriptor, store: Store::map() })
    }

    /// What stands for this one in the scope of this thread, if it is in one.
    #[inline]
    fn here(&self) -> Option<Arc<Self>> {
        if !scope::any() {
            return None;
        }
        scope::current()?.family(self.id, || self.scoped())
    }

    /// The series of `labels`; it is there from now on.
    #[inline]
    pub(crate) fn with(&self, labels: L) -> At<'_, L, C> {
        match self.here() {
            None => self.find(Given::Owned(labels)),
            Some(scoped) => {
                let labels = Arc::new(labels);
                let _ = scoped.find(Given::Shared(Arc::clone(&labels)));
                At::Labels(labels)
            }
        }
    }

    /// Updates a series, in the scope of this thread if it is in one.
    #[inline]
    pub(crate) fn update(&self, at: &At<'_, L, C>, update: impl FnOnce(&C)) {
        if let Some(scoped) = self.here() {
            let labels = match at {
                At::Slot(series) => series.labels.as_ref(),
                At::Shared(series) => series.labels.as_ref(),
                At::Labels(labels) => Some(labels),
            };
            if let Some(labels) = labels {
                scoped.update_found(labels, update);
            }
            return;
        }
        match at {
            At::Slot(series) => update(&series.cell),
            At::Shared(series) => update(&series.cell),
            At::Labels(labels) => self.update_found(labels, update),
        }
    }

    #[cold]
    fn update_found(&self, labels: &Arc<L>, update: impl FnOnce(&C)) {
        match self.find(Given::Shared(Arc::clone(labels))) {
            At::Slot(series) => update(&series.cell),
            At::Shared(series) => update(&series.cell),
            At::Labels(labels) => {
                lost(Signal::Metrics, Reason::Cardinality, 1);
                if let (true, Store::Map(map)) = (C::ADDS_UP, &self.store) {
                    update(&write(map).other(self.descriptor, &*labels).cell);
                }
            }
        }
    }

    #[inline]
    fn find(&self, labels: Given<L>) -> At<'_, L, C> {
        match &self.store {
            Store::Dense(slots) => {
                let Some(slot) = LabelVisitor::index(labels.get()).and_then(|index| slots.get(index)) else {
                    return At::Labels(labels.into_shared());
                };
                let series = slot.get_or_init(|| {
                    let labels = labels.into_shared();
                    Series::new(self.descriptor, LabelVisitor::key(&*labels), Some(labels))
                });
                // It was removed and is wanted again: it begins anew, as a series of a map does.
                if !series.shown.load(Relaxed) && !series.shown.swap(true, AcqRel) {
                    series.cell.reset();
                }
                At::Slot(series)
            }
            Store::Map(map) => {
                let key = LabelVisitor::key(labels.get());
                if let Some(series) = read(map).series.get(&key) {
                    return At::Shared(Arc::clone(series));
                }
                let labels = labels.into_shared();
                match write(map).insert(self.descriptor, key, Some(&labels)) {
                    Some(series) => At::Shared(series),
                    None => At::Labels(labels),
                }
            }
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
            Store::Dense(slots) => LabelVisitor::index(labels)
                .and_then(|index| slots.get(index)?.get())
                .is_some_and(|series| series.shown.swap(false, AcqRel)),
            Store::Map(map) => {
                let removed = write(map).remove(&LabelVisitor::key(labels));
                removed.is_some()
            }
        }
    }

    /// Takes away the series that `keep` says no to.
    pub(crate) fn retain(&self, keep: impl FnMut(&L) -> bool) {
        match self.here() {
            Some(scoped) => scoped.retain_own(keep),
            None => self.retain_own(keep),
        }
    }

    fn retain_own(&self, mut keep: impl FnMut(&L) -> bool) {
        match &self.store {
            Store::Dense(slots) => {
                for series in slots.iter().filter_map(OnceLock::get) {
                    if series.shown.load(Acquire) && series.labels.as_ref().is_some_and(|labels| !keep(labels)) {
                        series.shown.store(false, Relaxed);
                    }
                }
            }
            Store::Map(map) => {
                // No lock is held while the caller's code runs: it may well use this metric.
                let all: Vec<_> = read(map).series.values().cloned().collect();
                for series in all {
                    if series.labels.as_ref().is_some_and(|labels| !keep(labels)) {
                        let removed = write(map).remove(&series.key);
                        drop(removed);
                    }
                }
            }
        }
    }
}

impl<L, C> Store<L, C>
where
    L: LabelSet,
{
    /// The bound on the whole: what the largest open label and the closed ones make together.
    fn map() -> Self {
        let open = L::LABELS.iter().filter(|label| label.values.is_none()).map(|label| label.max).max().unwrap_or(1);
        let closed = L::LABELS.iter().filter_map(|label| Some(label.values?.len()));
        let limit = closed.fold(open, usize::saturating_mul);
        let values = L::LABELS.iter().map(|_| HashMap::new()).collect();
        Store::Map(RwLock::new(Map { series: HashMap::new(), own: 0, values, limit }))
    }
}

impl<L, C: Cell> Series<L, C> {
    fn new(descriptor: &'static Descriptor, key: Key, labels: Option<Arc<L>>) -> Self {
        Series { labels, key, shown: AtomicBool::new(true), cell: C::new(descriptor) }
    }

    fn snapshot(&self) -> Option<text::Series> {
        let value = self.shown.load(Acquire).then(|| self.cell.value())??;
        Some(text::Series { labels: self.key.texts().map(str::to_owned).collect(), value })
    }
}

impl<L: LabelSet, C: Cell> Map<L, C> {
    /// The series of `key`, made if there is room for it.
    fn insert(
        &mut self,
        descriptor: &'static Descriptor,
        key: Key,
        labels: Option<&Arc<L>>,
    ) -> Option<Arc<Series<L, C>>> {
        if let Some(series) = self.series.get(&key) {
            return Some(Arc::clone(series));
        }
        let others = self.series.len() - self.own;
        let used = if labels.is_some() { self.own } else { others };
        if used >= self.limit || key.texts().enumerate().any(|(at, text)| self.is_full(at, text)) {
            return None;
        }
        for (at, text) in key.texts().enumerate().filter(|(at, text)| is_open::<L>(*at) && *text != OTHER) {
            *self.values[at].entry(text.to_owned()).or_default() += 1;
        }
        Some(self.put(descriptor, key, labels))
    }

    fn put(&mut self, descriptor: &'static Descriptor, key: Key, labels: Option<&Arc<L>>) -> Arc<Series<L, C>> {
        let series = Arc::new(Series::new(descriptor, key.clone(), labels.cloned()));
        self.series.insert(key, Arc::clone(&series));
        self.own += usize::from(labels.is_some());
        series
    }

    /// Whether one more value of this label is one too many.
    fn is_full(&self, at: usize, text: &str) -> bool {
        is_open::<L>(at)
            && text != OTHER
            && !self.values[at].contains_key(text)
            && self.values[at].len() >= L::LABELS[at].max
    }

    /// The series that takes what found no room: the labels that are full are `_other`, or all open ones.
    fn other(&mut self, descriptor: &'static Descriptor, labels: &L) -> Arc<Series<L, C>> {
        let key = LabelVisitor::key(labels);
        let partly =
            Key::of(key.texts().enumerate().map(|(at, text)| if self.is_full(at, text) { OTHER } else { text }));
        if let Some(series) = self.insert(descriptor, partly, None) {
            return series;
        }
        let key = Key::of(key.texts().enumerate().map(|(at, text)| if is_open::<L>(at) { OTHER } else { text }));
        match self.series.get(&key) {
            Some(series) => Arc::clone(series),
            None => self.put(descriptor, key, None),
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Series<L, C>>> {
        let series = self.series.remove(key)?;
        self.own -= usize::from(series.labels.is_some());
        for (at, text) in key.texts().enumerate() {
            if let Some(count) = self.values[at].get_mut(text) {
                *count -= 1;
                if *count == 0 {
                    self.values[at].remove(text);
                }
            }
        }
        Some(series)
    }
}

fn is_open<L: LabelSet>(at: usize) -> bool {
    L::LABELS.get(at).is_some_and(|label| label.values.is_none())
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A family of any labels and cells.
pub(crate) trait AnyFamily: Any + Send + Sync {
    fn descriptor(&self) -> &'static Descriptor;
    fn snapshot(&self) -> Snapshot;
}

impl<L: LabelSet, C: Cell> AnyFamily for Family<L, C> {
    fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    fn snapshot(&self) -> Snapshot {
        let series = match &self.store {
            Store::Dense(slots) => slots.iter().filter_map(OnceLock::get).filter_map(Series::snapshot).collect(),
            Store::Map(map) => {
                // Callbacks are asked without the lock: they may well use this metric.
                let all: Vec<_> = read(map).series.values().cloned().collect();
                all.iter().filter_map(|series| series.snapshot()).collect()
            }
        };
        Snapshot { descriptor: self.descriptor, series }
    }
}
