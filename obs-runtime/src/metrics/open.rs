//! The series of open labels: a bounded map, keyed by the whole tuple.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics::cell::Cell;
use crate::metrics::descriptor::Descriptor;
use crate::metrics::exemplar::Exemplars;
use crate::metrics::family::{At, Given};
use crate::metrics::label::{Key, LabelSet, LabelVisitor, OTHER};
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::roll::Roll;
use crate::metrics::series::{Cursor, Series, Viewer, page_of};
use crate::metrics::table::{self, Finder, Found, Row};
use crate::metrics::text;

pub(crate) struct Open<L, C: Cell> {
    descriptor: &'static Descriptor,
    /// Where a hit looks.
    finder: Finder,
    /// Where all else does.
    all: Mutex<All<L, C>>,
}

struct All<L, C: Cell> {
    series: Roll<Arc<Series<L, C>>>,
    /// How many of them are somebody's own, not one of those that take what found no room.
    own: usize,
    /// For each open label, its values and how many series have each.
    values: Vec<HashMap<String, usize>>,
    limit: usize,
}

impl<L: LabelSet, C: Cell> Open<L, C> {
    /// The bound on the whole is what the largest open label and the closed ones make together.
    pub(crate) fn new(descriptor: &'static Descriptor) -> Self {
        let open = L::LABELS.iter().filter(|label| label.values.is_none()).map(|label| label.max).max().unwrap_or(1);
        let closed = L::LABELS.iter().filter_map(|label| Some(label.values?.len()));
        let limit = closed.fold(open, usize::saturating_mul);
        let values = L::LABELS.iter().map(|_| HashMap::new()).collect();
        let all = Mutex::new(All { series: Roll::new(), own: 0, values, limit });
        Open { descriptor, finder: Finder::new(), all }
    }

    /// The series of `labels`, if this thread has seen that it is there.
    // At each call, so that labels which need not be in memory are not. Texts are read in one place for each number of labels.
    #[inline(always)]
    pub(crate) fn hit(&self, labels: &L) -> Option<At<'static, L, C>> {
        if C::IN_LANES {
            self.look(labels, table::place).map(|place| At::Lanes(place.get()))
        } else {
            self.look(labels, table::series)?.downcast().ok().map(At::shared)
        }
    }

    #[inline(always)]
    fn look<R>(&self, labels: &L, found: impl Fn(u64, &Row) -> Option<R> + Copy) -> Option<R> {
        LabelVisitor::lasting(labels, |texts| self.finder.find_at(texts, found))
            .or_else(|| LabelVisitor::texts(labels, |texts| self.finder.find(texts, found)))
    }

    /// The series of `labels`; it is there from now on.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(&self, labels: Given<L>) -> At<'static, L, C> {
        LabelVisitor::texts(labels.get(), |texts| self.finder.find_late(texts))
            .or_else(|| self.find_anew(labels.get()))
            .and_then(found)
            .unwrap_or_else(|| self.appear(labels.into_shared()))
    }

    fn find_anew(&self, labels: &L) -> Option<Found> {
        let texts = LabelVisitor::key(labels);
        self.finder.find_anew(&texts.texts().collect::<Vec<_>>())
    }

    fn appear(&self, labels: Arc<L>) -> At<'static, L, C> {
        let key = LabelVisitor::key(&*labels);
        let mut all = self.lock();
        // The lock is held, so whoever came first is done.
        match all.make(self, key, Some(&labels)) {
            Some((series, place)) => at(series, place),
            None => At::absent(labels),
        }
    }

    /// The series that takes what found no room: the labels that are full are `_other`, or all open ones.
    pub(crate) fn other(&self, labels: &L) -> At<'static, L, C> {
        let key = LabelVisitor::key(labels);
        let mut all = self.lock();
        let is_full = |at: usize, text: &str| all.is_full(at, text);
        let partly = Key::of(key.texts().enumerate().map(|(at, text)| if is_full(at, text) { OTHER } else { text }));
        if let Some((series, place)) = all.make(self, partly, None) {
            return at(series, place);
        }
        let wholly = Key::of(key.texts().enumerate().map(|(at, text)| if is_open::<L>(at) { OTHER } else { text }));
        let (series, place) = all.get(self.descriptor, &wholly).unwrap_or_else(|| all.put(self, &wholly, None));
        at(series, place)
    }

    pub(crate) fn remove(&self, labels: &L) -> bool {
        let key = LabelVisitor::key(labels);
        let removed = self.lock().remove(self, &key);
        removed.is_some()
    }

    pub(crate) fn retain(&self, mut keep: impl FnMut(&L) -> bool) {
        // No lock is held while the caller's code runs: it may well use this metric.
        let every: Vec<_> = self.lock().series.every().map(|(series, _)| Arc::clone(series)).collect();
        for labels in every.iter().filter_map(|series| series.labels.as_deref()) {
            if !keep(labels) {
                self.remove(labels);
            }
        }
    }

    pub(crate) fn expire(&self, reading: &Reading, ttl: Duration) {
        let every: Vec<_> = self.lock().series.every().map(|(series, place)| (Arc::clone(series), place)).collect();
        for (series, place) in every {
            if let Some(labels) = &series.labels
                && series.expired(place, self.descriptor, reading, ttl)
            {
                self.remove(labels);
            }
        }
    }

    /// The labels of the series at `place`.
    pub(crate) fn labels_at(&self, place: Place) -> Option<Arc<L>> {
        let all = self.lock();
        let (series, _) = all.series.every().find(|(_, here)| *here == Some(place))?;
        series.labels.clone()
    }

    /// Shows the next series, in the order of their labels; says whether there are more.
    pub(crate) fn page(&self, cursor: &mut Cursor, viewer: &mut Viewer<'_>, exemplars: &Exemplars) -> bool {
        let Cursor { after, near, sums, .. } = cursor;
        if C::OF_WORD.is_some() && after.is_none() {
            // The lock is free in between, for who has a new series.
            while self.lock().series.add_up(viewer.reading, sums) {}
        }
        let all = self.lock();
        if C::ASKS {
            // Callbacks are asked without the lock: they may well use this metric.
            let page = all.series.after(after.as_deref(), near).take(page_of::<C>());
            let found = |number| all.series.at(number).map(|(series, place)| (Arc::clone(series), place));
            let page: Vec<_> = page.filter_map(|(labels, number)| Some((labels.to_owned(), found(number)?))).collect();
            drop(all);
            let shown = page.iter().map(|(labels, (series, place))| (&**labels, &**series, *place));
            viewer.page(shown, self.descriptor, exemplars);
            *after = page.into_iter().next_back().map(|(labels, _)| labels);
            return after.is_some();
        }
        let mut last = None;
        let page =
            all.series.after(after.as_deref(), near).take(page_of::<C>()).inspect(|(labels, _)| last = Some(*labels));
        if let Some(of_word) = C::OF_WORD {
            page.for_each(|(labels, number)| {
                let value = of_word(all.series.sum(number, sums, viewer.reading));
                viewer.word(labels, value, || all.series.at(number).map_or(0, |(series, _)| series.created()));
            });
        } else {
            let page = page.filter_map(|(labels, number)| {
                let (series, place) = all.series.at(number)?;
                Some((labels, &**series, place))
            });
            viewer.page(page, self.descriptor, exemplars);
        }
        *after = last.map(str::to_owned);
        after.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, All<L, C>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: LabelSet, C: Cell> All<L, C> {
    /// The series of `key`, made if there is room for it.
    fn make(&mut self, open: &Open<L, C>, key: Key, labels: Option<&Arc<L>>) -> Option<Kept<L, C>> {
        if let Some(found) = self.get(open.descriptor, &key) {
            return Some(found);
        }
        let others = self.series.len() - self.own;
        let used = if labels.is_some() { self.own } else { others };
        if used >= self.limit || key.texts().enumerate().any(|(at, text)| self.is_full(at, text)) {
            return None;
        }
        for (at, text) in key.texts().enumerate().filter(|(at, text)| is_open::<L>(*at) && *text != OTHER) {
            *self.values[at].entry(text.to_owned()).or_default() += 1;
        }
        Some(self.put(open, &key, labels))
    }

    fn get(&self, descriptor: &'static Descriptor, key: &Key) -> Option<Kept<L, C>> {
        let rendered = text::labels(descriptor, key.texts());
        self.series.get(&rendered)
    }

    fn put(&mut self, open: &Open<L, C>, key: &Key, labels: Option<&Arc<L>>) -> Kept<L, C> {
        let series = Arc::new(Series::new(labels.cloned()));
        let place = if C::IN_LANES { lanes::take(C::width(open.descriptor)) } else { None };
        self.series.insert(&text::labels(open.descriptor, key.texts()), Arc::clone(&series), place);
        if labels.is_some() {
            self.own += 1;
            open.finder.insert(key, place, Arc::clone(&series) as _);
        }
        (series, place)
    }

    /// Whether one more value of this label is one too many.
    fn is_full(&self, at: usize, text: &str) -> bool {
        is_open::<L>(at)
            && text != OTHER
            && !self.values[at].contains_key(text)
            && self.values[at].len() >= L::LABELS[at].max
    }

    fn remove(&mut self, open: &Open<L, C>, key: &Key) -> Option<Arc<Series<L, C>>> {
        let rendered = text::labels(open.descriptor, key.texts());
        let (series, place) = self.series.remove(&rendered)?;
        open.finder.remove(key);
        if let Some(place) = place {
            lanes::give_back(place, C::width(open.descriptor));
        }
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

type Kept<L, C> = (Arc<Series<L, C>>, Option<Place>);

fn at<L, C: Cell>(series: Arc<Series<L, C>>, place: Option<Place>) -> At<'static, L, C> {
    place.map_or_else(|| At::shared(series), |place| At::Lanes(place.pack()))
}

fn found<L: LabelSet, C: Cell>(found: Found) -> Option<At<'static, L, C>> {
    match found.place {
        Some(place) => Some(At::Lanes(place.get())),
        None => found.series.downcast().ok().map(At::shared),
    }
}

fn is_open<L: LabelSet>(at: usize) -> bool {
    L::LABELS.get(at).is_some_and(|label| label.values.is_none())
}

impl<L, C: Cell> Drop for Open<L, C> {
    fn drop(&mut self) {
        let width = C::width(self.descriptor);
        let all = self.all.get_mut().unwrap_or_else(PoisonError::into_inner);
        all.series.every().filter_map(|(_, place)| place).for_each(|place| lanes::give_back(place, width));
    }
}
