//! The table itself, over anything that may lie in it.
//!
//! An id is a generation (44 bits) over an index (20 bits). A record is in its slot from `insert` until the last `release`. The
//! generation moves on before an index is used again, and is compared under the slot's lock: an id used after its span has
//! closed finds nothing. No code of the user's runs in here.
//!
//! What it stands on, and its sizes, come from the module around: `tests/model` puts this file on loom's atomics and locks.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::{AtomicU64, BATCH, Mutex, PAGE, PAGES, PoisonError};

pub(super) const INDEX_BITS: u32 = 20;
pub(super) const INDEX: u64 = (1 << INDEX_BITS) - 1;

/// A slot, on cache lines of its own.
#[repr(align(64))]
pub(super) struct Slot<T> {
    /// The generation, as it stands in ids, over the number of references.
    pub(super) state: AtomicU64,
    content: Mutex<Content<T>>,
}

struct Content<T> {
    /// The id that was handed out.
    id: u64,
    record: Option<Box<T>>,
}

pub(super) struct Table<T> {
    pub(super) pages: [OnceLock<Box<[Slot<T>]>>; PAGES],
    pub(super) free: Mutex<Free>,
}

/// The slots that no thread has in its cache.
pub(super) struct Free {
    pub(super) indices: Vec<u32>,
    /// How many pages are made.
    pub(super) pages: usize,
}

const fn generation(state: u64) -> u64 {
    state >> INDEX_BITS
}

const fn references(state: u64) -> u64 {
    state & INDEX
}

impl<T> Slot<T> {
    fn empty() -> Self {
        Slot { state: AtomicU64::new(0), content: Mutex::new(Content { id: 0, record: None }) }
    }
}

impl<T> Table<T> {
    fn take(&self, cache: &mut Vec<u32>) -> Option<u32> {
        cache.pop().or_else(|| self.refill(cache))
    }

    #[cold]
    fn refill(&self, cache: &mut Vec<u32>) -> Option<u32> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.indices.is_empty() {
            let page = free.pages;
            self.pages.get(page)?.get_or_init(|| (0..PAGE).map(|_| Slot::empty()).collect());
            free.pages += 1;
            let first = (page * PAGE) as u32;
            // Index 0 of the first page stays unused: with generation 0 it would be the id 0.
            free.indices.extend((first.max(1)..first + PAGE as u32).rev());
        }
        let at = free.indices.len().saturating_sub(BATCH);
        cache.extend(free.indices.drain(at..));
        cache.pop()
    }

    fn give(&self, cache: &mut Vec<u32>, index: u32) {
        cache.push(index);
        if cache.len() > 2 * BATCH {
            self.give_back(cache, BATCH);
        }
    }

    /// Gives free slots to the others, but for so many.
    #[cold]
    pub(super) fn give_back(&self, cache: &mut Vec<u32>, keep: usize) {
        if cache.len() > keep {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.indices.extend(cache.drain(keep..));
        }
    }

    #[inline]
    pub(super) fn slot(&self, id: u64) -> Option<&Slot<T>> {
        let index = (id & INDEX) as usize;
        self.pages.get(index / PAGE)?.get()?.get(index % PAGE)
    }

    pub(super) fn insert(&self, cache: &mut Vec<u32>, record: Box<T>) -> Result<u64, Box<T>> {
        let Some(index) = self.take(cache) else { return Err(record) };
        let Some(slot) = self.slot(index.into()) else { return Err(record) };
        let state = slot.state.load(Ordering::Relaxed);
        let id = (generation(state) << INDEX_BITS) | u64::from(index);
        *slot.content.lock().unwrap_or_else(PoisonError::into_inner) = Content { id, record: Some(record) };
        slot.state.store((generation(state) << INDEX_BITS) | 1, Ordering::Release);
        Ok(id)
    }

    #[inline]
    pub(super) fn with<R>(&self, id: u64, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut content = self.slot(id)?.content.lock().unwrap_or_else(PoisonError::into_inner);
        if content.id != id {
            return None;
        }
        content.record.as_deref_mut().map(f)
    }

    pub(super) fn each(&self, mut f: impl FnMut(&mut T)) {
        for slot in self.pages.iter().map_while(OnceLock::get).flatten() {
            if references(slot.state.load(Ordering::Relaxed)) > 0 {
                let mut content = slot.content.lock().unwrap_or_else(PoisonError::into_inner);
                content.record.as_deref_mut().into_iter().for_each(&mut f);
            }
        }
    }

    // Asked by tests and the model alone: whoever looks for a record finds out.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) fn is_open(&self, id: u64) -> bool {
        self.slot(id).is_some_and(|slot| {
            let state = slot.state.load(Ordering::Acquire);
            generation(state) == generation(id) && references(state) > 0
        })
    }

    pub(super) fn retain(&self, id: u64) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        slot.state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                let open = generation(state) == generation(id) && references(state) > 0 && references(state) < INDEX;
                open.then_some(state + 1)
            })
            .is_ok()
    }

    pub(super) fn release(&self, cache: &mut Vec<u32>, id: u64) -> Option<Box<T>> {
        let slot = self.slot(id)?;
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
        self.give(cache, (id & INDEX) as u32);
        record
    }
}
