//! What an agent knows of itself.

use obs_runtime::{Counter, Gauge, LabelSet, LabelValue, MetricSet};

use super::usage::Usage;
use crate::model::AgentId;

#[derive(MetricSet)]
pub(super) struct AgentMetrics {
    /// CPU time in percent of one core, since the last look.
    agent_cpu_usage_percent: Gauge<AgentLabels>,
    /// Memory that the agent occupies.
    agent_memory_usage_bytes: Gauge<AgentLabels>,
    /// How long the agent has been running.
    agent_uptime_seconds: Gauge<AgentLabels>,
    /// Tokens that went into the model and came out of it.
    agent_model_tokens_total: Counter<TokenLabels>,
}

#[derive(LabelSet)]
struct AgentLabels {
    agent_id: AgentId,
}

#[derive(LabelSet)]
struct TokenLabels {
    agent_id: AgentId,
    direction: Direction,
}

#[derive(LabelValue)]
enum Direction {
    Input,
    Output,
}

impl AgentMetrics {
    /// Shows what the agent uses.
    pub(super) fn show(&self, agent_id: &AgentId, usage: &Usage) {
        let labels = || AgentLabels { agent_id: agent_id.clone() };
        self.agent_uptime_seconds.with(labels()).set(usage.uptime_seconds);
        if let Some(percent) = usage.cpu_percent {
            self.agent_cpu_usage_percent.with(labels()).set(percent);
        }
        if let Some(bytes) = usage.memory_bytes {
            self.agent_memory_usage_bytes.with(labels()).set(bytes);
        }
    }

    /// The model was asked and has answered.
    pub(super) fn model_called(&self, agent_id: &AgentId, input: usize, output: usize) {
        for (direction, tokens) in [(Direction::Input, input), (Direction::Output, output)] {
            let labels = TokenLabels { agent_id: agent_id.clone(), direction };
            self.agent_model_tokens_total.with(labels).add(tokens as u64);
        }
    }
}
