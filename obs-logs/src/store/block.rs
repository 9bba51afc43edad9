//! Lines of one agent, one behind the other, as bytes: what is stored under one key.
//!
//! A record is: time (8 bytes), flags (1), the trace's id (16, if there is one), the length of the message (LEB128), the message, the
//! length of the fields, the fields. Nothing in it depends on where it stands, so that blocks can be put together.

use crate::model::{Level, Line, Stream, TraceId};
use crate::store::StoreError;

const LEVEL: u8 = 0b0000_0111;
const STDERR: u8 = 0b0000_1000;
const CUT: u8 = 0b0001_0000;
const TRACED: u8 = 0b0010_0000;

/// Lines and what there is to know of them without reading them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) summary: Summary,
    pub(crate) bytes: Vec<u8>,
}

/// What a block can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) lines: u32,
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
    /// A bit for each level.
    pub(crate) levels: u8,
}

impl Default for Summary {
    fn default() -> Self {
        Summary { lines: 0, earliest: i64::MAX, latest: i64::MIN, levels: 0 }
    }
}

impl Summary {
    /// That of two blocks which are put together.
    pub(crate) fn joined(self, other: Summary) -> Self {
        Summary {
            lines: self.lines + other.lines,
            earliest: self.earliest.min(other.earliest),
            latest: self.latest.max(other.latest),
            levels: self.levels | other.levels,
        }
    }
}

impl Block {
    pub(crate) fn push(&mut self, line: &Line<'_>) {
        let one = Summary { lines: 1, earliest: line.timestamp, latest: line.timestamp, levels: 1 << line.level as u8 };
        self.summary = self.summary.joined(one);
        let mut flags = line.level as u8;
        if line.stream == Stream::Stderr {
            flags |= STDERR;
        }
        if line.cut {
            flags |= CUT;
        }
        if line.trace_id.is_some() {
            flags |= TRACED;
        }
        self.bytes.extend_from_slice(&line.timestamp.to_le_bytes());
        self.bytes.push(flags);
        if let Some(TraceId(id)) = line.trace_id {
            self.bytes.extend_from_slice(&id.to_be_bytes());
        }
        for text in [line.message, line.fields] {
            length(&mut self.bytes, text.len());
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// LEB128.
fn length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// The lines of a block, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Lines(bytes)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let mut length = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = *self.take(1)?.first()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return self.take(length);
            }
        }
        None
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let timestamp = i64::from_le_bytes(self.take(8)?.try_into().ok()?);
        let flags = *self.take(1)?.first()?;
        let trace_id = match flags & TRACED {
            0 => None,
            _ => Some(TraceId(u128::from_be_bytes(self.take(16)?.try_into().ok()?))),
        };
        let level = *Level::ALL.get(usize::from(flags & LEVEL))?;
        let stream = if flags & STDERR == 0 { Stream::Stdout } else { Stream::Stderr };
        let (message, fields) = (self.text()?, self.text()?);
        Some(Record { timestamp, stream, level, trace_id, cut: flags & CUT != 0, message, fields })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Record<'a>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.0 = &[];
        }
        Some(record.ok_or(StoreError::Unreadable("a block of lines")))
    }
}

/// A line in a block. Its texts were written as UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp: i64,
    pub(crate) stream: Stream,
    pub(crate) level: Level,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) cut: bool,
    pub(crate) message: &'a [u8],
    pub(crate) fields: &'a [u8],
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(lines in prop::collection::vec(
            (any::<i64>(), 0..5_usize, any::<bool>(), any::<bool>(), any::<u128>(), ".{0,300}", "[a-z]{0,4}"), 0..12)
        ) {
            let mut block = Block::default();
            for (timestamp, level, stderr, cut, trace, message, fields) in &lines {
                block.push(&Line {
                    timestamp: *timestamp,
                    stream: if *stderr { Stream::Stderr } else { Stream::Stdout },
                    level: Level::ALL[*level],
                    message,
                    trace_id: (*trace % 2 == 1).then_some(TraceId(*trace)),
                    fields,
                    cut: *cut,
                });
            }
            prop_assert_eq!(block.summary.lines as usize, lines.len());
            prop_assert_eq!(block.summary.earliest, lines.iter().map(|line| line.0).min().unwrap_or(i64::MAX));
            let read: Vec<_> = Lines::of(&block.bytes).map(Result::unwrap).map(|record| (
                record.timestamp, record.level as usize, record.stream == Stream::Stderr, record.cut,
                record.trace_id.map_or(0, |id| id.0),
                str::from_utf8(record.message).unwrap().to_owned(), str::from_utf8(record.fields).unwrap().to_owned(),
            )).collect();
            let written: Vec<_> = lines.into_iter().map(|mut line| {
                line.4 = if line.4 % 2 == 1 { line.4 } else { 0 };
                line
            }).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn broken_bytes_are_an_error_and_the_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read: Vec<_> = Lines::of(&bytes).collect();
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
