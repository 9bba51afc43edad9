//! The thread that writes log lines.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::Instant;

use crate::config::LogPolicy;
use crate::log::output::Output;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;
use crate::muted;

use buffer::{Buffer, LeftBehind};

mod buffer;

/// How often the lock of the buffer is tried before it is waited for.
const SPINS: usize = 100;

/// Takes lines without ever failing; with the policy `drop` without ever waiting.
///
/// A fork leaves the thread, and perhaps locks that nobody opens any more, in the child. So whoever would wait, and whoever puts a
/// line into an empty buffer, asks first whether the process is still the same: the child gets a buffer and a thread of its own.
#[derive(Clone)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    buffer: Buffer,
    output: Arc<Mutex<Output>>,
    /// What takes its place in a process made by a fork; nothing where the system gave no thread.
    next: OnceLock<Option<Arc<Shared>>>,
}

impl Shared {
    fn start(output: Arc<Mutex<Output>>, buffer: Buffer) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared { buffer, output, next: OnceLock::new() });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("obs-log".to_owned()).spawn(move || run(&own))?;
        Ok(shared)
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
            Shared::start(output, Buffer::new(self.buffer.policy, self.buffer.room)).ok()
        };
        self.next.get_or_init(begin).as_ref()
    }
}

impl Writer {
    /// Starts the thread. `room` is the most bytes that may wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(output: Box<dyn Write + Send>, policy: LogPolicy, room: usize) -> io::Result<Self> {
        let shared = Shared::start(Arc::new(Mutex::new(Output::new(output))), Buffer::new(policy, room))?;
        Ok(Writer { shared })
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
            && shared.buffer.is_left_behind()
        {
            shared.in_child();
        }
    }

    /// Hands a whole line over.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut shared = self.shared();
        while let Some(here) = shared {
            match here.buffer.append(line) {
                Ok(()) => return,
                Err(LeftBehind) => shared = here.in_child().map(|shared| &**shared),
            }
        }
        lost(Signal::Logs, Reason::WriteFailed, 1);
    }

    /// Waits until everything handed over so far is written, at most until `deadline`; how many lines are not.
    pub(crate) fn flush(&self, deadline: Instant) -> u64 {
        // The thread would wait for itself; in the child of a fork nobody has handed over anything.
        match self.shared() {
            Some(shared) if !muted::is_muted() && !shared.buffer.is_left_behind() => shared.buffer.flush(deadline),
            _ => 0,
        }
    }

    /// Flushes, and takes no more lines; how many of those that it took are lost. A second call reports the same.
    pub(crate) fn shutdown(&self, deadline: Instant) -> u64 {
        let Some(shared) = self.shared() else { return 0 };
        if shared.buffer.is_left_behind() {
            shared.next.get_or_init(|| None);
            return 0;
        }
        // The thread would wait for itself.
        shared.buffer.close(if muted::is_muted() { Instant::now() } else { deadline })
    }
}

fn run(shared: &Shared) {
    muted::mute();
    let mut text = Vec::new();
    while shared.buffer.take(&mut text) {
        // A closed pipe or a full disk costs these lines, and not the service.
        let failed = shared.output.lock().unwrap_or_else(PoisonError::into_inner).write(&text);
        text.clear();
        shared.buffer.rest(failed);
    }
    // Dropped when the last line is written: it may have a word to say at its end.
    shared.output.lock().unwrap_or_else(PoisonError::into_inner).close();
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
