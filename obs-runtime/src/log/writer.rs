//! The thread that writes log lines, and the bounded buffer before it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use std::{hint, process, thread};

use crate::config::LogPolicy;
use crate::log::output::Output;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;
use crate::muted;

/// Takes lines without ever failing; with the policy `drop` without ever waiting.
///
/// A fork leaves the thread, and perhaps locks that nobody opens any more, in the child. So whoever would wait, and whoever puts a
/// line into an empty buffer, asks first whether the process is still the same: the child gets a buffer and a thread of its own.
#[derive(Clone)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    policy: LogPolicy,
    room: usize,
}

/// How long the thread rests between two writes, so that many lines cost one wake and one write. A first line after a quiet
/// time does not wait for it.
const REST: Duration = Duration::from_millis(5);

/// How often a lock is tried before it is waited for.
const SPINS: usize = 100;

struct Shared {
    queue: Mutex<Queue>,
    /// The thread has something to do before its rest is over.
    wanted: Condvar,
    /// Something was written.
    written: Condvar,
    output: Arc<Mutex<Output>>,
    /// The process that has the thread.
    process: u32,
    /// What takes its place in a process made by a fork; nothing where the system gave no thread.
    next: OnceLock<Option<Arc<Shared>>>,
}

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

impl Shared {
    fn start(output: Arc<Mutex<Output>>) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wanted: Condvar::new(),
            written: Condvar::new(),
            output,
            process: process::id(),
            next: OnceLock::new(),
        });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("obs-log".to_owned()).spawn(move || run(&own))?;
        Ok(shared)
    }

    /// Whether a fork has left the thread in another process.
    fn is_left_behind(&self) -> bool {
        process::id() != self.process
    }

    /// The queue, unless it is locked for good by a thread that this process does not have.
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

    /// What serves in the child of a fork, begun now if nobody has.
    fn in_child(&self) -> Option<&Arc<Shared>> {
        let begin = || {
            crate::ids::reseed();
            // Locked for good where the fork came in the middle of a write: then nobody knows what the output is at.
            let output = match self.output.try_lock() {
                Err(TryLockError::WouldBlock) => Arc::new(Mutex::new(Output::none())),
                Ok(_) | Err(TryLockError::Poisoned(_)) => Arc::clone(&self.output),
            };
            Shared::start(output).ok()
        };
        self.next.get_or_init(begin).as_ref()
    }

    fn wake(&self, queue: &mut Queue) {
        if queue.thread != Thread::Writing {
            queue.thread = Thread::Writing;
            self.wanted.notify_one();
        }
    }
}

impl Writer {
    /// Starts the thread. `room` is the most bytes that may wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(output: Box<dyn Write + Send>, policy: LogPolicy, room: usize) -> io::Result<Self> {
        let shared = Shared::start(Arc::new(Mutex::new(Output::new(output))))?;
        Ok(Writer { shared, policy, room })
    }

    /// What serves in this process, as far as anybody has found out.
    fn shared(&self) -> Option<&Shared> {
        let mut shared = &self.shared;
        while let Some(next) = shared.next.get() {
            shared = next.as_ref()?;
        }
        Some(shared)
    }

    /// Begins anew in the child of a fork; elsewhere it does nothing.
    pub(crate) fn after_fork(&self) {
        if let Some(shared) = self.shared()
            && shared.is_left_behind()
        {
            shared.in_child();
        }
    }

    /// Hands a whole line over.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut shared = self.shared();
        while let Some(here) = shared {
            match self.append(here, line) {
                Ok(()) => return,
                Err(LeftBehind) => shared = here.in_child().map(|shared| &**shared),
            }
        }
        lost(Signal::Logs, Reason::WriteFailed, 1);
    }

    fn append(&self, shared: &Shared, line: &[u8]) -> Result<(), LeftBehind> {
        let mut queue = shared.queue().ok_or(LeftBehind)?;
        // Asked once for all lines that are written at once, as it is a call of the system.
        if queue.text.is_empty() && queue.closed.is_none() && shared.is_left_behind() {
            return Err(LeftBehind);
        }
        while self.policy == LogPolicy::Block
            && queue.closed.is_none()
            && !queue.text.is_empty()
            && queue.text.len() + line.len() > self.room
        {
            if shared.is_left_behind() {
                return Err(LeftBehind);
            }
            shared.wake(&mut queue);
            queue = shared.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
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
            shared.wake(&mut queue);
        }
        Ok(())
    }

    /// Waits until everything handed over so far is written, at most until `deadline`; how many lines are not.
    pub(crate) fn flush(&self, deadline: Instant) -> u64 {
        // The thread would wait for itself; in the child of a fork nobody has handed over anything.
        let Some(shared) = self.shared().filter(|shared| !muted::is_muted() && !shared.is_left_behind()) else {
            return 0;
        };
        let Some(mut queue) = shared.queue() else { return 0 };
        while queue.lines + queue.writing > 0 {
            shared.wake(&mut queue);
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            queue = shared.written.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.lines + queue.writing
    }

    /// Flushes, and takes no more lines; how many of those that it took are lost. A second call reports the same.
    pub(crate) fn shutdown(&self, deadline: Instant) -> u64 {
        let left = self.flush(deadline);
        let Some(shared) = self.shared() else { return left };
        if shared.is_left_behind() {
            shared.next.get_or_init(|| None);
            return left;
        }
        let Some(mut queue) = shared.queue() else { return left };
        if queue.closed.is_none() {
            queue.closed = Some(left);
            lost(Signal::Logs, Reason::Shutdown, left);
            shared.wake(&mut queue);
            shared.written.notify_all();
        }
        queue.failed + queue.closed.unwrap_or(left)
    }
}

/// A fork has left the thread in another process.
struct LeftBehind;

fn run(shared: &Shared) {
    muted::mute();
    let mut text = Vec::new();
    while take(shared, &mut text) {
        // A closed pipe or a full disk costs these lines, and not the service.
        let failed = shared.output.lock().unwrap_or_else(PoisonError::into_inner).write(&text);
        text.clear();
        rest(shared, failed);
    }
    // Dropped when the last line is written: it may have a word to say at its end.
    shared.output.lock().unwrap_or_else(PoisonError::into_inner).close();
}

/// Waits for lines and takes them all; not when the queue is closed and empty.
fn take(shared: &Shared, text: &mut Vec<u8>) -> bool {
    let mut queue = shared.own_queue();
    while queue.text.is_empty() {
        if queue.closed.is_some() {
            return false;
        }
        queue.thread = Thread::Asleep;
        queue = shared.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.thread = Thread::Writing;
    std::mem::swap(&mut queue.text, text);
    own::holds(own::Queue::Logs, 0);
    queue.writing = std::mem::take(&mut queue.lines);
    drop(queue);
    shared.written.notify_all();
    true
}

/// Says that what was taken is written, and lets more lines come together.
fn rest(shared: &Shared, failed: u64) {
    let mut queue = shared.own_queue();
    // After the shutdown they are counted already.
    if queue.closed.is_none() {
        queue.failed += failed;
        lost(Signal::Logs, Reason::WriteFailed, failed);
    }
    queue.writing = 0;
    shared.written.notify_all();
    queue.thread = Thread::Resting;
    let resting = |queue: &mut Queue| queue.thread == Thread::Resting && queue.closed.is_none();
    drop(shared.wanted.wait_timeout_while(queue, REST, resting));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Gives what was written to the test, and waits for its word before each write.
    struct Gate {
        open: mpsc::Receiver<()>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.open.recv();
            self.seen.lock().expect("not poisoned").extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated(policy: LogPolicy, room: usize) -> (Writer, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = mpsc::channel();
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let writer =
            Writer::start(Box::new(Gate { open: gate, seen: Arc::clone(&seen) }), policy, room).expect("a thread");
        (writer, open, seen)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn what_was_accepted_is_written_by_shutdown() {
        let (writer, open, seen) = gated(LogPolicy::Drop, 1 << 20);
        writer.line(b"one\n");
        writer.line(b"two\n");
        drop(open);
        assert_eq!(writer.shutdown(soon()), 0);
        assert_eq!(seen.lock().expect("not poisoned").as_slice(), b"one\ntwo\n");
    }

    #[test]
    fn a_slow_output_costs_lines_and_never_the_caller() {
        let (writer, open, seen) = gated(LogPolicy::Drop, 16);
        for _ in 0..100 {
            writer.line(b"12345678\n");
        }
        drop(open);
        assert_eq!(writer.flush(soon()), 0);
        let written = seen.lock().expect("not poisoned").len() / 9;
        assert!((1..100).contains(&written), "{written} lines");
    }

    #[test]
    fn a_deadline_is_kept_while_the_output_hangs() {
        let (writer, _open, _) = gated(LogPolicy::Drop, 1 << 20);
        writer.line(b"stuck\n");
        assert_eq!(writer.shutdown(Instant::now()), 1);
        assert_eq!(writer.shutdown(Instant::now()), 1, "a second call reports the same");
    }

    #[test]
    fn with_the_policy_block_nothing_is_lost() {
        let (writer, open, seen) = gated(LogPolicy::Block, 16);
        drop(open);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let writer = writer.clone();
                thread::spawn(move || (0..100).for_each(|_| writer.line(b"12345678\n")))
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(writer.shutdown(soon()), 0);
        let seen = seen.lock().expect("not poisoned");
        assert_eq!(seen.len(), 400 * 9);
        assert!(seen.chunks(9).all(|line| line == b"12345678\n"));
    }

    /// Panics at each write.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("an output that panics")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_panics_costs_lines_and_leaves_nobody_waiting() {
        let writer = Writer::start(Box::new(Broken), LogPolicy::Block, 16).expect("a thread");
        for _ in 0..100 {
            writer.line(b"12345678\n");
        }
        assert_eq!(writer.flush(soon()), 0);
        assert_eq!(writer.shutdown(soon()), 100);
    }
}
