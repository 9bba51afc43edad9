//! Lines on their way into a store, and how far the files were read that they come from.

use std::collections::HashMap;

use super::block::Block;
use crate::collect::Position;
use crate::model::{AgentId, Line, Stream, UserId};

/// A block that is longer takes no further line. A little less than a power of two, for the pages that hold it.
const BLOCK: usize = 31 * 1024;

/// Whose lines these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The agent that wrote them.
    pub agent_id: AgentId,
    /// Its owner, where the collector knows.
    pub user_id: Option<UserId>,
}

/// What is kept together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    agents: Vec<AgentLines>,
    by_id: HashMap<AgentId, usize>,
    checkpoints: Vec<Checkpoint>,
}

/// Lines of one agent, in their order.
#[derive(Clone, Debug)]
pub struct AgentLines {
    pub(crate) owner: Owner,
    pub(crate) blocks: Vec<Block>,
    pub(crate) counts: Counts,
}

/// How many lines of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stdout: u64,
    pub(crate) stderr: u64,
    pub(crate) cut: u64,
}

/// How far a file is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The name of the file in its directory.
    pub file: String,
    /// Up to where.
    pub position: Position,
}

impl Batch {
    /// Where to add lines of this agent.
    pub fn lines_of(&mut self, owner: &Owner) -> &mut AgentLines {
        let at = *self.by_id.entry(owner.agent_id.clone()).or_insert_with(|| {
            self.agents.push(AgentLines { owner: owner.clone(), blocks: Vec::new(), counts: Counts::default() });
            self.agents.len() - 1
        });
        &mut self.agents[at]
    }

    /// Adds how far a file is read, with its lines up to there in this batch.
    pub fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push(checkpoint);
    }

    /// There is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.checkpoints.is_empty()
    }

    /// How many bytes the lines take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.agents.iter().flat_map(|agent| &agent.blocks).map(|block| block.bytes.len()).sum()
    }

    /// The lines, by agent.
    #[must_use]
    pub fn agents(&self) -> &[AgentLines] {
        &self.agents
    }

    /// How far the files are read.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }
}

impl AgentLines {
    /// Adds a line behind the others.
    pub fn push(&mut self, line: &Line<'_>) {
        if self.blocks.last().is_none_or(|block| block.bytes.len() + line.message.len() + line.fields.len() > BLOCK) {
            self.blocks.push(Block::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(line);
        }
        match line.stream {
            Stream::Stdout => self.counts.stdout += 1,
            Stream::Stderr => self.counts.stderr += 1,
        }
        self.counts.cut += u64::from(line.cut);
    }

    /// Whose lines they are.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
}
