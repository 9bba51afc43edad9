//! The agents of this control, in memory with their state, and written through to the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_runtime::{MetricSet, SessionId, Tracked, observed, warn};

use super::error::ControlError;
use crate::metrics::ControlMetrics;
use crate::model::{AgentId, AgentRecord, AgentStatus, Endpoint, GatewayId, Pod, UserId};
use crate::store::{Store, StoreError};

/// The agents. Clones share them.
#[derive(Clone)]
pub(super) struct Registry {
    store: Store,
    agents: Arc<Mutex<HashMap<AgentId, Agent>>>,
}

/// What is known of an agent. Only `record` is in the database.
struct Agent {
    record: AgentRecord,
    /// Its state is the record's status. It counts it.
    status: Tracked<AgentStatus>,
    /// Where it takes messages, while it runs.
    endpoint: Option<Endpoint>,
    /// The sessions that it is part of, while it runs, each with the gateway that serves it.
    sessions: HashMap<SessionId, GatewayId>,
}

impl Registry {
    /// The agents that the database knows, in the states that it knows them in.
    pub(super) fn restore(store: Store) -> Result<Self, StoreError> {
        let registry = Registry { store, agents: Arc::default() };
        for record in registry.store.all()? {
            let status = Tracked::restore(record.status);
            registry.keep(Agent::new(record, status));
        }
        Ok(registry)
    }

    /// A new agent.
    pub(super) async fn insert(&self, record: AgentRecord) -> Result<(), ControlError> {
        let status = Tracked::new(record.status);
        self.keep(Agent::new(record.clone(), status));
        self.save(record).await
    }

    /// Moves an agent to another state, if the states allow it.
    #[observed(agent_id)]
    pub(super) async fn transition(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let record = self.transition_in_memory(agent_id, to)?;
        self.save(record.clone()).await?;
        Ok(record)
    }

    /// The agent, if it belongs to the user.
    #[observed(user_id, agent_id)]
    pub(super) fn owned(&self, user_id: &UserId, agent_id: &AgentId) -> Result<AgentRecord, ControlError> {
        let agents = self.lock();
        let agent = agents.get(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        if agent.record.user_id == *user_id {
            Ok(agent.record.clone())
        } else {
            warn!(target: "audit", owner = %agent.record.user_id, "Access to another user's agent refused");
            Err(ControlError::NotOwner(agent_id.clone()))
        }
    }

    /// The agent has a pod.
    pub(super) fn placed(&self, Pod { agent_id, address, .. }: Pod) {
        if let Some(agent) = self.lock().get_mut(&agent_id) {
            agent.endpoint = Some(Endpoint { address });
        }
    }

    /// The agent is part of one more session, if it runs. To begin one twice does no harm.
    #[observed(agent_id)]
    pub(super) fn begin_session(
        &self,
        agent_id: &AgentId,
        session_id: SessionId,
        gateway_id: GatewayId,
    ) -> Result<Endpoint, ControlError> {
        let mut agents = self.lock();
        let agent = agents.get_mut(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        let Some(endpoint) = agent.endpoint.clone().filter(|_| agent.record.status == AgentStatus::Running) else {
            return Err(ControlError::NotRunning(agent_id.clone()));
        };
        if agent.sessions.insert(session_id, gateway_id).is_none() {
            ControlMetrics::global().session_began(agent_id);
        }
        let user_id = agent.record.user_id.clone();
        count(&user_id, &agents);
        Ok(endpoint)
    }

    /// The session is over, if it was there.
    pub(super) fn end_session(&self, record: &AgentRecord, session_id: &SessionId) {
        let mut agents = self.lock();
        if agents.get_mut(&record.agent_id).is_some_and(|agent| agent.sessions.remove(session_id).is_some()) {
            count(&record.user_id, &agents);
        }
    }

    /// The sessions that this gateway served are over; how many there were.
    pub(super) fn end_sessions_of(&self, gateway_id: &GatewayId) -> usize {
        let mut agents = self.lock();
        let mut ended = HashMap::new();
        for agent in agents.values_mut() {
            let over = agent.sessions.extract_if(|_, by| by == gateway_id).count();
            if over > 0 {
                *ended.entry(agent.record.user_id.clone()).or_insert(0) += over;
            }
        }
        ended.keys().for_each(|user_id| count(user_id, &agents));
        ended.values().sum()
    }

    /// Whose an agent is, if there is such an agent.
    pub(super) fn owner_of(&self, agent_id: &AgentId) -> Option<UserId> {
        self.lock().get(agent_id).map(|agent| agent.record.user_id.clone())
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
        count(&user_id, &agents);
    }

    fn forget(&self, record: &AgentRecord) {
        let mut agents = self.lock();
        if agents.remove(&record.agent_id).is_some() {
            ControlMetrics::global().agent_left(&record.agent_id);
            count(&record.user_id, &agents);
        }
    }

    fn transition_in_memory(&self, agent_id: &AgentId, to: AgentStatus) -> Result<AgentRecord, ControlError> {
        let mut agents = self.lock();
        let agent = agents.get_mut(agent_id).ok_or_else(|| ControlError::AgentNotFound(agent_id.clone()))?;
        agent.status.transition(to)?;
        agent.record.status = to;
        if to != AgentStatus::Running {
            agent.endpoint = None;
            agent.sessions.clear();
        }
        let record = agent.record.clone();
        ControlMetrics::global().agent_is(&record);
        if to == AgentStatus::Failed {
            ControlMetrics::global().agent_failed(agent_id);
        }
        count(&record.user_id, &agents);
        Ok(record)
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

impl Agent {
    fn new(record: AgentRecord, status: Tracked<AgentStatus>) -> Self {
        Agent { record, status, endpoint: None, sessions: HashMap::new() }
    }
}

/// Counts what a user has.
fn count(user_id: &UserId, agents: &HashMap<AgentId, Agent>) {
    let sessions = agents.values().filter(|agent| agent.record.user_id == *user_id).map(|agent| agent.sessions.len());
    let (agents, sessions) = sessions.fold((0, 0), |(agents, sum), sessions| (agents + 1, sum + sessions));
    ControlMetrics::global().user_has(user_id, agents, sessions);
}
