//! Where records lie that `tracing`, or another thread, has to find: one table for the process.
//!
//! An id is a generation (44 bits) over an index (20 bits). A record is in its slot from `insert` until the last `release`. The
//! generation moves on before an index is used again, and is compared under the slot's lock: an id used after its span has
//! closed finds nothing. No code of the user's runs in here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::engine::record::Record;

const INDEX_BITS: u32 = 20;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
const PAGE: usize = 1024;
const PAGES: usize = 1 << (INDEX_BITS - PAGE.trailing_zeros());
/// How many free slots a thread takes from, and gives back to, the others at once.
const BATCH: usize = 32;

/// A slot, on cache lines of its own.
#[repr(align(64))]
struct Slot {
    /// The generation, as it stands in ids, over the number of references.
    state: AtomicU64,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    /// The id that was handed out.
    id: u64,
    record: Option<Box<Record>>,
}

static TABLE: [OnceLock<Box<[Slot]>>; PAGES] = [const { OnceLock::new() }; PAGES];
static FREE: Mutex<Free> = Mutex::new(Free { indices: Vec::new(), pages: 0 });

struct Free {
    indices: Vec<u32>,
    pages: usize,
}

/// A thread's own free slots; the others get them when it ends.
#[derive(Default)]
pub(crate) struct Cache(Vec<u32>);

impl Cache {
    pub(crate) const fn new() -> Self {
        Cache(Vec::new())
    }

    fn take(&mut self) -> Option<u32> {
        self.0.pop().or_else(|| self.refill())
    }

    #[cold]
    fn refill(&mut self) -> Option<u32> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.indices.is_empty() {
            let page = free.pages;
            let slots = || (0..PAGE).map(|_| Slot { state: AtomicU64::new(0), content: Mutex::default() }).collect();
            TABLE.get(page)?.get_or_init(slots);
            free.pages += 1;
            let first = (page * PAGE) as u32;
            // Index 0 of the first page stays unused: with generation 0 it would be the id 0.
            free.indices.extend((first.max(1)..first + PAGE as u32).rev());
        }
        let at = free.indices.len().saturating_sub(BATCH);
        self.0.extend(free.indices.drain(at..));
        self.0.pop()
    }

    fn give(&mut self, index: u32) {
        self.0.push(index);
        if self.0.len() > 2 * BATCH {
            self.give_back(BATCH);
        }
    }

    #[cold]
    fn give_back(&mut self, keep: usize) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.indices.extend(self.0.drain(keep..));
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            self.give_back(0);
        }
    }
}

fn slot(id: u64) -> Option<&'static Slot> {
    let index = (id & INDEX) as usize;
    TABLE.get(index / PAGE)?.get()?.get(index % PAGE)
}

const fn generation(state: u64) -> u64 {
    state >> INDEX_BITS
}

const fn references(state: u64) -> u64 {
    state & INDEX
}

/// Puts a record in a slot, with one reference; gives it back when a million spans are held.
pub(crate) fn insert(cache: &mut Cache, record: Box<Record>) -> Result<u64, Box<Record>> {
    let Some(index) = cache.take() else { return Err(record) };
    let Some(slot) = slot(index.into()) else { return Err(record) };
    let state = slot.state.load(Ordering::Relaxed);
    let id = (generation(state) << INDEX_BITS) | u64::from(index);
    *slot.content.lock().unwrap_or_else(PoisonError::into_inner) = Content { id, record: Some(record) };
    slot.state.store((generation(state) << INDEX_BITS) | 1, Ordering::Release);
    Ok(id)
}

/// Runs `f` on the record of `id`, if that is still open.
#[inline]
pub(crate) fn with<R>(id: u64, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    let mut content = slot(id)?.content.lock().unwrap_or_else(PoisonError::into_inner);
    if content.id != id {
        return None;
    }
    content.record.as_deref_mut().map(f)
}

/// Runs `f` on every open record, one after the other.
pub(crate) fn each(mut f: impl FnMut(&mut Record)) {
    for slot in TABLE.iter().map_while(OnceLock::get).flatten() {
        if references(slot.state.load(Ordering::Relaxed)) > 0 {
            let mut content = slot.content.lock().unwrap_or_else(PoisonError::into_inner);
            content.record.as_deref_mut().into_iter().for_each(&mut f);
        }
    }
}

/// Whether the span of `id` is open.
pub(crate) fn is_open(id: u64) -> bool {
    slot(id).is_some_and(|slot| {
        let state = slot.state.load(Ordering::Acquire);
        generation(state) == generation(id) && references(state) > 0
    })
}

/// One reference more; nothing for an id that is not open.
pub(crate) fn retain(id: u64) -> bool {
    let Some(slot) = slot(id) else { return false };
    slot.state
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let open = generation(state) == generation(id) && references(state) > 0 && references(state) < INDEX;
            open.then_some(state + 1)
        })
        .is_ok()
}

/// One reference less; the record when it was the last.
pub(crate) fn release(cache: &mut Cache, id: u64) -> Option<Box<Record>> {
    let slot = slot(id)?;
    let before = slot
        .state
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (generation(state) == generation(id) && references(state) > 0).then(|| state - 1)
        })
        .ok()?;
    if references(before) != 1 {
        return None;
    }
    let record = {
        let mut content = slot.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.id = 0;
        content.record.take()
    };
    // A new generation, before the index can be taken again.
    slot.state.store((generation(id) + 1) << INDEX_BITS, Ordering::Release);
    cache.give((id & INDEX) as u32);
    record
}

#[cfg(test)]
mod tests {
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
