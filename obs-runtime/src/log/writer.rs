//! The thread that writes log lines, and the bounded buffer before it.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::LogPolicy;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;

/// Takes lines without ever failing; with the policy `drop` without ever waiting.
#[derive(Clone)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    policy: LogPolicy,
    room: usize,
}

/// How long the thread rests between two writes, so that many lines cost one wake and one write. A first line after a quiet
/// time does not wait for it.
const REST: Duration = Duration::from_millis(5);

struct Shared {
    queue: Mutex<Queue>,
    /// The thread has something to do before its rest is over.
    wanted: Condvar,
    /// Something was written.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    lines: u64,
    /// Lines that the thread has taken and not yet written.
    writing: u64,
    thread: Thread,
    closed: bool,
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
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the thread. `room` is the most bytes that may wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(mut output: Box<dyn Write + Send>, policy: LogPolicy, room: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wanted: Condvar::new(), written: Condvar::new() });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("obs-log".to_owned()).spawn(move || run(&own, &mut *output))?;
        Ok(Writer { shared, policy, room })
    }

    /// Hands a whole line over.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut queue = self.shared.queue();
        while self.policy == LogPolicy::Block
            && !queue.closed
            && !queue.text.is_empty()
            && queue.text.len() + line.len() > self.room
        {
            self.wake(&mut queue);
            queue = self.shared.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed {
            return lost(Signal::Logs, Reason::Shutdown, 1);
        }
        if queue.text.len() + line.len() > self.room && !(self.policy == LogPolicy::Block && queue.text.is_empty()) {
            return lost(Signal::Logs, Reason::QueueFull, 1);
        }
        queue.text.extend_from_slice(line);
        queue.lines += 1;
        own::holds(own::Queue::Logs, queue.text.len());
        if queue.thread == Thread::Asleep || (queue.thread == Thread::Resting && queue.text.len() > self.room / 2) {
            self.wake(&mut queue);
        }
    }

    fn wake(&self, queue: &mut Queue) {
        if queue.thread != Thread::Writing {
            queue.thread = Thread::Writing;
            self.shared.wanted.notify_one();
        }
    }

    /// Waits until everything handed over so far is written, at most until `deadline`; how many lines are not.
    pub(crate) fn flush(&self, deadline: Instant) -> u64 {
        let mut queue = self.shared.queue();
        while queue.lines + queue.writing > 0 {
            self.wake(&mut queue);
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            queue = self.shared.written.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.lines + queue.writing
    }

    /// Flushes, and takes no more lines; how many are lost.
    pub(crate) fn shutdown(&self, deadline: Instant) -> u64 {
        let left = self.flush(deadline);
        let mut queue = self.shared.queue();
        queue.closed = true;
        lost(Signal::Logs, Reason::Shutdown, left);
        self.wake(&mut queue);
        self.shared.written.notify_all();
        left
    }
}

fn run(shared: &Shared, output: &mut dyn Write) {
    let mut text = Vec::new();
    while let Some(lines) = take(shared, &mut text) {
        // A closed pipe or a full disk costs these lines, and not the service.
        if output.write_all(&text).and_then(|()| output.flush()).is_err() {
            lost(Signal::Logs, Reason::WriteFailed, lines);
        }
        text.clear();
        rest(shared);
    }
}

/// Waits for lines and takes them all; nothing when the queue is closed and empty.
fn take(shared: &Shared, text: &mut Vec<u8>) -> Option<u64> {
    let mut queue = shared.queue();
    while queue.text.is_empty() {
        if queue.closed {
            return None;
        }
        queue.thread = Thread::Asleep;
        queue = shared.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.thread = Thread::Writing;
    std::mem::swap(&mut queue.text, text);
    own::holds(own::Queue::Logs, 0);
    queue.writing = std::mem::take(&mut queue.lines);
    let lines = queue.writing;
    drop(queue);
    shared.written.notify_all();
    Some(lines)
}

/// Says that what was taken is written, and lets more lines come together.
fn rest(shared: &Shared) {
    let mut queue = shared.queue();
    queue.writing = 0;
    shared.written.notify_all();
    queue.thread = Thread::Resting;
    let resting = |queue: &mut Queue| queue.thread == Thread::Resting && !queue.closed;
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
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            let _ = self.open.recv();
            self.seen.lock().expect("not poisoned").extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
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
}
