//! What control counts. Which agents are in which state is counted by the states themselves.

use obs_runtime::{Counter, Gauge, LabelSet, MetricSet};

use super::{AgentLabels, UserLabels};
use crate::model::{AgentId, AgentRecord, AgentStatus, UserId};

/// What control counts by user and by agent. The series of an agent leave with it, those of a user with the last agent.
#[derive(MetricSet)]
pub struct ControlMetrics {
    /// Agents that a user has, in whatever state.
    #[metric(allow(naming))]
    pub user_agents_count: Gauge<UserLabels>,
    /// Sessions that a user has with agents now.
    pub user_sessions_active: Gauge<UserLabels>,
    /// 1 for the state that an agent is in, 0 for the others.
    pub agent_status: Gauge<AgentStatusLabels>,
    /// How often an agent failed.
    pub agent_errors_total: Counter<AgentLabels>,
    /// Sessions that an agent was part of.
    pub agent_sessions_total: Counter<AgentLabels>,
}

/// The labels of `agent_status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct AgentStatusLabels {
    /// The agent.
    pub agent_id: AgentId,
    /// One of its states.
    pub status: AgentStatus,
}

impl ControlMetrics {
    /// The user has so many agents, and so many sessions with them. Who has no agent has no series.
    pub(crate) fn user_has(&self, user_id: &UserId, agents: usize, sessions: usize) {
        let labels = UserLabels { user_id: user_id.clone() };
        if agents == 0 {
            self.user_agents_count.remove(&labels);
            self.user_sessions_active.remove(&labels);
        } else {
            self.user_agents_count.with(labels.clone()).set(agents as f64);
            self.user_sessions_active.with(labels).set(sessions as f64);
        }
    }

    /// The agent is in the state that its record says.
    pub(crate) fn agent_is(&self, record: &AgentRecord) {
        for status in AgentStatus::ALL {
            let labels = AgentStatusLabels { agent_id: record.agent_id.clone(), status };
            self.agent_status.with(labels).set(if status == record.status { 1.0 } else { 0.0 });
        }
    }

    /// The agent failed once more.
    pub(crate) fn agent_failed(&self, agent_id: &AgentId) {
        self.agent_errors_total.with(AgentLabels { agent_id: agent_id.clone() }).inc();
    }

    /// The agent is part of one more session.
    pub(crate) fn session_began(&self, agent_id: &AgentId) {
        self.agent_sessions_total.with(AgentLabels { agent_id: agent_id.clone() }).inc();
    }

    /// The agent is gone, and its series with it.
    pub(crate) fn agent_left(&self, agent_id: &AgentId) {
        for status in AgentStatus::ALL {
            self.agent_status.remove(&AgentStatusLabels { agent_id: agent_id.clone(), status });
        }
        let labels = AgentLabels { agent_id: agent_id.clone() };
        self.agent_errors_total.remove(&labels);
        self.agent_sessions_total.remove(&labels);
    }
}
