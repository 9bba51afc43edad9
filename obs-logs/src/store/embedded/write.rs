//! Writing: lines behind those that are there, checkpoints, and the removal of what is too old or too much.

use std::mem;

use jiff::Timestamp;
use redb::ReadableTable;

use super::super::block::Block;
use super::super::{AgentLines, Batch, StoreError};
use super::Retention;
use super::tables::{Indexed, NEXT_BLOCK, STORED_BYTES, Tables, checkpoint_row, checkpoint_time};
use crate::model::{nanoseconds, timestamp};

/// The last block of an agent takes further lines up to this size: whoever writes a line now and then does not get a block
/// for each, and no commit writes much of what was there already.
const JOIN: usize = 4 * 1024;
/// What a block takes beside its lines: keys and rows of the tables.
const OVERHEAD: u64 = 256;
/// One transaction removes no more blocks; the next one goes on.
const REMOVED: usize = 1_000;

pub(super) fn append(
    tables: &mut Tables<'_>,
    batch: &Batch,
    retention: Retention,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut stored = number(tables, STORED_BYTES)?;
    let mut next_block = number(tables, NEXT_BLOCK)?;
    for lines in batch.agents() {
        let mut agent = Agent::open(tables, lines.owner().agent_id.as_str())?;
        let before = agent.bytes;
        agent.append(tables, lines, &mut next_block, nanoseconds(now))?;
        agent.came = nanoseconds(now);
        agent.shrink(tables, retention.bytes_per_agent)?;
        stored = (stored + agent.bytes).saturating_sub(before);
        agent.close(tables)?;
    }
    for checkpoint in batch.checkpoints() {
        let row = checkpoint_row(&checkpoint.position, now)?;
        tables.checkpoints.insert(checkpoint.file.as_str(), row.as_slice())?;
    }
    tables.numbers.insert(STORED_BYTES, stored)?;
    tables.numbers.insert(NEXT_BLOCK, next_block)?;
    Ok(())
}

/// Removes the oldest blocks, as far as they are too old or all are too much; says how many bytes are there then.
pub(super) fn expire(tables: &mut Tables<'_>, retention: Retention, now: Timestamp) -> Result<u64, StoreError> {
    let mut stored = number(tables, STORED_BYTES)?;
    let age = i64::try_from(retention.age.as_nanos()).unwrap_or(i64::MAX);
    let oldest = nanoseconds(now).saturating_sub(age);
    for _ in 0..REMOVED {
        let Some((agent_id, first)) = oldest_block(tables)? else { break };
        let mut agent = Agent::open(tables, &agent_id)?;
        let Some(indexed) = agent.indexed(tables, first)? else {
            return Err(StoreError::Unreadable("the ages: a block is missing"));
        };
        if indexed.time() >= oldest && stored <= retention.bytes {
            break;
        }
        let before = agent.bytes;
        agent.remove(tables, first, &indexed)?;
        stored = (stored + agent.bytes).saturating_sub(before);
        agent.close(tables)?;
    }
    tables.numbers.insert(STORED_BYTES, stored)?;
    Ok(stored)
}

/// Forgets what nothing was heard of for as long as lines are kept: files, and agents that have no line any more.
pub(super) fn forget(tables: &mut Tables<'_>, retention: Retention, now: Timestamp) -> Result<(), StoreError> {
    let is_old = |time: Timestamp| now.duration_since(time).unsigned_abs() > retention.age;
    let mut files = Vec::new();
    for row in tables.checkpoints.iter()? {
        let (file, row) = row?;
        if is_old(checkpoint_time(row.value())?) {
            files.push(file.value().to_owned());
        }
    }
    for file in files {
        tables.checkpoints.remove(file.as_str())?;
    }
    let mut agents = Vec::new();
    for row in tables.agents.iter()? {
        let (agent, row) = row?;
        let (_, bytes, came) = row.value();
        if bytes == 0 && is_old(timestamp(came)) {
            agents.push(agent.value().to_owned());
        }
    }
    for agent in agents {
        tables.agents.remove(agent.as_str())?;
    }
    Ok(())
}

fn number(tables: &Tables<'_>, name: &str) -> Result<u64, StoreError> {
    Ok(tables.numbers.get(name)?.map_or(0, |value| value.value()))
}

fn oldest_block(tables: &Tables<'_>) -> Result<Option<(String, u64)>, StoreError> {
    Ok(tables.ages.first()?.map(|(_, block)| {
        let (agent, first) = block.value();
        (agent.to_owned(), first)
    }))
}

/// An agent whose lines are about to change.
struct Agent<'a> {
    id: &'a str,
    /// The number of its next line; lines count from 1.
    next: u64,
    bytes: u64,
    /// When lines came last.
    came: i64,
}

impl<'a> Agent<'a> {
    fn open(tables: &Tables<'_>, id: &'a str) -> Result<Self, StoreError> {
        let (next, bytes, came) = tables.agents.get(id)?.map_or((1, 0, 0), |row| row.value());
        Ok(Agent { id, next, bytes, came })
    }

    /// Writes down how it is now.
    fn close(self, tables: &mut Tables<'_>) -> Result<(), StoreError> {
        tables.agents.insert(self.id, (self.next, self.bytes, self.came))?;
        Ok(())
    }

    fn append(
        &mut self,
        tables: &mut Tables<'_>,
        lines: &AgentLines,
        next_block: &mut u64,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut blocks = lines.blocks.iter();
        if let Some(first) = blocks.as_slice().first()
            && self.join(tables, first, now)?
        {
            blocks.next();
        }
        for block in blocks {
            let indexed = Indexed {
                summary: block.summary,
                bytes: block.bytes.len() as u32,
                number: mem::replace(next_block, *next_block + 1),
                came: now,
            };
            tables.blocks.insert((self.id, self.next), block.bytes.as_slice())?;
            tables.index.insert((self.id, self.next), indexed.row())?;
            tables.ages.insert(indexed.number, (self.id, self.next))?;
            self.next += u64::from(block.summary.lines);
            self.bytes += block.bytes.len() as u64 + OVERHEAD;
        }
        Ok(())
    }

    /// Puts the lines behind those of the last block, if both are small.
    fn join(&mut self, tables: &mut Tables<'_>, block: &Block, now: i64) -> Result<bool, StoreError> {
        let last = tables.index.range((self.id, 0)..(self.id, u64::MAX))?.next_back().transpose()?;
        let Some((first, indexed)) = last.map(|(key, row)| (key.value().1, Indexed::from_row(row.value()))) else {
            return Ok(false);
        };
        if indexed.bytes as usize + block.bytes.len() > JOIN || !indexed.may_grow(now) {
            return Ok(false);
        }
        let mut bytes = match tables.blocks.get((self.id, first))? {
            Some(bytes) => bytes.value().to_vec(),
            None => return Err(StoreError::Unreadable("the index: a block is missing")),
        };
        bytes.extend_from_slice(&block.bytes);
        let summary = indexed.summary.joined(block.summary);
        tables.blocks.insert((self.id, first), bytes.as_slice())?;
        tables.index.insert((self.id, first), Indexed { summary, bytes: bytes.len() as u32, ..indexed }.row())?;
        self.next += u64::from(block.summary.lines);
        self.bytes += block.bytes.len() as u64;
        Ok(true)
    }

    /// Removes its oldest blocks until it has no more than `bytes`; the newest stays.
    fn shrink(&mut self, tables: &mut Tables<'_>, bytes: u64) -> Result<(), StoreError> {
        for _ in 0..REMOVED {
            if self.bytes <= bytes {
                break;
            }
            let oldest = {
                let mut blocks = tables.index.range((self.id, 0)..(self.id, u64::MAX))?;
                let oldest = blocks.next().transpose()?;
                let Some((key, row)) = oldest else { break };
                if blocks.next().is_none() {
                    break;
                }
                (key.value().1, Indexed::from_row(row.value()))
            };
            self.remove(tables, oldest.0, &oldest.1)?;
        }
        Ok(())
    }

    fn indexed(&self, tables: &Tables<'_>, first: u64) -> Result<Option<Indexed>, StoreError> {
        Ok(tables.index.get((self.id, first))?.map(|row| Indexed::from_row(row.value())))
    }

    fn remove(&mut self, tables: &mut Tables<'_>, first: u64, indexed: &Indexed) -> Result<(), StoreError> {
        tables.blocks.remove((self.id, first))?;
        tables.index.remove((self.id, first))?;
        tables.ages.remove(indexed.number)?;
        self.bytes = self.bytes.saturating_sub(u64::from(indexed.bytes) + OVERHEAD);
        tables.expired += u64::from(indexed.summary.lines);
        Ok(())
    }
}
