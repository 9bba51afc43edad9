//! Finding the series of open labels without a lock: a table that only grows, of which each thread keeps the newest.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::select_unpredictable;
use std::ptr;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::metrics::hash::{Ends, Seed, hash_of_addresses};
use crate::metrics::label::{Key, MOST};
use crate::metrics::lanes::Place;

/// What the mark of a series says that has no place.
pub(crate) const THERE: u64 = 1;

/// One series, as it is found.
pub(crate) struct Row {
    /// The place of its numbers, packed, or [`THERE`]; 0 once it was removed: then it is passed over, also in the tables of
    /// threads that do not know yet.
    mark: AtomicU64,
    told: Told,
    /// The series, of any labels and cells.
    pub(crate) series: Arc<dyn Any + Send + Sync>,
}

/// What a series is told by.
enum Told {
    /// Its texts: their ends, and the rest of them, one after the other.
    Texts(Box<[Ends]>, Box<[[u8; 16]]>),
    /// Where its texts are, and will be as long as the program runs.
    Addresses(Box<[&'static str]>),
}

/// A series that is looked for. A type for each way, so that each way is compiled for itself.
trait Wanted {
    /// Whether the rest of the search is so quick that one mispredicted branch weighs much.
    const QUICK: bool;

    fn hash(&self) -> u64;

    fn is(&self, told: &Told) -> bool;
}

struct ByTexts<'a> {
    texts: &'a [&'a str],
    ends: &'a [Ends],
    hash: u64,
}

struct ByAddresses<'a>(&'a [&'static str]);

struct Slot {
    /// 0 while nothing is here: most of those that are passed on the way are told by it alone.
    hash: AtomicU64,
    row: OnceLock<Arc<Row>>,
}

/// Open addressing, at most half full, rows that are gone among them: a second step is mispredicted.
#[derive(Clone)]
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
    /// By the address of a row that is told by texts, the row of the same series that is told by their addresses.
    twins: HashMap<usize, Arc<Row>>,
}

/// The tables that a thread keeps. Those of other metrics that had the same number before differ in their version.
type Kept = Vec<Option<Table>>;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Vec::new()) };
}

/// The numbers that are free again, and the first that never was taken.
static NUMBERS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

impl Row {
    fn new(told: Told, place: Option<Place>, series: Arc<dyn Any + Send + Sync>) -> Arc<Self> {
        Arc::new(Row { mark: AtomicU64::new(place.map_or(THERE, Place::pack)), told, series })
    }
}

impl Wanted for ByTexts<'_> {
    const QUICK: bool = false;

    #[inline(always)]
    fn hash(&self) -> u64 {
        self.hash
    }

    #[inline(always)]
    fn is(&self, told: &Told) -> bool {
        let Told::Texts(ends, rest) = told else { return false };
        ends.len() == self.ends.len()
            && ends.iter().zip(self.ends).all(|(own, ends)| own.same(ends))
            && (rest.is_empty() || self.is_rest(rest))
    }
}

impl ByTexts<'_> {
    fn told(&self) -> Told {
        let rest = self.texts.iter().zip(self.ends).flat_map(|(text, ends)| ends.rest(text));
        Told::Texts(self.ends.into(), rest.copied().collect())
    }

    /// Whether the rest is the same, where the lengths are already. Sixteen bytes at a time: a call of `memcmp` may cost more than
    /// all else here.
    #[inline(always)]
    fn is_rest(&self, rest: &[[u8; 16]]) -> bool {
        let mut rest = rest.iter();
        let mut texts = self.texts.iter().zip(self.ends);
        texts.all(|(text, ends)| ends.rest(text).iter().all(|sixteen| rest.next() == Some(sixteen)))
    }
}

impl Wanted for ByAddresses<'_> {
    const QUICK: bool = true;

    #[inline(always)]
    fn hash(&self) -> u64 {
        hash_of_addresses(self.0)
    }

    #[inline(always)]
    fn is(&self, told: &Told) -> bool {
        let Told::Addresses(texts) = told else { return false };
        texts.len() == self.0.len() && texts.iter().zip(self.0).all(|(own, text)| ptr::eq(*own, *text))
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
    pub(crate) fn find<R>(&self, texts: &[&str], found: fn(u64, &Row) -> Option<R>) -> Option<R> {
        self.want(texts, |wanted| self.find_here(wanted, found))
    }

    /// The same, by where the texts are. It may be that nothing is found here, and something by the texts themselves.
    #[inline(always)]
    pub(crate) fn find_at<R>(&self, texts: &[&'static str], found: fn(u64, &Row) -> Option<R>) -> Option<R> {
        self.find_here(&ByAddresses(texts), found)
    }

    #[inline(always)]
    fn find_here<R, W: Wanted>(&self, wanted: &W, found: fn(u64, &Row) -> Option<R>) -> Option<R> {
        KEPT.try_with(|kept| {
            let kept = kept.try_borrow().ok()?;
            let table = kept.get(self.at)?.as_ref()?;
            if table.version != self.version.load(Acquire) {
                return None;
            }
            let row = if W::QUICK { table.find_soon(wanted) } else { None };
            row.or_else(|| table.find(wanted)).and_then(|(mark, row)| found(mark, row))
        })
        .ok()?
    }

    /// The same of the newest table, which this thread keeps from now on, unless it ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_anew<R>(&self, texts: &[&str], found: fn(u64, &Row) -> Option<R>) -> Option<R> {
        let newest = lock(&self.newest).table.clone();
        let found = self.want(texts, |wanted| newest.find(wanted).and_then(|(mark, row)| found(mark, row)));
        let before = KEPT.try_with(|kept| {
            let mut kept = kept.try_borrow_mut().ok()?;
            if kept.len() <= self.at {
                kept.resize_with(self.at + 1, || None);
            }
            kept[self.at].replace(newest)
        });
        // Labels may go with it, whose end is anybody's code: nothing is borrowed any more.
        drop(before);
        found
    }

    #[inline(always)]
    fn want<R>(&self, texts: &[&str], search: impl FnOnce(&ByTexts<'_>) -> Option<R>) -> Option<R> {
        let mut ends = [Ends::default(); MOST];
        let ends = ends.get_mut(..texts.len())?;
        ends.iter_mut().zip(texts).for_each(|(ends, text)| *ends = Ends::of(text));
        search(&ByTexts { texts, ends, hash: self.seed.hash(texts, ends) })
    }

    /// Adds a series. It is not there yet: the caller holds what makes that so.
    pub(crate) fn insert(&self, key: &Key, place: Option<Place>, series: Arc<dyn Any + Send + Sync>) {
        let texts: Vec<&str> = key.texts().collect();
        self.want(&texts, |wanted| {
            let row = Row::new(wanted.told(), place, Arc::clone(&series));
            let mut newest = lock(&self.newest);
            if let Some(texts) = key.lasting() {
                let twin = Row::new(Told::Addresses(texts.into()), place, series);
                newest.twins.insert(Arc::as_ptr(&row).addr(), Arc::clone(&twin));
                self.put(&mut newest, hash_of_addresses(texts), twin);
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
            let (_, row) = table.find(wanted)?;
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

impl Slot {
    /// The row that is here, if it is this one and not gone, with what its mark says.
    #[inline(always)]
    fn row(&self, wanted: &impl Wanted) -> Option<(u64, &Row)> {
        let row = &**self.row.get()?;
        let mark = row.mark.load(Acquire);
        (mark != 0 && wanted.is(&row.told)).then_some((mark, row))
    }
}

impl Table {
    fn new(slots: usize) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(0);
        let slots = (0..slots).map(|_| Slot { hash: AtomicU64::new(0), row: OnceLock::new() }).collect();
        Table { version: VERSIONS.fetch_add(1, Relaxed), slots }
    }

    /// The slots in the order in which `hash` is looked for.
    #[inline(always)]
    fn probe(&self, hash: u64) -> impl Iterator<Item = &Slot> {
        (0..self.slots.len()).filter_map(move |step| self.slot(hash, step))
    }

    #[inline(always)]
    fn slot(&self, hash: u64, step: usize) -> Option<&Slot> {
        self.slots.get((hash as usize).wrapping_add(step) & (self.slots.len() - 1))
    }

    /// The row, with what its mark says, if it is in one of the first two slots. Which of them cannot be foretold, so there is no
    /// branch between them.
    #[inline(always)]
    fn find_soon(&self, wanted: &impl Wanted) -> Option<(u64, &Row)> {
        let hash = wanted.hash();
        let (first, second) = (self.slot(hash, 0)?, self.slot(hash, 1)?);
        let slot = select_unpredictable(second.hash.load(Acquire) == hash, second, first);
        if slot.hash.load(Acquire) == hash { slot.row(wanted) } else { None }
    }

    /// The row, with what its mark says.
    #[inline(always)]
    fn find(&self, wanted: &impl Wanted) -> Option<(u64, &Row)> {
        let hash = wanted.hash();
        for slot in self.probe(hash) {
            match slot.hash.load(Acquire) {
                0 => return None,
                here if here == hash => {
                    if let Some(found) = slot.row(wanted) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Puts a row into the first slot that is free. The caller holds the lock of the newest table.
    fn insert(&self, hash: u64, row: Arc<Row>) {
        if let Some(slot) = self.probe(hash).find(|slot| slot.hash.load(Relaxed) == 0) {
            let _ = slot.row.set(row);
            slot.hash.store(hash, Release);
        }
    }
}

impl Newest {
    /// Takes a table with room for as many again, without the rows that are gone.
    fn grow(&mut self) {
        let slots = self.table.slots.iter();
        let rows = slots.filter_map(|slot| Some((slot.hash.load(Relaxed), slot.row.get()?)));
        let rows: Vec<_> = rows.filter(|(_, row)| row.mark.load(Relaxed) != 0).collect();
        let table = Table::new((rows.len() * 4).next_power_of_two().max(8));
        rows.iter().for_each(|(hash, row)| table.insert(*hash, Arc::clone(row)));
        self.taken = rows.len();
        self.table = table;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
