//! What an agent knows of itself.

use obs_runtime::{Counter, Gauge, LabelSet, LabelValue, MetricSet};

use super::AgentLabels;
use crate::agent::Usage;
use crate::model::AgentId;

/// What an agent publishes. Its process ends with it, and so do its series.
#[derive(MetricSet)]
pub struct AgentMetrics {
    /// CPU time in percent of one core, since the last look.
    pub agent_cpu_usage_percent: Gauge<AgentLabels>,
    /// Memory that the agent occupies.
    pub agent_memory_usage_bytes: Gauge<AgentLabels>,
    /// How long the agent has been running.
    pub agent_uptime_seconds: Gauge<AgentLabels>,
    /// Tokens that went into the model and came out of it.
    pub agent_model_tokens_total: Counter<TokenLabels>,
}

/// The labels of `agent_model_tokens_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct TokenLabels {
    /// The agent.
    pub agent_id: AgentId,
    /// Which way they went.
    pub direction: TokenDirection,
}

/// Which way tokens go, as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum TokenDirection {
    /// Into the model.
    Input,
    /// Out of it.
    Output,
}

impl AgentMetrics {
    /// Shows what the agent uses.
    pub(crate) fn show(&self, agent_id: &AgentId, usage: &Usage) {
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
    pub(crate) fn model_called(&self, agent_id: &AgentId, input: usize, output: usize) {
        for (direction, tokens) in [(TokenDirection::Input, input), (TokenDirection::Output, output)] {
            let labels = TokenLabels { agent_id: agent_id.clone(), direction };
            self.agent_model_tokens_total.with(labels).add(tokens as u64);
        }
    }
}
