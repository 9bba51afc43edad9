//! The buffer of log lines under loom: lines of two threads, and the thread that writes them.
//!
//! Loom knows no time, so the writing thread's rest lasts until somebody wakes it: whoever relies on its end hangs here. One
//! model ends it at any moment instead.
//!
//! That it can fail was seen with these faults in the buffer: what was taken and is not yet written counts as written, who waits
//! for room looks once, a lost line is counted late or not at all, and each call but one that wakes somebody, left out. The one is
//! that in `take`, which only lets those go on who wait for room before the write has ended.

use std::cell::Cell;
use std::time::{Duration, Instant};

use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;

// What the buffer stands on.
const SPINS: usize = 1;

#[derive(Clone, Copy, PartialEq)]
enum LogPolicy {
    Drop,
    Block,
}

enum Signal {
    Logs,
}

#[derive(Debug)]
enum Reason {
    QueueFull,
    Shutdown,
    WriteFailed,
}

thread_local! {
    /// What was lost, by reason. Loom runs all threads of a model on one of the system's.
    static LOST: [Cell<u64>; 3] = const { [const { Cell::new(0) }; 3] };
}

fn lost(_: Signal, reason: Reason, n: u64) {
    LOST.with(|lost| lost[reason as usize].update(|sum| sum + n));
}

fn lost_by(reason: Reason) -> u64 {
    LOST.with(|lost| lost[reason as usize].get())
}

mod own {
    pub(super) enum Queue {
        Logs,
    }

    pub(super) fn holds(_: Queue, bytes: usize) {
        assert!(bytes <= super::ROOM, "more than there is room for");
    }
}

// The file of the runtime itself.
#[path = "../../../obs-runtime/src/log/writer/buffer.rs"]
mod buffer;

use buffer::Buffer;

/// Two lines, and not three.
const ROOM: usize = 6;

/// The buffer, and what the thread has written of it.
struct Log {
    buffer: Buffer,
    seen: Mutex<Vec<u8>>,
}

impl Log {
    fn new(policy: LogPolicy) -> Arc<Self> {
        LOST.with(|lost| lost.iter().for_each(|n| n.set(0)));
        Arc::new(Log { buffer: Buffer::new(policy, ROOM), seen: Mutex::new(Vec::new()) })
    }

    fn line(&self, line: &[u8; 3]) {
        assert!(self.buffer.append(line).is_ok(), "there was no fork");
    }

    /// What the thread does, with an output that loses as many lines of each write.
    fn run(&self, failing: u64) {
        let mut text = Vec::new();
        while self.buffer.take(&mut text) {
            self.seen.lock().unwrap().append(&mut text);
            self.buffer.rest(failing);
        }
    }

    /// The lines written so far, none of them torn, in an order that does not matter.
    fn lines(&self) -> Vec<[u8; 3]> {
        let seen = self.seen.lock().unwrap();
        let (lines, torn) = seen.as_chunks();
        assert!(torn.is_empty() && lines.iter().all(|line| line[2] == b'\n'), "{seen:?}");
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        lines
    }

    fn flush(&self) {
        assert_eq!(self.buffer.flush(never()), 0);
    }

    fn shutdown(&self) -> u64 {
        self.buffer.close(never())
    }
}

fn never() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn spawn(log: &Arc<Log>, work: impl FnOnce(&Log) + 'static) -> thread::JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || work(&log))
}

/// Every order in which a thread is put off three times where it could go on: all orders are too many to try.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(body);
}

/// What is written of two lines each of two threads, when the log has been shut down.
fn written_by_two(policy: LogPolicy) -> Vec<[u8; 3]> {
    let log = Log::new(policy);
    let writes = spawn(&log, |log| log.run(0));
    let other = spawn(&log, |log| [b"b1\n", b"b2\n"].into_iter().for_each(|line| log.line(line)));
    [b"a1\n", b"a2\n"].into_iter().for_each(|line| log.line(line));
    other.join().unwrap();
    assert_eq!(log.shutdown(), 0);
    writes.join().unwrap();
    assert_eq!(lost_by(Reason::Shutdown), 0);
    log.lines()
}

#[test]
fn with_the_policy_block_every_line_is_written() {
    model(|| {
        assert_eq!(written_by_two(LogPolicy::Block), [*b"a1\n", *b"a2\n", *b"b1\n", *b"b2\n"]);
        assert_eq!(lost_by(Reason::QueueFull), 0);
    });
}

#[test]
fn with_the_policy_drop_every_line_is_written_or_counted() {
    model(|| {
        let mut lines = written_by_two(LogPolicy::Drop);
        lines.dedup();
        assert_eq!(lines.len() as u64 + lost_by(Reason::QueueFull), 4);
    });
}

#[test]
fn a_flush_waits_for_the_lines_before_it() {
    model(|| {
        let log = Log::new(LogPolicy::Block);
        let writes = spawn(&log, |log| log.run(0));
        let other = spawn(&log, |log| {
            log.line(b"b1\n");
            log.flush();
            assert!(log.lines().contains(b"b1\n"));
        });
        log.line(b"a1\n");
        log.flush();
        assert!(log.lines().contains(b"a1\n"));
        other.join().unwrap();
        log.shutdown();
        writes.join().unwrap();
    });
}

#[test]
fn a_line_is_written_though_nobody_waits_for_it() {
    model(|| {
        let log = Log::new(LogPolicy::Drop);
        let writes = spawn(&log, |log| assert!(log.buffer.take(&mut Vec::new())));
        let other = spawn(&log, |log| log.line(b"b1\n"));
        log.line(b"a1\n");
        for thread in [writes, other] {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_shutdown_in_vain_lets_go_who_waits_for_room() {
    model(|| {
        let log = Log::new(LogPolicy::Block);
        [b"a1\n", b"a2\n"].into_iter().for_each(|line| log.line(line));
        let other = spawn(&log, |log| log.line(b"b1\n"));
        assert_eq!(log.buffer.close(Instant::now() - Duration::from_secs(1)), 2);
        other.join().unwrap();
        assert_eq!(lost_by(Reason::Shutdown), 3);
    });
}

#[test]
fn a_rest_may_end_at_any_moment() {
    model(|| {
        let log = Log::new(LogPolicy::Block);
        let writes = spawn(&log, |log| log.run(0));
        let time = spawn(&log, |log| log.buffer.wanted.notify_one());
        [b"a1\n", b"a2\n", b"a3\n"].into_iter().for_each(|line| log.line(line));
        assert_eq!(log.shutdown(), 0);
        for thread in [writes, time] {
            thread.join().unwrap();
        }
        assert_eq!(log.lines(), [*b"a1\n", *b"a2\n", *b"a3\n"]);
    });
}

#[test]
fn what_the_output_did_not_take_is_counted_before_a_flush_returns() {
    model(|| {
        let log = Log::new(LogPolicy::Drop);
        let writes = spawn(&log, |log| log.run(1));
        log.line(b"a1\n");
        log.flush();
        assert_eq!(lost_by(Reason::WriteFailed), 1);
        assert_eq!([log.shutdown(), log.shutdown()], [1, 1], "a second call reports the same");
        writes.join().unwrap();
    });
}

#[test]
fn a_shutdown_leaves_no_line_behind_that_is_not_counted() {
    model(|| {
        let log = Log::new(LogPolicy::Block);
        let writes = spawn(&log, |log| log.run(0));
        let other = spawn(&log, |log| log.line(b"b1\n"));
        log.line(b"a1\n");
        assert_eq!(log.shutdown(), 0);
        // Nothing comes after it: a process may end here.
        let written = log.lines();
        assert!(written.contains(b"a1\n"));
        for thread in [writes, other] {
            thread.join().unwrap();
        }
        assert_eq!(log.lines(), written);
        assert_eq!(written.len() as u64 + lost_by(Reason::Shutdown), 2);
    });
}
