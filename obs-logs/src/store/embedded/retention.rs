//! How long and how much is kept, and the thread that sees to it while nobody writes.

use std::io;
use std::sync::Weak;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use obs_runtime::warn;

use super::{Embedded, Shared};

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Lines that are older leave. Default: 7 days.
    pub age: Duration,
    /// When all lines together take more, the oldest leave. The file is up to twice as large. Default: 64 GiB.
    pub bytes: u64,
    /// When those of one agent take more, its oldest leave, so that one that writes much does not push out the others. Default: 1 GiB.
    pub bytes_per_agent: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { age: Duration::from_secs(7 * 24 * 60 * 60), bytes: 64 << 30, bytes_per_agent: 1 << 30 }
    }
}

impl Retention {
    /// Another age.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Another size of all lines together.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Another size of the lines of one agent.
    #[must_use]
    pub fn bytes_per_agent(mut self, bytes: u64) -> Self {
        self.bytes_per_agent = bytes;
        self
    }
}

/// Lives as long as the store; the thread ends with it.
pub(super) type Alive = mpsc::Sender<()>;

/// Removes what is too old, again and again with `pause` between, until the store is gone.
pub(super) fn keep(store: Weak<Shared>, alive: mpsc::Receiver<()>, pause: Duration) -> io::Result<()> {
    let keep = move || {
        while alive.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let Some(shared) = store.upgrade() else { return };
            if let Err(err) = (Embedded { shared }).expire() {
                warn!(error = &err as &dyn std::error::Error, "Old logs are not removed; it is tried again");
            }
        }
    };
    thread::Builder::new().name("obs-logs-retention".to_owned()).spawn(keep).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
    use std::time::Instant;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{AgentId, Level, Line, Stream};
    use crate::store::{Batch, Direction, Filter, Owner, Read, Start};

    #[test]
    fn lines_leave_by_their_age_while_nobody_writes() {
        const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
        let root = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(100 * DAY));
        let clock = now.clone();
        let clock = move || Timestamp::from_nanosecond(clock.load(SeqCst).into()).unwrap();
        let store =
            Embedded::open_by(root.path(), Retention::default(), Box::new(clock), Duration::from_millis(1)).unwrap();
        let agent_id = AgentId::parse("a").unwrap();
        let long = "x".repeat(20_000);
        // More blocks than one transaction removes.
        for _ in 0..3 {
            let mut batch = Batch::default();
            let lines = batch.lines_of(&Owner { agent_id: agent_id.clone(), user_id: None });
            for n in 0..500 {
                let (timestamp, stream, level) = (99 * DAY + n, Stream::Stdout, Level::Info);
                lines.push(&Line { timestamp, stream, level, message: &long, trace_id: None, fields: "", cut: false });
            }
            store.append_blocking(batch).unwrap();
        }
        let read = Read {
            agent: agent_id,
            filter: Filter::default(),
            start: Start::Outside,
            direction: Direction::Forward,
            limit: 1,
        };
        let is_empty = || store.read_blocking(&read).unwrap().found.is_empty();
        assert!(!is_empty());
        now.fetch_add(7 * DAY, SeqCst);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_empty() {
            assert!(Instant::now() < deadline, "the lines are still there");
            thread::yield_now();
        }
    }
}
