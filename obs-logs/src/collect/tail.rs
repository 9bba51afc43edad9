//! One log: its files, one behind the other, read to their ends.

use std::io;
use std::path::PathBuf;

use obs_runtime::warn;

use super::assemble::Whole;
use super::content::Content;
use super::files::{self, Next, Position, Source};
use crate::metrics::{Skipped, metrics, skipped};
use crate::model::Line;
use crate::store::{Batch, Checkpoint, Owner};

/// Bytes that one read asks for.
const READ: usize = 128 * 1024;

/// A log that is followed.
pub(super) struct Tail {
    /// The name of the file in the directory.
    name: String,
    owner: Owner,
    /// The file that is written to.
    active: PathBuf,
    /// The most that is kept of a line.
    max_line: usize,
    source: Option<Source>,
    /// How far it is read and all of it is in a batch.
    position: Position,
    /// How far it is read and stored.
    stored: Position,
    /// What was read behind `position`: a physical line without its end.
    rest: Vec<u8>,
}

impl Tail {
    pub(super) fn new(name: String, owner: Owner, active: PathBuf, position: Position, max_line: usize) -> Self {
        Tail { name, owner, active, max_line, source: None, stored: position.clone(), position, rest: Vec::new() }
    }

    /// The file that is written to.
    pub(super) fn active(&self) -> &PathBuf {
        &self.active
    }

    /// Reads up to about `budget` bytes into the batch. Says whether there may be more now.
    pub(super) fn advance(&mut self, batch: &mut Batch, budget: usize, buffer: &mut Vec<u8>) -> bool {
        match self.read(batch, budget, buffer) {
            Ok(more) => more,
            // Files that are being renamed are looked at again.
            Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => true,
            Err(err) => {
                // It is opened anew, where the last whole line ended.
                warn!(file = self.name, error = %err, "Cannot read a log");
                skipped(Skipped::Unreadable, 1);
                self.close();
                false
            }
        }
    }

    fn read(&mut self, batch: &mut Batch, budget: usize, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let mut taken = 0;
        // Nobody writes to it any more: it was looked at after another file had taken its place.
        let mut replaced = false;
        while taken < budget {
            if self.source.is_none() && !self.open(false)? {
                return Ok(false);
            }
            let Some(source) = &mut self.source else { return Ok(false) };
            if source.unread() > 0 && source.was_truncated() {
                self.close();
                continue;
            }
            buffer.resize(READ, 0);
            let n = match source.read(buffer) {
                Ok(n) => n,
                Err(err) if source.is_compressed() => {
                    warn!(file = self.name, error = %err, "A compressed log is broken");
                    skipped(Skipped::Unreadable, 1);
                    0
                }
                Err(err) => return Err(err),
            };
            taken += n;
            if n > 0 {
                self.take(&buffer[..n], batch);
                continue;
            }
            if source.was_truncated() {
                self.close();
            } else if !source.was_replaced(&self.active) {
                return Ok(false);
            } else if !replaced {
                replaced = true;
            } else {
                replaced = false;
                if !self.open(true)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Opens the file to be read next; says whether there is one.
    fn open(&mut self, finished: bool) -> io::Result<bool> {
        match files::next(&self.active, &self.position, finished)? {
            Next::File(generation, offset) => {
                let source = Source::open(&generation, offset)?;
                self.position.file = Some(source.identity);
                self.position.offset = offset;
                self.rest.clear();
                self.source = Some(source);
                Ok(true)
            }
            Next::Nothing => Ok(false),
            Next::Gone => {
                if !finished {
                    warn!(file = self.name, "The rest of a log is lost: it was rotated or truncated away");
                    skipped(Skipped::Gone, 1);
                }
                self.close();
                self.position.file = None;
                self.position.offset = 0;
                self.open(false)
            }
        }
    }

    /// Takes what was read.
    fn take(&mut self, data: &[u8], batch: &mut Batch) {
        metrics().read_bytes_total.add(data.len() as u64);
        let Tail { owner, position, rest, max_line, .. } = self;
        let Position { begun, latest, offset, .. } = position;
        let lines = batch.lines_of(owner);
        let mut emit = |line: Whole<'_>| push(lines, line, latest);
        if rest.is_empty() {
            let consumed = begun.feed(data, *max_line, &mut emit);
            *offset += consumed as u64;
            rest.extend_from_slice(&data[consumed..]);
        } else {
            rest.extend_from_slice(data);
            let consumed = begun.feed(rest, *max_line, &mut emit);
            *offset += consumed as u64;
            rest.drain(..consumed);
        }
    }

    /// The file will not come back: what was begun is told.
    pub(super) fn finish(&mut self, batch: &mut Batch) {
        let Position { begun, latest, .. } = &mut self.position;
        if begun.is_empty() {
            return;
        }
        let lines = batch.lines_of(&self.owner);
        begun.finish(&mut |line| push(lines, line, latest));
    }

    /// Adds how far it is read, if that is further than what is stored.
    pub(super) fn checkpoint(&self, batch: &mut Batch) {
        if self.position != self.stored {
            batch.checkpoint(Checkpoint { file: self.name.clone(), position: self.position.clone() });
        }
    }

    /// The batch was stored.
    pub(super) fn was_stored(&mut self) {
        if self.position != self.stored {
            self.stored = self.position.clone();
        }
    }

    /// The batch was not stored: it is read again.
    pub(super) fn was_not_stored(&mut self) {
        self.position = self.stored.clone();
        self.close();
    }

    /// Bytes that are there and not read.
    pub(super) fn lag(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::unread)
    }

    fn close(&mut self) {
        self.source = None;
        self.rest.clear();
    }
}

fn push(lines: &mut crate::store::AgentLines, line: Whole<'_>, latest: &mut i64) {
    *latest = line.timestamp.max(*latest);
    let content = Content::read(line.content, line.cut);
    lines.push(&Line {
        timestamp: line.timestamp,
        stream: line.stream,
        level: content.level,
        message: &content.message,
        trace_id: content.trace_id,
        fields: &content.fields,
        cut: line.cut,
    });
}
