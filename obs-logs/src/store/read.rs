//! What is wanted of a store, and what it gives.

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::block::{Record, Summary};
use crate::model::{AgentId, Entry, Level, TraceId, nanoseconds, timestamp};

/// A wish for some of an agent's lines.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whose.
    pub agent: AgentId,
    /// Which.
    pub filter: Filter,
    /// Where to begin.
    pub start: Start,
    /// Which way to go.
    pub direction: Direction,
    /// How many at most.
    pub limit: usize,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest line, or backwards at the newest.
    Outside,
    /// Behind a line that was read, in the direction of reading.
    After(Cursor),
}

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To newer lines.
    Forward,
    /// To older lines.
    Backward,
}

/// A place between two lines, or at an end. What the numbers mean is the store's business; the greater, the newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// A sequence number, or a time.
    pub at: u64,
    /// What tells lines of the same time from each other.
    pub tie: u64,
}

/// Which lines are wanted: those for which everything that is given here is true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not written before.
    pub since: Option<Timestamp>,
    /// Written before.
    pub until: Option<Timestamp>,
    /// This bad or worse.
    pub level: Option<Level>,
    /// With this text in their message or their fields.
    pub q: Option<String>,
    /// Of this trace.
    pub trace_id: Option<TraceId>,
}

/// Lines, in the direction of reading.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The lines.
    pub found: Vec<Found>,
    /// Where reading began: what was there then is behind it, what comes later before it.
    pub began: Cursor,
    /// Where reading ended, which need not be at a line that was wanted.
    pub ended: Cursor,
    /// There was no further line in this direction.
    pub done: bool,
}

/// A line and its place.
#[derive(Clone, Debug)]
pub struct Found {
    /// The line.
    pub entry: Entry,
    /// Right behind it, for reading on in either direction.
    pub cursor: Cursor,
}

/// A filter that is ready for many lines.
pub(crate) struct Matcher<'a> {
    since: i64,
    until: Option<i64>,
    level: Level,
    text: Option<Finder<'a>>,
    trace_id: Option<TraceId>,
}

impl<'a> Matcher<'a> {
    pub(crate) fn new(filter: &'a Filter) -> Self {
        Matcher {
            since: filter.since.map_or(i64::MIN, nanoseconds),
            until: filter.until.map(nanoseconds),
            level: filter.level.unwrap_or(Level::Trace),
            text: filter.q.as_deref().map(Finder::new),
            trace_id: filter.trace_id,
        }
    }

    /// Some line of the block may be wanted.
    pub(crate) fn may_be_among(&self, summary: &Summary) -> bool {
        summary.latest >= self.since
            && self.until.is_none_or(|until| summary.earliest < until)
            && summary.levels >> (self.level as u8) != 0
    }

    /// Some line of the block may be wanted, by its text.
    pub(crate) fn may_be_in(&self, block: &[u8]) -> bool {
        self.text.as_ref().is_none_or(|text| text.find(block).is_some())
    }

    pub(crate) fn wants(&self, line: &Record<'_>) -> bool {
        line.timestamp >= self.since
            && self.until.is_none_or(|until| line.timestamp < until)
            && line.level >= self.level
            && self.trace_id.is_none_or(|id| line.trace_id == Some(id))
            && self
                .text
                .as_ref()
                .is_none_or(|text| text.find(line.message).is_some() || text.find(line.fields).is_some())
    }
}

impl Record<'_> {
    /// The line as a reader sees it.
    pub(crate) fn entry(&self, seq: u64) -> Entry {
        let fields = str::from_utf8(self.fields).ok().filter(|fields| !fields.is_empty());
        Entry {
            timestamp: timestamp(self.timestamp),
            level: self.level,
            message: String::from_utf8_lossy(self.message).into_owned(),
            seq,
            stream: self.stream,
            trace_id: self.trace_id,
            fields: fields.and_then(|fields| serde_json::from_str(fields).ok()),
            cut: self.cut,
        }
    }
}
