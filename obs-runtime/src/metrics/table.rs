//! Finding the series of open labels without a lock: a table that only grows, of which each thread keeps the newest.

use std::any::Any;
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::metrics::label::{Key, LabelSet, LabelVisitor};
use crate::metrics::lanes::Place;

/// One series, as it is found.
pub(crate) struct Row {
    hash: u64,
    pub(crate) key: Key,
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

/// What a thread keeps. The tables of other metrics that had the same number before differ in their version.
struct Kept {
    visitor: LabelVisitor,
    tables: Vec<Option<Arc<Table>>>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { visitor: LabelVisitor::of_keys(), tables: Vec::new() }) };
}

/// The numbers that are free again, and the first that never was taken.
static NUMBERS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u64));

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

    /// The series of `labels`, as `found` wants it.
    #[inline]
    pub(crate) fn find<R>(&self, labels: &impl LabelSet, found: impl Fn(&Row) -> R) -> Option<R> {
        let here = KEPT.try_with(|kept| {
            let Kept { visitor, tables } = &mut *kept.try_borrow_mut().ok()?;
            let key = visitor.key_of(labels);
            let newest = tables.get(self.at).and_then(Option::as_ref);
            let table = match newest {
                Some(table) if table.version == self.version.load(Acquire) => table,
                _ => self.keep(tables),
            };
            Some(table.find(key, key.hash(*SEED)).map(|row| found(row)))
        });
        match here {
            Ok(Some(found)) => found,
            // The thread ends, or this runs inside the text of a label.
            _ => self.find_key(&LabelVisitor::key(labels)).map(|row| found(&row)),
        }
    }

    #[cold]
    fn keep<'a>(&self, tables: &'a mut Vec<Option<Arc<Table>>>) -> &'a Arc<Table> {
        if tables.len() <= self.at {
            tables.resize_with(self.at + 1, || None);
        }
        let newest = Arc::clone(&lock(&self.newest).table);
        tables[self.at].insert(newest)
    }

    /// The series of `key`.
    pub(crate) fn find_key(&self, key: &Key) -> Option<Arc<Row>> {
        let table = Arc::clone(&lock(&self.newest).table);
        table.find(key, key.hash(*SEED)).cloned()
    }

    /// Adds a series. It is not there yet: the caller holds what makes that so.
    pub(crate) fn insert(&self, key: Key, place: Option<Place>, series: Arc<dyn Any + Send + Sync>) {
        let row = Row { hash: key.hash(*SEED), key: key.shrunk(), gone: AtomicBool::new(false), place, series };
        let mut newest = lock(&self.newest);
        if (newest.taken + 1) * 4 > newest.table.slots.len() * 3 {
            *newest = newest.table.grown();
            self.version.store(newest.table.version, Release);
        }
        newest.table.insert(Arc::new(row));
        newest.taken += 1;
    }

    /// Takes the series of `key` away.
    pub(crate) fn remove(&self, key: &Key) {
        let newest = lock(&self.newest);
        if let Some(row) = newest.table.find(key, key.hash(*SEED)) {
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
    fn find(&self, key: &Key, hash: u64) -> Option<&Arc<Row>> {
        for slot in self.probe(hash) {
            let row = slot.get()?;
            if row.hash == hash && row.key == *key && !row.gone.load(Acquire) {
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
