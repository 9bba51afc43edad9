//! The agents of this control, in memory with their state, and written through to the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_runtime::{MetricSet, Tracked, observed};

use super::error::ControlError;
use crate::metrics::ControlMetrics;
use crate::model::{AgentId, AgentRecord, AgentStatus, UserId};
use crate::store::{Store, StoreError};

/// The agents. Clones share them.
#[derive(Clone)]
pub(super) struct Registry {
    store: Store,
    agents: Arc<Mutex<HashMap<AgentId, Agent>>>,
}

/// The record's status is the state of `status`, which counts it.
struct Agent {
    record: AgentRecord,
    status: Tracked<AgentStatus>,
}

impl Registry {
    /// The agents that the database knows, in the states that it knows them in.
    pub(super) fn restore(store: Store) -> Result<Self, StoreError> {
        let registry = Registry { store, agents: Arc::default() };
        for record in registry.store.all()? {
            let status = Tracked::restore(record.status);
            registry.keep(Agent { record, status });
        }
        Ok(registry)
    }

    /// A new agent.
    pub(super) async fn insert(&self, record: AgentRecord) -> Result<(), ControlError> {
        let status = Tracked::new(record.status);
        self.keep(Agent { record: record.clone(), status });
        self.save(record).await
    }

    /// Moves an agent to another state, if the states allow it.
    #[observed(agent_id, err = "warn")]
    pub(super) async fn transition(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let record = self.transition_in_memory(agent_id, to)?;
        self.save(record.clone()).await?;
        Ok(record)
    }

    /// The agent, if it belongs to the user. That it does not is no failure of ours.
    #[observed(user_id, agent_id, err = "warn")]
    pub(super) fn owned(&self, user_id: &UserId, agent_id: &AgentId) -> Result<AgentRecord, ControlError> {
        let agents = self.lock();
        let agent = agents.get(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        if agent.record.user_id == *user_id {
            Ok(agent.record.clone())
        } else {
            Err(ControlError::NotOwner(agent_id.clone()))
        }
    }

    /// Every agent of the user, as the database has them.
    pub(super) async fn owned_by(&self, user_id: UserId) -> Result<Vec<AgentRecord>, ControlError> {
        let store = self.store.clone();
        Ok(obs_runtime::spawn_blocking(move || store.owned_by(&user_id)).await??)
    }

    /// The agents that should have a pod.
    pub(super) fn running(&self) -> Vec<AgentId> {
        let runs = |agent: &&Agent| matches!(agent.record.status, AgentStatus::Provisioning | AgentStatus::Running);
        self.lock().values().filter(runs).map(|agent| agent.record.agent_id.clone()).collect()
    }

    /// Forgets an agent.
    pub(super) async fn remove(&self, record: AgentRecord) -> Result<(), ControlError> {
        self.forget(&record);
        let store = self.store.clone();
        Ok(obs_runtime::spawn_blocking(move || store.remove(&record.user_id, &record.agent_id)).await??)
    }

    /// For an attempt that was given up: there may be nobody left to wait for the database.
    pub(super) fn fail_in_background(&self, agent_id: &AgentId) {
        if let Ok(record) = self.transition_in_memory(agent_id, AgentStatus::Failed) {
            let registry = self.clone();
            obs_runtime::spawn(async move { registry.save(record).await });
        }
    }

    fn keep(&self, agent: Agent) {
        let mut agents = self.lock();
        ControlMetrics::global().agent_is(&agent.record);
        let user_id = agent.record.user_id.clone();
        agents.insert(agent.record.agent_id.clone(), agent);
        count_agents_of(&user_id, &agents);
    }

    fn forget(&self, record: &AgentRecord) {
        let mut agents = self.lock();
        if agents.remove(&record.agent_id).is_some() {
            ControlMetrics::global().agent_left(&record.agent_id);
            count_agents_of(&record.user_id, &agents);
        }
    }

    fn transition_in_memory(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let mut agents = self.lock();
        let agent = agents.get_mut(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        agent.status.transition(to)?;
        agent.record.status = to;
        ControlMetrics::global().agent_is(&agent.record);
        if to == AgentStatus::Failed {
            ControlMetrics::global().agent_failed(agent_id);
        }
        Ok(agent.record.clone())
    }

    /// A thread that may block waits for the database; `obs_runtime::spawn_blocking` keeps it in the trace.
    async fn save(&self, record: AgentRecord) -> Result<(), ControlError> {
        let store = self.store.clone();
        Ok(obs_runtime::spawn_blocking(move || store.put(&record)).await??)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_agents_of(user_id: &UserId, agents: &HashMap<AgentId, Agent>) {
    let count = agents.values().filter(|agent| agent.record.user_id == *user_id).count();
    ControlMetrics::global().user_has(user_id, count, 0);
}
