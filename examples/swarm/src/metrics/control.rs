//! What control counts. Which agents are in which state is counted by the states themselves.

use obs_runtime::{Counter, Gauge, LabelSet, MetricSet};

use crate::model::{AgentId, AgentRecord, AgentStatus, UserId};

#[derive(MetricSet)]
pub(super) struct ControlMetrics {
    /// Agents that a user has, in whatever state.
    #[metric(allow(naming))]
    user_agents_count: Gauge<UserLabels>,
    /// 1 for the state that an agent is in, 0 for the others.
    agent_status: Gauge<StatusLabels>,
    /// How often an agent failed.
    agent_errors_total: Counter<AgentLabels>,
}

#[derive(LabelSet)]
struct UserLabels {
    user_id: UserId,
}

#[derive(LabelSet)]
struct StatusLabels {
    agent_id: AgentId,
    status: AgentStatus,
}

#[derive(LabelSet)]
struct AgentLabels {
    agent_id: AgentId,
}

impl ControlMetrics {
    /// The user has so many agents. Who has none has no series.
    pub(super) fn user_has(&self, user_id: &UserId, agents: usize) {
        let labels = UserLabels { user_id: user_id.clone() };
        if agents == 0 {
            self.user_agents_count.remove(&labels);
        } else {
            self.user_agents_count.with(labels).set(agents as f64);
        }
    }

    /// The agent is in the state that its record says.
    pub(super) fn agent_is(&self, record: &AgentRecord) {
        for status in AgentStatus::ALL {
            let labels = StatusLabels { agent_id: record.agent_id.clone(), status };
            self.agent_status.with(labels).set(if status == record.status { 1.0 } else { 0.0 });
        }
    }

    /// The agent failed once more.
    pub(super) fn agent_failed(&self, agent_id: &AgentId) {
        self.agent_errors_total.with(AgentLabels { agent_id: agent_id.clone() }).inc();
    }

    /// The agent is gone, and its series with it.
    pub(super) fn agent_left(&self, agent_id: &AgentId) {
        for status in AgentStatus::ALL {
            self.agent_status.remove(&StatusLabels { agent_id: agent_id.clone(), status });
        }
        self.agent_errors_total.remove(&AgentLabels { agent_id: agent_id.clone() });
    }
}
