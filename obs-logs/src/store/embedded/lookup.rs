//! Reading: from block to block, backwards or forwards, past those that cannot matter.

use redb::{Database, ReadOnlyTable, ReadableDatabase};

use super::super::StoreError;
use super::super::block::{Lines, Record};
use super::super::read::{Cursor, Direction, Found, Matcher, Page, Read, Start};
use super::tables::{AGENTS, BLOCKS, INDEX, IndexRow, Indexed};

/// A read that has looked at so many bytes of lines ends, so that none holds up its reader for long.
const BUDGET: usize = 32 << 20;

pub(super) fn read(database: &Database, read: &Read) -> Result<Page, StoreError> {
    let transaction = database.begin_read()?;
    let agent = read.agent.as_str();
    let Some(row) = transaction.open_table(AGENTS)?.get(agent)? else {
        return Ok(Page { done: true, ..Page::default() });
    };
    let next = row.value().0;
    let mut scan = Scan {
        read,
        matcher: Matcher::new(&read.filter),
        index: transaction.open_table(INDEX)?,
        blocks: transaction.open_table(BLOCKS)?,
        budget: BUDGET,
        page: Page::default(),
    };
    match read.direction {
        Direction::Forward => {
            let first = match read.start {
                // A number that no line has yet is of a life of this agent that is over and forgotten.
                Start::After(cursor) if cursor.at < next => cursor.at + 1,
                _ => 0,
            };
            scan.page.began = place(first.saturating_sub(1));
            scan.page.ended = scan.page.began;
            scan.forward(first, next)?;
        }
        Direction::Backward => {
            let end = match read.start {
                Start::After(cursor) => cursor.at.min(next),
                Start::Outside => next,
            };
            // What comes from now on comes behind the last line that there is.
            scan.page.began = place(end.saturating_sub(1));
            scan.page.ended = place(end);
            scan.backward(end)?;
        }
    }
    Ok(scan.page)
}

fn place(seq: u64) -> Cursor {
    Cursor { at: seq, tie: 0 }
}

struct Scan<'a> {
    read: &'a Read,
    matcher: Matcher<'a>,
    index: ReadOnlyTable<(&'static str, u64), IndexRow>,
    blocks: ReadOnlyTable<(&'static str, u64), &'static [u8]>,
    budget: usize,
    page: Page,
}

impl Scan<'_> {
    /// Looks at the lines from `first` on.
    fn forward(&mut self, first: u64, next: u64) -> Result<(), StoreError> {
        let agent = self.read.agent.as_str();
        let begin = match self.index.range((agent, 0)..=(agent, first))?.next_back() {
            Some(row) => row?.0.value().1,
            None => first,
        };
        for row in self.index.range((agent, begin)..(agent, u64::MAX))? {
            if self.is_over() {
                return Ok(());
            }
            let (key, value) = row?;
            let block_first = key.value().1;
            let indexed = Indexed::from_row(value.value());
            let block_last = block_first + u64::from(indexed.summary.lines).saturating_sub(1);
            if block_last < first {
                continue;
            }
            if self.matcher.may_be_among(&indexed.summary) {
                self.look_forward(block_first, first, indexed.bytes)?;
            }
            if !self.is_full() {
                self.page.ended = place(block_last);
            }
        }
        self.page.done = !self.is_full() || self.page.ended.at + 1 >= next;
        Ok(())
    }

    fn look_forward(&mut self, block_first: u64, first: u64, bytes: u32) -> Result<(), StoreError> {
        self.budget = self.budget.saturating_sub(bytes as usize);
        let Some(block) = self.blocks.get((self.read.agent.as_str(), block_first))? else {
            return Err(StoreError::Unreadable("the index: a block is missing"));
        };
        if !self.matcher.may_be_in(block.value()) {
            return Ok(());
        }
        for (seq, line) in (block_first..).zip(Lines::of(block.value())) {
            let line = line?;
            if seq >= first && self.matcher.wants(&line) {
                self.take(seq, &line);
                if self.is_full() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks at the lines before `end`, the newest first.
    fn backward(&mut self, end: u64) -> Result<(), StoreError> {
        let agent = self.read.agent.as_str();
        for row in self.index.range((agent, 0)..(agent, end))?.rev() {
            if self.is_over() {
                return Ok(());
            }
            let (key, value) = row?;
            let block_first = key.value().1;
            let indexed = Indexed::from_row(value.value());
            if self.matcher.may_be_among(&indexed.summary) {
                self.look_backward(block_first, end, indexed.bytes)?;
            }
            if !self.is_full() {
                self.page.ended = place(block_first);
            }
        }
        self.page.done = !self.is_full() || self.first()? >= self.page.ended.at;
        Ok(())
    }

    fn look_backward(&mut self, block_first: u64, end: u64, bytes: u32) -> Result<(), StoreError> {
        self.budget = self.budget.saturating_sub(bytes as usize);
        let Some(block) = self.blocks.get((self.read.agent.as_str(), block_first))? else {
            return Err(StoreError::Unreadable("the index: a block is missing"));
        };
        if !self.matcher.may_be_in(block.value()) {
            return Ok(());
        }
        // A block can only be read from its front: its last lines are taken on the way.
        let wanted = self.read.limit - self.page.found.len();
        let mut last = std::collections::VecDeque::with_capacity(wanted.min(1024));
        for (seq, line) in (block_first..end).zip(Lines::of(block.value())) {
            let line = line?;
            if self.matcher.wants(&line) {
                if last.len() == wanted {
                    last.pop_front();
                }
                last.push_back((seq, line));
            }
        }
        for (seq, line) in last.into_iter().rev() {
            self.take(seq, &line);
        }
        Ok(())
    }

    fn take(&mut self, seq: u64, line: &Record<'_>) {
        self.page.ended = place(seq);
        self.page.found.push(Found { entry: line.entry(seq), cursor: place(seq) });
    }

    /// The number of the oldest line.
    fn first(&self) -> Result<u64, StoreError> {
        let agent = self.read.agent.as_str();
        let first = self.index.range((agent, 0)..(agent, u64::MAX))?.next();
        Ok(first.transpose()?.map_or(0, |(key, _)| key.value().1))
    }

    fn is_full(&self) -> bool {
        self.page.found.len() >= self.read.limit
    }

    fn is_over(&self) -> bool {
        self.is_full() || self.budget == 0
    }
}
