//! What each thread keeps for itself: its stack, and things to use again.

use std::cell::{Cell, RefCell};

use tracing::Metadata;

use crate::engine::fields::List;
use crate::engine::record::Record;
use crate::engine::slots::{self, Cache};
use crate::engine::stack::Frame;
use crate::engine::visit::EventVisitor;
use crate::log::Origin;
use crate::loss::{Reason, Signal, lost};

/// Records that wait to be used again.
const POOLED: usize = 64;

/// A buffer beyond this is given back.
const LARGEST_KEPT: usize = 64 * 1024;

pub(crate) struct Local {
    pub(crate) stack: RefCell<Vec<Frame>>,
    // Boxes, as that is what moves: between pool, stack, call and slot.
    #[allow(clippy::vec_box)]
    pool: RefCell<Vec<Box<Record>>>,
    slots: RefCell<Cache>,
    scratch: Cell<Option<Box<Scratch>>>,
    /// By the address of the metadata, which live for ever: each in the one place that its address chooses.
    origins: RefCell<Vec<Option<(usize, Origin)>>>,
}

/// How many origins a thread keeps.
const ORIGINS: usize = 64;

thread_local! {
    static LOCAL: Local = const {
        Local {
            stack: RefCell::new(Vec::new()),
            pool: RefCell::new(Vec::new()),
            slots: RefCell::new(Cache::new()),
            scratch: Cell::new(None),
            origins: RefCell::new(Vec::new()),
        }
    };
}

/// Runs `f` on what this thread keeps; nothing where that is gone, because the thread is ending.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
    match LOCAL.try_with(f) {
        Ok(result) => Some(result),
        Err(_) => {
            lost(Signal::Spans, Reason::ThreadEnding, 1);
            None
        }
    }
}

/// Runs `f` on this thread's stack; nothing where it is in use, by an allocator or a signal handler that logs.
#[inline]
pub(crate) fn with_stack<R>(f: impl FnOnce(&mut Vec<Frame>) -> R) -> Option<R> {
    with(|local| match local.stack.try_borrow_mut() {
        Ok(mut stack) => Some(f(&mut stack)),
        Err(_) => {
            lost(Signal::Spans, Reason::ThreadEnding, 1);
            None
        }
    })
    .flatten()
}

/// A record as good as new.
#[inline]
pub(crate) fn fresh() -> Box<Record> {
    with(|local| local.pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop())).flatten().unwrap_or_default()
}

/// Keeps a record for the next span.
pub(crate) fn recycle(mut record: Box<Record>) {
    // What it drops may be the user's code (a foreign subscriber's span): before anything is borrowed.
    record.reset();
    with(|local| {
        if let Ok(mut pool) = local.pool.try_borrow_mut()
            && pool.len() < POOLED
        {
            pool.push(record);
        }
    });
}

/// Puts a record in a slot, with one reference.
pub(crate) fn insert(record: Box<Record>) -> Result<u64, Box<Record>> {
    let mut record = Some(record);
    let inserted = with(|local| {
        let mut slots = local.slots.try_borrow_mut().ok()?;
        Some(slots::insert(&mut slots, record.take()?))
    });
    match (inserted.flatten(), record) {
        (Some(result), _) => result,
        // The thread has no slots of its own any more: straight to the table.
        (None, Some(record)) => slots::insert(&mut Cache::new(), record),
        (None, None) => Err(Box::default()),
    }
}

/// One reference to a slot less; the record when it was the last.
pub(crate) fn release(id: u64) -> Option<Box<Record>> {
    match with(|local| local.slots.try_borrow_mut().ok().map(|mut slots| slots::release(&mut slots, id))).flatten() {
        Some(record) => record,
        None => slots::release(&mut Cache::new(), id),
    }
}

/// What an event is rendered in.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) event: EventVisitor,
    pub(crate) line: Vec<u8>,
}

/// Runs `f` on empty buffers for an event. An event within an event (a `Display` that logs) gets some of its own.
#[inline]
pub(crate) fn with_scratch<R>(f: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = with(|local| local.scratch.take()).flatten().unwrap_or_default();
    let result = f(&mut scratch);
    scratch.event.clear();
    scratch.line.clear();
    if scratch.line.capacity() <= LARGEST_KEPT {
        with(|local| local.scratch.set(Some(scratch)));
    }
    result
}

/// Runs `f` on an empty list of fields. A list within a list (a `Display` that records) gets one of its own.
#[inline]
pub(crate) fn with_list<R>(f: impl FnOnce(&mut List) -> R) -> R {
    with_scratch(|scratch| f(&mut scratch.event.fields))
}

/// Runs `f` on the origin of the lines of this callsite.
#[inline]
pub(crate) fn with_origin(meta: &'static Metadata<'static>, f: impl FnOnce(&Origin)) {
    let mut f = Some(f);
    with(|local| {
        let Ok(mut origins) = local.origins.try_borrow_mut() else { return };
        if origins.is_empty() {
            origins.resize_with(ORIGINS, || None);
        }
        let address = std::ptr::from_ref(meta).addr();
        let place = &mut origins[address / align_of::<Metadata<'_>>() % ORIGINS];
        if place.as_ref().is_none_or(|(own, _)| *own != address) {
            *place = Some((address, Origin::of(meta)));
        }
        if let (Some((_, origin)), Some(f)) = (place, f.take()) {
            f(origin);
        }
    });
    if let Some(f) = f {
        f(&Origin::of(meta));
    }
}
