//! The series of closed labels: an array of all that there can be.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::metrics::cell::Cell;
use crate::metrics::descriptor::Descriptor;
use crate::metrics::exemplar::Exemplars;
use crate::metrics::family::{At, Given};
use crate::metrics::label::{LabelSet, LabelVisitor};
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::series::{Cursor, Series, Viewer, page_of};
use crate::metrics::text;

pub(crate) struct Dense<L, C: Cell> {
    descriptor: &'static Descriptor,
    /// 0 for a series that is not there; where its numbers lie in lanes, its place. All that a hit looks at.
    marks: Box<[AtomicU64]>,
    series: Box<[Slot<L, C>]>,
    /// Held while a series appears.
    showing: Mutex<()>,
}

/// A series, with its labels as they are written.
type Slot<L, C> = OnceLock<Box<Written<L, C>>>;
type Written<L, C> = (Series<L, C>, Box<str>);

/// The mark of a series whose numbers are not in lanes.
const THERE: u64 = 1;

impl<L: LabelSet, C: Cell> Dense<L, C> {
    pub(crate) fn new(descriptor: &'static Descriptor, series: usize) -> Self {
        Dense {
            descriptor,
            marks: (0..series).map(|_| AtomicU64::new(0)).collect(),
            series: (0..series).map(|_| OnceLock::new()).collect(),
            showing: Mutex::new(()),
        }
    }

    /// The series of `labels`, if it is there.
    #[inline(always)]
    pub(crate) fn hit(&self, labels: &L) -> Option<At<'_, L, C>> {
        let index = labels.index()?;
        match self.marks.get(index)?.load(Acquire) {
            0 => None,
            mark => self.at(index, mark),
        }
    }

    /// The series of `labels`; it is there from now on.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(&self, labels: Given<L>) -> At<'_, L, C> {
        match labels.get().index() {
            Some(index) if index < self.marks.len() => self.appear(index, labels.into_shared()),
            _ => At::absent(labels.into_shared()),
        }
    }

    #[inline(always)]
    fn at(&self, index: usize, mark: u64) -> Option<At<'_, L, C>> {
        if C::IN_LANES {
            return Some(At::Lanes(mark));
        }
        Some(At::Slot(&self.series.get(index)?.get()?.0))
    }

    fn appear(&self, index: usize, labels: Arc<L>) -> At<'_, L, C> {
        // The text of a label is somebody's code, which may use this very metric: it is asked before the lock is taken.
        let (series, _) = &**self.series[index].get_or_init(|| {
            let written = text::labels(self.descriptor, LabelVisitor::key(&*labels).texts());
            Box::new((Series::new(Some(Arc::clone(&labels))), written.into_boxed_str()))
        });
        let _showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mark = self.marks[index].load(Acquire);
        if mark == 0 {
            mark = if C::IN_LANES {
                match lanes::take(C::width(self.descriptor)) {
                    Some(place) => place.pack(),
                    None => return At::absent(labels),
                }
            } else {
                THERE
            };
            series.reset();
            self.marks[index].store(mark, Release);
        }
        self.at(index, mark).unwrap_or_else(|| At::absent(labels))
    }

    pub(crate) fn remove(&self, labels: &L) -> bool {
        labels.index().is_some_and(|index| self.remove_at(index))
    }

    fn remove_at(&self, index: usize) -> bool {
        let Some(mark) = self.marks.get(index) else { return false };
        let _showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = mark.swap(0, Release);
        if mark != 0 && C::IN_LANES {
            lanes::give_back(Place::unpack(mark), C::width(self.descriptor));
        }
        mark != 0
    }

    /// The series that are there, with what their mark says.
    fn there(&self) -> impl Iterator<Item = (usize, &Written<L, C>, Option<Place>)> {
        self.marks.iter().zip(&self.series).enumerate().filter_map(|(index, (mark, series))| {
            let mark = mark.load(Acquire);
            let place = C::IN_LANES.then(|| Place::unpack(mark));
            Some((index, &**series.get().filter(|_| mark != 0)?, place))
        })
    }

    pub(crate) fn retain(&self, mut keep: impl FnMut(&L) -> bool) {
        for (index, (series, _), _) in self.there() {
            if series.labels.as_ref().is_some_and(|labels| !keep(labels)) {
                self.remove_at(index);
            }
        }
    }

    pub(crate) fn expire(&self, reading: &Reading, ttl: Duration) {
        for (index, (series, _), place) in self.there() {
            if series.expired(place, self.descriptor, reading, ttl) {
                self.remove_at(index);
            }
        }
    }

    /// The labels of the series at `place`.
    pub(crate) fn labels_at(&self, place: Place) -> Option<Arc<L>> {
        self.there().find(|(_, _, here)| *here == Some(place))?.1.0.labels.clone()
    }

    /// Shows the next series, in the order of their labels' variants; says whether there are more.
    pub(crate) fn page(&self, cursor: &mut Cursor, viewer: &mut Viewer<'_>, exemplars: &Exemplars) -> bool {
        let mut there = self.there().skip_while(|(index, ..)| *index < cursor.index);
        let page = there.by_ref().take(page_of::<C>()).map(|(_, (series, labels), place)| (&**labels, series, place));
        viewer.page(page, self.descriptor, exemplars);
        match there.next() {
            Some((index, ..)) => cursor.index = index,
            None => return false,
        }
        true
    }
}

impl<L, C: Cell> Drop for Dense<L, C> {
    fn drop(&mut self) {
        if C::IN_LANES {
            let width = C::width(self.descriptor);
            let places = self.marks.iter_mut().map(|mark| *mark.get_mut()).filter(|mark| *mark != 0);
            places.for_each(|mark| lanes::give_back(Place::unpack(mark), width));
        }
    }
}
