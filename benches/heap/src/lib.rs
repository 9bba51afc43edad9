//! Counts what is allocated, while somebody wants to know: at all other times it costs one load.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
/// Bytes that all threads hold more than when counting began, and the most that it was.
static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
thread_local! { static HERE: Cell<usize> = const { Cell::new(0) }; }

#[global_allocator]
static HEAP: Counting = Counting;

// SAFETY: it hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            let _ = HERE.try_with(|here| here.set(here.get() + 1));
            let size = layout.size() as isize;
            PEAK.fetch_max(HELD.fetch_add(size, Relaxed) + size, Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTS.load(Relaxed) {
            HELD.fetch_sub(layout.size() as isize, Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What a piece of work took.
pub struct Taken {
    /// How often the thread of the caller has allocated.
    pub allocations: usize,
    /// Bytes that all threads hold at the end beyond those of the beginning.
    pub held: usize,
    /// Bytes that they held at most beyond those of the beginning.
    pub peak: usize,
}

/// What `run` takes. One at a time.
pub fn taken(run: impl FnOnce()) -> Taken {
    HELD.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    let before = HERE.get();
    COUNTS.store(true, Relaxed);
    run();
    COUNTS.store(false, Relaxed);
    let bytes = |bytes: &AtomicIsize| usize::try_from(bytes.load(Relaxed)).unwrap_or(0);
    Taken { allocations: HERE.get() - before, held: bytes(&HELD), peak: bytes(&PEAK) }
}
