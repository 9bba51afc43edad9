//! The agents of this control, in memory with their state, and written through to the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::ControlError;
use crate::model::{AgentId, AgentRecord, AgentStatus, UserId};
use crate::store::{Store, StoreError};

/// The agents. Clones share them.
#[derive(Clone)]
pub(super) struct Registry {
    store: Store,
    agents: Arc<Mutex<HashMap<AgentId, AgentRecord>>>,
}

impl Registry {
    /// The agents that the database knows.
    pub(super) fn restore(store: Store) -> Result<Self, StoreError> {
        let agents = store.all()?.into_iter().map(|record| (record.agent_id.clone(), record)).collect();
        Ok(Registry { store, agents: Arc::new(Mutex::new(agents)) })
    }

    /// A new agent.
    pub(super) async fn insert(&self, record: AgentRecord) -> Result<(), ControlError> {
        self.lock().insert(record.agent_id.clone(), record.clone());
        self.save(record).await
    }

    /// Moves an agent to another state, if the states allow it.
    pub(super) async fn transition(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let record = self.transition_in_memory(agent_id, to)?;
        self.save(record.clone()).await?;
        Ok(record)
    }

    /// The agent, if it belongs to the user.
    pub(super) fn owned(&self, user_id: &UserId, agent_id: &AgentId) -> Result<AgentRecord, ControlError> {
        let agents = self.lock();
        let record = agents.get(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        if record.user_id == *user_id { Ok(record.clone()) } else { Err(ControlError::NotOwner(agent_id.clone())) }
    }

    /// Every agent of the user, as the database has them.
    pub(super) async fn owned_by(&self, user_id: UserId) -> Result<Vec<AgentRecord>, ControlError> {
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || store.owned_by(&user_id)).await??)
    }

    /// Forgets an agent.
    pub(super) async fn remove(&self, record: AgentRecord) -> Result<(), ControlError> {
        self.lock().remove(&record.agent_id);
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || store.remove(&record.user_id, &record.agent_id)).await??)
    }

    /// For a birth that was given up: there is nobody left to wait for the database.
    pub(super) fn fail_in_background(&self, agent_id: &AgentId) {
        if let Ok(record) = self.transition_in_memory(agent_id, AgentStatus::Failed) {
            let registry = self.clone();
            tokio::spawn(async move { registry.save(record).await });
        }
    }

    fn transition_in_memory(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let mut agents = self.lock();
        let record = agents.get_mut(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        let from = record.status;
        if !legal(from, to) {
            return Err(ControlError::IllegalTransition { from, to });
        }
        record.status = to;
        Ok(record.clone())
    }

    async fn save(&self, record: AgentRecord) -> Result<(), ControlError> {
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || store.put(&record)).await??)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, AgentRecord>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn legal(from: AgentStatus, to: AgentStatus) -> bool {
    use AgentStatus::{Failed, Hibernating, Provisioning, Running, Stopped};
    matches!(
        (from, to),
        (Provisioning, Running | Failed)
            | (Running, Hibernating | Stopped | Failed)
            | (Hibernating, Running | Stopped | Failed)
            | (Stopped | Failed, Provisioning)
    )
}
