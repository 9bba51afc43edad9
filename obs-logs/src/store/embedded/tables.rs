//! The tables of the database.

use jiff::Timestamp;
use redb::{AccessGuard, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::super::block::Summary;
use super::super::{Checkpoint, StoreError};
use crate::collect::Position;
use crate::model::{nanoseconds, timestamp};

/// (agent, number of the first line) → the lines.
pub(super) const BLOCKS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("blocks");
/// (agent, number of the first line) → what the block can contain.
pub(super) const INDEX: TableDefinition<'_, (&str, u64), IndexRow> = TableDefinition::new("index");
/// Agent → (number of the next line, bytes of its lines, when lines came last).
pub(super) const AGENTS: TableDefinition<'_, &str, AgentRow> = TableDefinition::new("agents");
/// Number of a block in the order of coming → which it is.
pub(super) const AGES: TableDefinition<'_, u64, (&str, u64)> = TableDefinition::new("ages");
/// Name of a file → how far it is read, as JSON.
pub(super) const CHECKPOINTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("checkpoints");
/// Numbers of the whole store.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// The bytes of all lines.
pub(super) const STORED_BYTES: &str = "stored_bytes";
/// The number of the next block.
pub(super) const NEXT_BLOCK: &str = "next_block";

/// For so long a block takes further lines, in nanoseconds: its lines grow old together.
const JOINED_FOR: i64 = 3_600_000_000_000;

/// Lines, bytes, earliest and latest time, levels, number of the block, time of coming.
pub(super) type IndexRow = (u32, u32, i64, i64, u8, u64, i64);

/// Number of the next line, bytes, time.
pub(super) type AgentRow = (u64, u64, i64);

/// What the index says of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexed {
    pub(super) summary: Summary,
    pub(super) bytes: u32,
    /// Its number in the order of coming.
    pub(super) number: u64,
    /// When its first line came, in nanoseconds since 1970.
    pub(super) came: i64,
}

impl Indexed {
    pub(super) fn from_row((lines, bytes, earliest, latest, levels, number, came): IndexRow) -> Self {
        Indexed { summary: Summary { lines, earliest, latest, levels }, bytes, number, came }
    }

    pub(super) fn row(&self) -> IndexRow {
        let Summary { lines, earliest, latest, levels } = self.summary;
        (lines, self.bytes, earliest, latest, levels, self.number, self.came)
    }

    /// The time by which the block grows old: that of its latest line, unless that lies in the future.
    pub(super) fn time(&self) -> i64 {
        self.summary.latest.min(self.came.saturating_add(JOINED_FOR))
    }

    /// Lines may still be put behind those that it has.
    pub(super) fn may_grow(&self, now: i64) -> bool {
        now <= self.came.saturating_add(JOINED_FOR)
    }
}

/// All tables, open for writing.
pub(super) struct Tables<'txn> {
    pub(super) blocks: Table<'txn, (&'static str, u64), &'static [u8]>,
    pub(super) index: Table<'txn, (&'static str, u64), IndexRow>,
    pub(super) agents: Table<'txn, &'static str, AgentRow>,
    pub(super) ages: Table<'txn, u64, (&'static str, u64)>,
    pub(super) checkpoints: Table<'txn, &'static str, &'static [u8]>,
    pub(super) numbers: Table<'txn, &'static str, u64>,
    /// How many lines were removed.
    pub(super) expired: u64,
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(transaction: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Tables {
            blocks: transaction.open_table(BLOCKS)?,
            index: transaction.open_table(INDEX)?,
            agents: transaction.open_table(AGENTS)?,
            ages: transaction.open_table(AGES)?,
            checkpoints: transaction.open_table(CHECKPOINTS)?,
            numbers: transaction.open_table(NUMBERS)?,
            expired: 0,
        })
    }
}

/// A checkpoint as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<P> {
    /// When it was written, in nanoseconds since 1970.
    at: i64,
    position: P,
}

pub(super) fn checkpoint_row(position: &Position, now: Timestamp) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Stored { at: nanoseconds(now), position }).map_err(|_| StoreError::Unreadable("a checkpoint"))
}

pub(super) fn checkpoint(
    (file, row): &(AccessGuard<'_, &'static str>, AccessGuard<'_, &'static [u8]>),
) -> Result<Checkpoint, StoreError> {
    let stored: Stored<Position> = read_row(row.value())?;
    Ok(Checkpoint { file: file.value().to_owned(), position: stored.position })
}

/// When a checkpoint was written.
pub(super) fn checkpoint_time(row: &[u8]) -> Result<Timestamp, StoreError> {
    Ok(timestamp(read_row::<serde::de::IgnoredAny>(row)?.at))
}

fn read_row<P: for<'de> Deserialize<'de>>(row: &[u8]) -> Result<Stored<P>, StoreError> {
    serde_json::from_slice(row).map_err(|_| StoreError::Unreadable("a checkpoint"))
}
