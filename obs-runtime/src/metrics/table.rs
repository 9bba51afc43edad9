//! Finding the series of open labels without a lock: a table that only grows, of which each thread keeps the newest.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::iter;
use std::mem;
use std::num::NonZeroU64;
use std::ptr;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::metrics::hash::{Ends, SHORT, Seed, hash_of_addresses};
use crate::metrics::label::{Key, MOST};
use crate::metrics::lanes::Place;

/// What the mark of a series says that has no place.
const THERE: u64 = 1;

/// In place of lengths, which have a byte for each text: none is so large.
const AT: u64 = u64::MAX;

/// One series, as it is found.
pub(crate) struct Row<E: ?Sized = [Ends]> {
    /// The place of its numbers, packed, or [`THERE`]; 0 once it was removed: then it is passed over, also in the tables of
    /// threads that do not know yet.
    mark: AtomicU64,
    /// Of the texts; [`AT`] where the ends are none, but say where the texts are.
    lengths: u64,
    /// Those of the texts that are not told by their ends.
    long: Box<[Box<str>]>,
    series: AnySeries,
    ends: E,
}

/// A series that was found, for who has the time to take all of it.
pub(crate) struct Found {
    /// The place of its numbers, packed, if it has one.
    pub(crate) place: Option<NonZeroU64>,
    pub(crate) series: AnySeries,
}

/// A series, of any labels and cells.
type AnySeries = Arc<dyn Any + Send + Sync>;

/// What is looked for: texts, or where they are.
struct Wanted<'a> {
    ends: &'a [Ends],
    lengths: u64,
    hash: u64,
}

/// Nothing, or a row and its hash.
type Slot = OnceLock<(u64, Arc<Row>)>;

/// Open addressing, at most half full, rows that are gone among them: a second step is mispredicted.
#[derive(Clone, Default)]
struct Table {
    version: u64,
    slots: Arc<[Slot]>,
}

/// The table of one metric.
pub(crate) struct Finder {
    /// Where each thread keeps the table.
    at: usize,
    seed: Seed,
    version: AtomicU64,
    newest: Mutex<Newest>,
}

struct Newest {
    table: Table,
    /// How many slots are taken.
    taken: usize,
    /// By the address of a row that is told by texts, the row of the same series that is told by where they are.
    twins: HashMap<usize, Arc<Row>>,
}

/// The tables that a thread keeps. Those of other metrics that had the same number before differ in their version.
type Kept = Vec<Table>;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Vec::new()) };
}

/// The numbers that are free again, and the first that never was taken.
static NUMBERS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// Shows a slice as an array of its length; nothing where that is above [`MOST`].
macro_rules! exactly {
    ($slice:expr, |$array:ident| $show:expr) => {
        exactly!($slice, |$array| $show, 0 1 2 3 4 5 6 7 8)
    };
    ($slice:expr, |$array:ident| $show:expr, $($count:literal)*) => {
        match $slice.len() {
            $($count => {
                let $array = *$slice.first_chunk::<$count>()?;
                $show
            })*
            _ => None,
        }
    };
}

impl Row {
    fn new(texts: &[&str], wanted: &Wanted<'_>, place: Option<Place>, series: AnySeries) -> Option<Arc<Self>> {
        let (mark, lengths) = (AtomicU64::new(place.map_or(THERE, Place::pack)), wanted.lengths);
        let long = texts.iter().filter(|text| text.len() > SHORT).map(|text| (*text).into()).collect();
        exactly!(wanted.ends, |ends| Some(Arc::new(Row { mark, lengths, long, series, ends })))
    }

    #[inline(always)]
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        if self.ends.len() != wanted.ends.len() {
            return false;
        }
        let mut differ = self.lengths ^ wanted.lengths;
        for (own, ends) in self.ends.iter().zip(wanted.ends) {
            differ |= own.differ(ends);
        }
        differ == 0
    }

    /// Whether the long ones of the texts are the same, where the rest is already. A call of `memcmp` may cost more than all else.
    #[inline(always)]
    fn is_long(&self, texts: &[&str]) -> bool {
        let mut own = self.long.iter();
        texts.iter().all(|text| {
            text.len() <= SHORT
                || own.next().is_some_and(|own| {
                    own.len() == text.len()
                        && own.as_bytes().first_chunk::<SHORT>() == text.as_bytes().first_chunk()
                        && (own.len() <= 2 * SHORT || **own == **text)
                })
        })
    }
}

impl Finder {
    pub(crate) fn new() -> Self {
        let mut numbers = lock(&NUMBERS);
        let at = numbers.0.pop().unwrap_or_else(|| {
            numbers.1 += 1;
            numbers.1 - 1
        });
        let table = Table::new(8);
        let version = AtomicU64::new(table.version);
        Finder { at, seed: Seed::own(), version, newest: Mutex::new(Newest { table, taken: 0, twins: HashMap::new() }) }
    }

    /// The series of the labels with these texts, as `found` wants it by its mark, if this thread has the newest table. Sets of
    /// more labels than are taken without memory from the heap are never found here.
    #[inline(always)]
    pub(crate) fn find<R>(&self, texts: &[&str], found: impl Fn(u64, &Row) -> Option<R>) -> Option<R> {
        exactly!(texts, |texts| self.find_texts(texts, found))
    }

    #[inline(never)]
    fn find_texts<R, const N: usize>(&self, texts: [&str; N], found: impl Fn(u64, &Row) -> Option<R>) -> Option<R> {
        self.want(&texts, |wanted| self.here(|table| table.find_soon(&wanted, &texts, found)))
    }

    /// The same, by where the texts are. It may be that nothing is found here, and something by the texts themselves.
    // At each call, which saves a fifth of the time for a few hundred bytes.
    #[inline(always)]
    pub(crate) fn find_at<R>(&self, texts: &[&'static str], found: impl Fn(u64, &Row) -> Option<R>) -> Option<R> {
        want_at(texts, |wanted| self.here(|table| table.find_soon(&wanted, &[], found)))
    }

    #[inline(always)]
    fn here<R>(&self, find: impl FnOnce(&Table) -> Option<R>) -> Option<R> {
        KEPT.try_with(|kept| {
            let kept = kept.try_borrow().ok()?;
            let table = kept.get(self.at)?;
            if table.version == self.version.load(Acquire) { find(table) } else { None }
        })
        .ok()?
    }

    /// The same by the texts, also if it is not the first of its hash.
    pub(crate) fn find_late(&self, texts: &[&str]) -> Option<Found> {
        self.want(texts, |wanted| self.here(|table| table.find(&wanted, texts).map(Found::of)))
    }

    /// The same of the newest table, which this thread keeps from now on, unless it ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_anew(&self, texts: &[&str]) -> Option<Found> {
        let newest = lock(&self.newest).table.clone();
        let found = self.want(texts, |wanted| newest.find(&wanted, texts).map(Found::of));
        let before = KEPT.try_with(|kept| {
            let mut kept = kept.try_borrow_mut().ok()?;
            if kept.len() <= self.at {
                kept.resize_with(self.at + 1, Table::default);
            }
            Some(mem::replace(&mut kept[self.at], newest))
        });
        // Labels may go with it, whose end is anybody's code: nothing is borrowed any more.
        drop(before);
        found
    }

    #[inline(always)]
    fn want<R>(&self, texts: &[&str], search: impl FnOnce(Wanted<'_>) -> Option<R>) -> Option<R> {
        let mut ends = [Ends::default(); MOST];
        let ends = ends.get_mut(..texts.len())?;
        let (hash, lengths) = self.seed.read(texts, ends);
        search(Wanted { ends, lengths, hash })
    }

    /// Adds a series. It is not there yet: the caller holds what makes that so.
    pub(crate) fn insert(&self, key: &Key, place: Option<Place>, series: AnySeries) {
        let texts: Vec<&str> = key.texts().collect();
        self.want(&texts, |wanted| {
            let row = Row::new(&texts, &wanted, place, Arc::clone(&series))?;
            let mut newest = lock(&self.newest);
            if let Some(texts) = key.lasting() {
                want_at(texts, |wanted| {
                    let twin = Row::new(&[], &wanted, place, series)?;
                    newest.twins.insert(Arc::as_ptr(&row).addr(), Arc::clone(&twin));
                    self.put(&mut newest, wanted.hash, twin);
                    Some(())
                });
            }
            self.put(&mut newest, wanted.hash, row);
            Some(())
        });
    }

    fn put(&self, newest: &mut Newest, hash: u64, row: Arc<Row>) {
        if (newest.taken + 1) * 2 > newest.table.slots.len() {
            newest.grow();
            self.version.store(newest.table.version, Release);
        }
        newest.table.insert(hash, row);
        newest.taken += 1;
    }

    /// Takes the series of `key` away.
    pub(crate) fn remove(&self, key: &Key) {
        let texts: Vec<&str> = key.texts().collect();
        self.want(&texts, |wanted| {
            let mut newest = lock(&self.newest);
            let Newest { table, twins, .. } = &mut *newest;
            let (_, row) = table.find(&wanted, &texts)?;
            row.mark.store(0, Release);
            twins.remove(&ptr::from_ref(row).addr())?.mark.store(0, Release);
            Some(())
        });
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        lock(&NUMBERS).0.push(self.at);
    }
}

impl Table {
    fn new(slots: usize) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(1);
        Table { version: VERSIONS.fetch_add(1, Relaxed), slots: (0..slots).map(|_| Slot::new()).collect() }
    }

    /// The slots in the order in which `hash` is looked for.
    #[inline(always)]
    fn probe(&self, hash: u64) -> impl Iterator<Item = &Slot> {
        let mut at = hash as usize;
        iter::from_fn(move || {
            let slot = self.slots.get(at & (self.slots.len() - 1));
            at = at.wrapping_add(1);
            slot
        })
    }

    /// What is wanted, if it is the first of its hash that is not gone. What is rare is left out, so that little need be kept until
    /// the row is found.
    #[inline(always)]
    fn find_soon<R>(&self, wanted: &Wanted<'_>, texts: &[&str], found: impl Fn(u64, &Row) -> Option<R>) -> Option<R> {
        let mut slots = self.probe(wanted.hash);
        let (mark, row) = loop {
            let (hash, row) = slots.next()?.get()?;
            if *hash == wanted.hash {
                let mark = row.mark.load(Acquire);
                if mark != 0 {
                    break (mark, row);
                }
            }
        };
        if row.is(wanted) && (row.long.is_empty() || row.is_long(texts)) { found(mark, row) } else { None }
    }

    /// The row, with what its mark says.
    fn find(&self, wanted: &Wanted<'_>, texts: &[&str]) -> Option<(u64, &Row)> {
        self.probe(wanted.hash).map_while(OnceLock::get).find_map(|(hash, row)| {
            let mark = row.mark.load(Acquire);
            let is = *hash == wanted.hash && mark != 0 && row.is(wanted) && row.is_long(texts);
            is.then_some((mark, &**row))
        })
    }

    /// Puts a row into the first slot that is free. The caller holds the lock of the newest table.
    fn insert(&self, hash: u64, row: Arc<Row>) {
        if let Some(slot) = self.probe(hash).find(|slot| slot.get().is_none()) {
            let _ = slot.set((hash, row));
        }
    }
}

impl Newest {
    /// Takes a table with room for as many again, without the rows that are gone.
    fn grow(&mut self) {
        let rows = self.table.slots.iter().filter_map(|slot| slot.get());
        let rows: Vec<_> = rows.filter(|(_, row)| row.mark.load(Relaxed) != 0).collect();
        let table = Table::new((rows.len() * 4).next_power_of_two().max(8));
        rows.iter().for_each(|(hash, row)| table.insert(*hash, Arc::clone(row)));
        self.taken = rows.len();
        self.table = table;
    }
}

impl Found {
    fn of((mark, row): (u64, &Row)) -> Self {
        Found { place: place(mark, row), series: Arc::clone(&row.series) }
    }
}

/// The place of a series that was found, packed, if it has one.
#[inline(always)]
pub(crate) fn place(mark: u64, _row: &Row) -> Option<NonZeroU64> {
    NonZeroU64::new(mark).filter(|_| mark != THERE)
}

/// A series that was found, if it has no place.
#[inline(always)]
pub(crate) fn series(mark: u64, row: &Row) -> Option<AnySeries> {
    (mark == THERE).then(|| Arc::clone(&row.series))
}

#[inline(always)]
fn want_at<R>(texts: &[&'static str], search: impl FnOnce(Wanted<'_>) -> Option<R>) -> Option<R> {
    let mut ends = [Ends::default(); MOST];
    let ends = ends.get_mut(..texts.len())?;
    ends.iter_mut().zip(texts).for_each(|(ends, text)| *ends = Ends::at(text));
    search(Wanted { ends, lengths: AT, hash: hash_of_addresses(ends) })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
