//! The bounded buffer between those who log and the thread that writes: what lies behind its lock, and who wakes whom.
//!
//! It knows neither the thread nor what the lines are written to. What it stands on comes from the module around: `tests/model`
//! puts this file on loom's locks.

use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};
use std::{hint, mem, process};

use super::{Condvar, LogPolicy, Mutex, MutexGuard, Reason, SPINS, Signal, lost, own};

/// How long the thread rests between two writes, so that many lines cost one wake and one write. A first line after a quiet
/// time does not wait for it.
const REST: Duration = Duration::from_millis(5);

pub(super) struct Buffer {
    pub(super) policy: LogPolicy,
    /// The most bytes that may wait.
    pub(super) room: usize,
    queue: Mutex<Queue>,
    /// The thread has something to do before its rest is over.
    pub(super) wanted: Condvar,
    /// Something was written.
    written: Condvar,
    /// The process that has the thread.
    process: u32,
}

/// A fork has left the thread in another process.
pub(super) struct LeftBehind;

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    lines: u64,
    /// Lines that the thread has taken and not yet written.
    writing: u64,
    /// Lines that the output did not take.
    failed: u64,
    thread: Thread,
    /// It takes no more; how many lines were left then.
    closed: Option<u64>,
}

/// What the thread is at.
#[derive(Clone, Copy, Default, PartialEq)]
enum Thread {
    #[default]
    Writing,
    /// It looks again by itself, soon.
    Resting,
    /// It waits to be woken.
    Asleep,
}

impl Queue {
    /// How many lines are not written.
    fn left(&self) -> u64 {
        self.lines + self.writing
    }
}

impl Buffer {
    pub(super) fn new(policy: LogPolicy, room: usize) -> Self {
        Buffer {
            policy,
            room,
            queue: Mutex::new(Queue::default()),
            wanted: Condvar::new(),
            written: Condvar::new(),
            process: process::id(),
        }
    }

    /// Whether a fork has left the thread in another process.
    pub(super) fn is_left_behind(&self) -> bool {
        process::id() != self.process
    }

    /// The queue, unless it is locked for good by a thread that this process does not have.
    #[inline]
    fn queue(&self) -> Option<MutexGuard<'_, Queue>> {
        for _ in 0..SPINS {
            match self.queue.try_lock() {
                Ok(queue) => return Some(queue),
                Err(TryLockError::Poisoned(queue)) => return Some(queue.into_inner()),
                Err(TryLockError::WouldBlock) => hint::spin_loop(),
            }
        }
        if self.is_left_behind() { None } else { Some(self.own_queue()) }
    }

    /// The queue, for the thread.
    fn own_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, queue: &mut Queue) {
        if queue.thread != Thread::Writing {
            queue.thread = Thread::Writing;
            self.wanted.notify_one();
        }
    }

    /// Takes a whole line, or counts it as lost.
    #[inline]
    pub(super) fn append(&self, line: &[u8]) -> Result<(), LeftBehind> {
        let mut queue = self.queue().ok_or(LeftBehind)?;
        // Asked once for all lines that are written at once, as it is a call of the system.
        if queue.text.is_empty() && queue.closed.is_none() && self.is_left_behind() {
            return Err(LeftBehind);
        }
        while self.policy == LogPolicy::Block
            && queue.closed.is_none()
            && !queue.text.is_empty()
            && queue.text.len() + line.len() > self.room
        {
            if self.is_left_behind() {
                return Err(LeftBehind);
            }
            self.wake(&mut queue);
            queue = self.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed.is_some() {
            lost(Signal::Logs, Reason::Shutdown, 1);
            return Ok(());
        }
        if queue.text.len() + line.len() > self.room && !(self.policy == LogPolicy::Block && queue.text.is_empty()) {
            lost(Signal::Logs, Reason::QueueFull, 1);
            return Ok(());
        }
        queue.text.extend_from_slice(line);
        queue.lines += 1;
        own::holds(own::Queue::Logs, queue.text.len());
        if queue.thread == Thread::Asleep || (queue.thread == Thread::Resting && queue.text.len() > self.room / 2) {
            self.wake(&mut queue);
        }
        Ok(())
    }

    /// Waits until everything handed over so far is written, at most until `deadline`; how many lines are not.
    pub(super) fn flush(&self, deadline: Instant) -> u64 {
        self.queue().map_or(0, |queue| self.drained(queue, deadline).left())
    }

    /// Flushes, and takes no more lines; how many of those that it took are lost. A second call reports the same.
    pub(super) fn close(&self, deadline: Instant) -> u64 {
        let Some(queue) = self.queue() else { return 0 };
        // Not unlocked in between: a line that came then would be neither waited for nor counted.
        let mut queue = self.drained(queue, deadline);
        let left = queue.left();
        if queue.closed.is_none() {
            queue.closed = Some(left);
            lost(Signal::Logs, Reason::Shutdown, left);
            self.wake(&mut queue);
            self.written.notify_all();
        }
        queue.failed + queue.closed.unwrap_or(left)
    }

    fn drained<'a>(&self, mut queue: MutexGuard<'a, Queue>, deadline: Instant) -> MutexGuard<'a, Queue> {
        while queue.left() > 0 {
            self.wake(&mut queue);
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            queue = self.written.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue
    }

    /// For the thread: waits for lines and takes them all; not when the buffer is closed and empty.
    pub(super) fn take(&self, text: &mut Vec<u8>) -> bool {
        let mut queue = self.own_queue();
        while queue.text.is_empty() {
            if queue.closed.is_some() {
                return false;
            }
            queue.thread = Thread::Asleep;
            queue = self.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.thread = Thread::Writing;
        mem::swap(&mut queue.text, text);
        own::holds(own::Queue::Logs, 0);
        queue.writing = mem::take(&mut queue.lines);
        drop(queue);
        self.written.notify_all();
        true
    }

    /// For the thread: says that what was taken is written, and lets more lines come together.
    pub(super) fn rest(&self, failed: u64) {
        let mut queue = self.own_queue();
        queue.writing = 0;
        self.written.notify_all();
        // After the shutdown they are counted already.
        if queue.closed.is_none() {
            queue.failed += failed;
            lost(Signal::Logs, Reason::WriteFailed, failed);
            queue.thread = Thread::Resting;
            drop(self.wanted.wait_timeout(queue, REST));
        }
    }
}
