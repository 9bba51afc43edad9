//! Counts what is allocated, while somebody wants to know.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
thread_local! { static HERE: Cell<usize> = const { Cell::new(0) }; }

#[global_allocator]
static HEAP: Counting = Counting;

// SAFETY: it hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            let _ = HERE.try_with(|here| here.set(here.get() + 1));
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often `run` allocates on this thread.
pub fn allocations(run: impl FnOnce()) -> usize {
    let before = HERE.get();
    COUNTS.store(true, Relaxed);
    run();
    COUNTS.store(false, Relaxed);
    HERE.get() - before
}
