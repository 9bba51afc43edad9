//! Where finished spans wait: several buffers, so that threads do not wait for each other.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::batch::Batch;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;

/// Room is taken from the whole in pieces of this size, so that threads do not meet at every span.
const PIECE: usize = 64 << 10;
/// The exporter is woken up for so much, or for an eighth of the room. Where spans come steadily, it has looked before that.
const WORTH: usize = 1 << 20;
/// A buffer of more than this is given back once it has been exported.
const KEPT: usize = 2 * WORTH;

#[derive(Debug)]
pub(super) struct Shards {
    /// A power of two of them.
    shards: Box<[Shard]>,
    /// The most memory that spans may take which are not exported, in bytes, and how much of it is given out.
    room: usize,
    taken: AtomicUsize,
    piece: usize,
    /// How much of it is given out to spans that wait, and how much of that is worth waking the exporter.
    waiting: AtomicUsize,
    worth: usize,
    /// There was no room, or there are spans worth waking for, since they were last taken away.
    due: AtomicBool,
    /// No more spans are taken.
    closed: AtomicBool,
    /// How many spans were not taken.
    refused: AtomicU64,
}

// Two cache lines, as processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// How much room it has taken from the whole.
    taken: usize,
}

/// What came of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    /// It is taken or refused, and the exporter should wake up.
    Wake,
    Refused,
}

impl Shards {
    pub(super) fn new(room: usize) -> Self {
        let count = std::thread::available_parallelism().map_or(4, |threads| threads.get() * 2).clamp(2, 64);
        let count = count.next_power_of_two();
        Shards {
            shards: (0..count).map(|_| Shard::default()).collect(),
            room,
            taken: AtomicUsize::new(0),
            piece: PIECE.min(room / 64).max(1),
            waiting: AtomicUsize::new(0),
            worth: WORTH.min(room / 8),
            due: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }
    }

    /// Puts a span of so many bytes, which `push` writes. It never waits: without room the span is dropped and counted.
    #[inline]
    pub(super) fn offer(&self, bytes: usize, push: impl FnOnce(&mut Batch)) -> Offered {
        let Some(mut waiting) = self.unlocked() else { return self.refuse(Reason::QueueFull) };
        // Looked at inside the lock: who closes, and takes the lock after that, has seen all spans.
        if self.closed.load(Relaxed) {
            return self.refuse(Reason::Shutdown);
        }
        let is_short = waiting.batch.bytes() + bytes > waiting.taken;
        if is_short && !self.take(&mut waiting, bytes) {
            drop(waiting);
            self.refuse(Reason::QueueFull);
            return self.wake(Offered::Refused);
        }
        push(&mut waiting.batch);
        let is_worth = is_short && self.waiting.load(Relaxed) >= self.worth;
        if is_worth { self.wake(Offered::Taken) } else { Offered::Taken }
    }

    #[cold]
    fn wake(&self, otherwise: Offered) -> Offered {
        if self.due.swap(true, Relaxed) { otherwise } else { Offered::Wake }
    }

    /// Whether the exporter should not wait any longer.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Relaxed) || self.is_closed()
    }

    /// Takes room for so many bytes more.
    #[cold]
    fn take(&self, waiting: &mut Waiting, bytes: usize) -> bool {
        let needed = waiting.batch.bytes() + bytes - waiting.taken;
        for more in [needed.next_multiple_of(self.piece), needed] {
            let fits = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= self.room);
            if self.taken.fetch_update(Relaxed, Relaxed, fits).is_ok() {
                waiting.taken += more;
                self.waiting.fetch_add(more, Relaxed);
                own::moved(own::Queue::Spans, 0, more);
                return true;
            }
        }
        false
    }

    /// This thread's buffer, or the next one that nobody is busy with. A thread that is held up while it has one, or that a
    /// fork has left behind, holds up nobody.
    #[inline]
    fn unlocked(&self) -> Option<MutexGuard<'_, Waiting>> {
        let own = shard();
        (0..self.shards.len() * 2).find_map(|step| {
            match self.shards[(own + step) & (self.shards.len() - 1)].0.try_lock() {
                Ok(waiting) => Some(waiting),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        })
    }

    #[cold]
    fn refuse(&self, reason: Reason) -> Offered {
        self.refused.fetch_add(1, Relaxed);
        lost(Signal::Spans, reason, 1);
        Offered::Refused
    }

    /// Takes no more spans.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Moves all that waits to `batch`, and gives the room that it takes, for [`give_back`](Self::give_back).
    pub(super) fn drain(&self, batch: &mut Batch, spare: &mut Vec<Batch>) -> usize {
        self.due.store(false, Relaxed);
        let mut taken = 0;
        for shard in &self.shards {
            let mut waiting = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.batch.is_empty() {
                continue;
            }
            let room = std::mem::take(&mut waiting.taken);
            self.waiting.fetch_sub(room, Relaxed);
            taken += room;
            let mut full = std::mem::replace(&mut waiting.batch, spare.pop().unwrap_or_default());
            drop(waiting);
            batch.append(&mut full);
            full.clear(KEPT);
            spare.push(full);
        }
        taken
    }

    /// Of the room of a batch, which is to be filled again, only so much is still needed: how much that is.
    pub(super) fn keep(&self, taken: usize, needed: usize, batch: &mut Batch) -> usize {
        let kept = taken.min(needed);
        self.give_back(taken - kept, batch);
        kept
    }

    /// The spans of this room are exported, and `batch` is to be filled again.
    pub(super) fn give_back(&self, taken: usize, batch: &mut Batch) {
        batch.clear(KEPT);
        self.taken.fetch_sub(taken, Relaxed);
        own::moved(own::Queue::Spans, taken, 0);
    }
}

/// The number of the buffer that this thread begins with.
#[inline]
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local! { static OWN: Cell<usize> = const { Cell::new(0) }; }
    OWN.try_with(|own| {
        if own.get() == 0 {
            own.set(NEXT.fetch_add(1, Relaxed));
        }
        own.get()
    })
    .unwrap_or_default()
}
