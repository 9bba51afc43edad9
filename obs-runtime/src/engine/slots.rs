//! Where records lie that `tracing`, or another thread, has to find: one table for the process.

mod table;

use std::sync::{Mutex, OnceLock, PoisonError, atomic::AtomicU64};

use self::table::{Free, Table};
use crate::engine::record::Record;

/// How many slots are made at once.
const PAGE: usize = 1024;
const PAGES: usize = 1024;
/// How many free slots a thread takes from, and gives back to, the others at once.
const BATCH: usize = 32;

static TABLE: Table<Record> =
    Table { pages: [const { OnceLock::new() }; PAGES], free: Mutex::new(Free { indices: Vec::new(), pages: 0 }) };

/// A thread's own free slots; the others get them when it ends.
#[derive(Default)]
pub(crate) struct Cache(Vec<u32>);

impl Cache {
    pub(crate) const fn new() -> Self {
        Cache(Vec::new())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        TABLE.give_back(&mut self.0, 0);
    }
}

/// Puts a record in a slot, with one reference; gives it back when a million spans are held.
pub(crate) fn insert(cache: &mut Cache, record: Box<Record>) -> Result<u64, Box<Record>> {
    TABLE.insert(&mut cache.0, record)
}

/// Runs `f` on the record of `id`, if that is still open.
#[inline]
pub(crate) fn with<R>(id: u64, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    TABLE.with(id, f)
}

/// Runs `f` on every open record, one after the other.
pub(crate) fn each(f: impl FnMut(&mut Record)) {
    TABLE.each(f);
}

/// Whether the span of `id` is open.
#[cfg(test)]
pub(crate) fn is_open(id: u64) -> bool {
    TABLE.is_open(id)
}

/// One reference more; nothing for an id that is not open.
pub(crate) fn retain(id: u64) -> bool {
    TABLE.retain(id)
}

/// One reference less; the record when it was the last.
pub(crate) fn release(cache: &mut Cache, id: u64) -> Option<Box<Record>> {
    TABLE.release(&mut cache.0, id)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::table::{INDEX, INDEX_BITS};
    use super::*;

    fn record(key: u64) -> Box<Record> {
        let mut record = Box::<Record>::default();
        record.key = key;
        record
    }

    #[test]
    fn an_id_used_after_the_last_release_finds_nothing_even_when_its_slot_is_used_again() {
        let mut cache = Cache::new();
        let old = insert(&mut cache, record(1)).ok().expect("a slot");
        assert!(retain(old));
        assert!(release(&mut cache, old).is_none(), "one reference is left");
        assert_eq!(release(&mut cache, old).expect("the last reference").key, 1);
        let new = insert(&mut cache, record(2)).ok().expect("a slot");
        assert_eq!(new & INDEX, old & INDEX, "the same slot");
        assert!(!is_open(old));
        assert!(!retain(old));
        assert_eq!(with(old, |record| record.key), None);
        assert!(release(&mut cache, old).is_none());
        assert_eq!(with(new, |record| record.key), Some(2));
        assert_eq!(release(&mut cache, new).expect("the last reference").key, 2);
    }

    #[test]
    fn ids_that_were_never_handed_out_find_nothing() {
        for id in [0, 1, INDEX, u64::MAX, 7 << INDEX_BITS] {
            assert_eq!(with(id, |record| record.key), None, "{id}");
        }
    }

    #[test]
    fn the_generation_begins_anew_after_its_last() {
        let mut cache = Cache::new();
        let id = insert(&mut cache, record(1)).ok().expect("a slot");
        release(&mut cache, id);
        let last = !INDEX;
        TABLE.slot(id).expect("it is there").state.store(last, Ordering::Relaxed);
        let id = insert(&mut cache, record(2)).ok().expect("a slot");
        assert_eq!(id & !INDEX, last);
        assert_eq!(release(&mut cache, id).expect("the last reference").key, 2);
        let first = insert(&mut cache, record(3)).ok().expect("a slot");
        assert_eq!(first & !INDEX, 0);
        assert_eq!(with(id, |record| record.key), None);
        assert_eq!(release(&mut cache, first).expect("the last reference").key, 3);
    }

    #[test]
    fn stale_ids_on_other_threads_never_reach_another_span() {
        let stale: &'static Mutex<Vec<(u64, u64)>> = Box::leak(Box::default());
        let threads: Vec<_> = (1..=4u64)
            .map(|thread| {
                std::thread::spawn(move || {
                    let mut cache = Cache::new();
                    for n in 0..5_000 {
                        let key = thread << 32 | n;
                        let id = insert(&mut cache, record(key)).ok().expect("a slot");
                        assert_eq!(with(id, |record| record.key), Some(key));
                        stale.lock().expect("not poisoned").push((id, key));
                        assert_eq!(release(&mut cache, id).map(|record| record.key), Some(key));
                        let (id, key) = {
                            let stale = stale.lock().expect("not poisoned");
                            stale[(n as usize * 7919) % stale.len()]
                        };
                        // Closed, or still open on its own thread: never somebody else's.
                        assert!(with(id, |record| record.key == key).unwrap_or(true));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
    }
}
