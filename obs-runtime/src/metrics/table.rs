//! Finding the series of open labels without a lock: a table that only grows, of which each thread keeps the newest.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::metrics::hash::{hash, same};
use crate::metrics::label::Key;
use crate::metrics::lanes::Place;

/// One series, as it is found.
pub(crate) struct Row {
    hash: u64,
    /// The texts of the labels, one after the other, and where each one ends.
    text: Box<[u8]>,
    ends: Box<[usize]>,
    /// Whether it was removed: then it is passed over, also in the tables of threads that do not know yet.
    gone: AtomicBool,
    pub(crate) place: Option<Place>,
    /// The series, of any labels and cells.
    pub(crate) series: Arc<dyn Any + Send + Sync>,
}

/// Open addressing, at most three quarters full, rows that are gone among them.
struct Table {
    version: u64,
    slots: Box<[OnceLock<Arc<Row>>]>,
}

/// The table of one metric.
pub(crate) struct Finder {
    /// Where each thread keeps the table.
    at: usize,
    version: AtomicU64,
    newest: Mutex<Newest>,
}

struct Newest {
    table: Arc<Table>,
    /// How many slots are taken.
    taken: usize,
}

/// The tables that a thread keeps. Those of other metrics that had the same number before differ in their version.
type Kept = Vec<Option<Arc<Table>>>;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Vec::new()) };
}

/// The numbers that are free again, and the first that never was taken.
static NUMBERS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

impl Row {
    fn new(key: &Key, place: Option<Place>, series: Arc<dyn Any + Send + Sync>) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for part in key.texts() {
            text.extend_from_slice(part.as_bytes());
            ends.push(text.len());
        }
        let (text, ends) = (text.into_boxed_slice(), ends.into_boxed_slice());
        Row { hash: hash(key.texts()), text, ends, gone: AtomicBool::new(false), place, series }
    }

    #[inline]
    fn is(&self, texts: &[&str]) -> bool {
        let mut start = 0;
        self.ends.len() == texts.len()
            && self.ends.iter().zip(texts).all(|(end, text)| {
                let own = self.text.get(start..*end).unwrap_or_default();
                start = *end;
                same(own, text.as_bytes())
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
        let table = Arc::new(Table::new(8));
        Finder { at, version: AtomicU64::new(table.version), newest: Mutex::new(Newest { table, taken: 0 }) }
    }

    /// The series of the labels with these texts, as `found` wants it.
    #[inline]
    pub(crate) fn find<R>(&self, texts: &[&str], found: impl Fn(&Row) -> R) -> Option<R> {
        let hash = hash(texts.iter().copied());
        let here = KEPT.try_with(|kept| {
            let mut kept = kept.try_borrow_mut().ok()?;
            let table = match kept.get(self.at) {
                Some(Some(table)) if table.version == self.version.load(Acquire) => table,
                _ => self.keep(&mut kept),
            };
            Some(table.find(texts, hash).map(|row| found(row)))
        });
        match here {
            Ok(Some(found)) => found,
            // The thread ends, or labels go away with a table that nobody keeps any more.
            _ => {
                let table = Arc::clone(&lock(&self.newest).table);
                table.find(texts, hash).map(|row| found(row))
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn keep<'a>(&self, kept: &'a mut Kept) -> &'a Arc<Table> {
        if kept.len() <= self.at {
            kept.resize_with(self.at + 1, || None);
        }
        let newest = Arc::clone(&lock(&self.newest).table);
        kept[self.at].insert(newest)
    }

    /// Adds a series. It is not there yet: the caller holds what makes that so.
    pub(crate) fn insert(&self, key: &Key, place: Option<Place>, series: Arc<dyn Any + Send + Sync>) {
        let mut newest = lock(&self.newest);
        if (newest.taken + 1) * 4 > newest.table.slots.len() * 3 {
            *newest = newest.table.grown();
            self.version.store(newest.table.version, Release);
        }
        newest.table.insert(Arc::new(Row::new(key, place, series)));
        newest.taken += 1;
    }

    /// Takes the series of `key` away.
    pub(crate) fn remove(&self, key: &Key) {
        let texts: Vec<&str> = key.texts().collect();
        let newest = lock(&self.newest);
        if let Some(row) = newest.table.find(&texts, hash(key.texts())) {
            row.gone.store(true, Release);
        }
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        lock(&NUMBERS).0.push(self.at);
    }
}

impl Table {
    fn new(slots: usize) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(0);
        Table { version: VERSIONS.fetch_add(1, Relaxed), slots: (0..slots).map(|_| OnceLock::new()).collect() }
    }

    /// The slots in the order in which `hash` is looked for.
    #[inline]
    fn probe(&self, hash: u64) -> impl Iterator<Item = &OnceLock<Arc<Row>>> {
        let mask = self.slots.len() - 1;
        (0..self.slots.len()).filter_map(move |step| self.slots.get((hash as usize).wrapping_add(step) & mask))
    }

    #[inline]
    fn find(&self, texts: &[&str], hash: u64) -> Option<&Arc<Row>> {
        for slot in self.probe(hash) {
            let row = slot.get()?;
            if row.hash == hash && row.is(texts) && !row.gone.load(Acquire) {
                return Some(row);
            }
        }
        None
    }

    fn insert(&self, row: Arc<Row>) {
        let mut row = Some(row);
        for slot in self.probe(row.as_ref().map_or(0, |row| row.hash)) {
            match row.take() {
                Some(this) => row = slot.set(this).err(),
                None => return,
            }
        }
    }

    /// A table with room for as many again, without the rows that are gone.
    fn grown(&self) -> Newest {
        let here = self.slots.iter().filter_map(OnceLock::get).filter(|row| !row.gone.load(Relaxed));
        let rows: Vec<_> = here.cloned().collect();
        let taken = rows.len();
        let table = Table::new((taken * 2 + 2).next_power_of_two().max(8));
        rows.into_iter().for_each(|row| table.insert(row));
        Newest { table: Arc::new(table), taken }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
