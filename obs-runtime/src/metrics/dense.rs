//! The series of closed labels: an array of all that there can be.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::metrics::cell::Cell;
use crate::metrics::descriptor::Descriptor;
use crate::metrics::family::{At, Given};
use crate::metrics::label::{LabelSet, LabelVisitor};
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::series::{Cursor, PAGE, Series, Shown};

pub(crate) struct Dense<L, C: Cell> {
    descriptor: &'static Descriptor,
    /// 0 for a series that is not there; where its numbers lie in lanes, its place. All that a hit looks at.
    marks: Box<[AtomicU64]>,
    series: Box<[Slot<L, C>]>,
    /// Held while a series appears.
    showing: Mutex<()>,
}

type Slot<L, C> = OnceLock<Box<Series<L, C>>>;

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

    #[inline]
    pub(crate) fn find(&self, labels: Given<L>) -> At<'_, L, C> {
        let Some(index) = LabelVisitor::index(labels.get()) else { return At::Labels(labels.into_shared()) };
        let Some(mark) = self.marks.get(index) else { return At::Labels(labels.into_shared()) };
        match mark.load(Acquire) {
            0 => self.appear(index, labels),
            mark => self.at(index, mark).unwrap_or_else(|| At::Labels(labels.into_shared())),
        }
    }

    #[inline]
    fn at(&self, index: usize, mark: u64) -> Option<At<'_, L, C>> {
        if C::IN_LANES {
            return Some(At::Lanes(Place::unpack(mark)));
        }
        Some(At::Slot(self.series.get(index)?.get()?))
    }

    #[cold]
    fn appear(&self, index: usize, labels: Given<L>) -> At<'_, L, C> {
        let labels = labels.into_shared();
        // The text of a label is somebody's code, which may use this very metric: it is asked before the lock is taken.
        let series = self.series[index].get_or_init(|| {
            let key = LabelVisitor::key(&*labels);
            Box::new(Series::new(self.descriptor, &key, Some(Arc::clone(&labels))))
        });
        let _showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mark = self.marks[index].load(Acquire);
        if mark == 0 {
            mark = if C::IN_LANES {
                match lanes::take(C::width(self.descriptor)) {
                    Some(place) => place.pack(),
                    None => return At::Labels(labels),
                }
            } else {
                THERE
            };
            series.reset();
            self.marks[index].store(mark, Release);
        }
        self.at(index, mark).unwrap_or(At::Labels(labels))
    }

    pub(crate) fn remove(&self, labels: &L) -> bool {
        LabelVisitor::index(labels).is_some_and(|index| self.remove_at(index))
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
    fn there(&self) -> impl Iterator<Item = (usize, &Series<L, C>, Option<Place>)> {
        self.marks.iter().zip(&self.series).enumerate().filter_map(|(index, (mark, series))| {
            let mark = mark.load(Acquire);
            let place = C::IN_LANES.then(|| Place::unpack(mark));
            Some((index, &**series.get().filter(|_| mark != 0)?, place))
        })
    }

    pub(crate) fn retain(&self, mut keep: impl FnMut(&L) -> bool) {
        for (index, series, _) in self.there() {
            if series.labels.as_ref().is_some_and(|labels| !keep(labels)) {
                self.remove_at(index);
            }
        }
    }

    pub(crate) fn expire(&self, reading: &Reading, ttl: Duration) {
        for (index, series, place) in self.there() {
            if series.expired(place, self.descriptor, reading, ttl) {
                self.remove_at(index);
            }
        }
    }

    /// The labels of the series at `place`.
    pub(crate) fn labels_at(&self, place: Place) -> Option<Arc<L>> {
        self.there().find(|(_, _, here)| *here == Some(place))?.1.labels.clone()
    }

    /// Shows the next series, in the order of their labels' variants; says whether there are more.
    pub(crate) fn page(&self, reading: &Reading, cursor: &mut Cursor, show: &mut dyn FnMut(&Shown<'_>)) -> bool {
        let mut there = self.there().skip_while(|(index, ..)| *index < cursor.index);
        for (_, series, place) in there.by_ref().take(PAGE) {
            series.show(place, self.descriptor, reading, show);
        }
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
