//! What can happen to an agent.

use std::collections::HashSet;
use std::time::Instant;

use obs_runtime::{SessionId, info, observed, record, warn};

use super::error::ControlError;
use super::leases::Leases;
use super::registry::Registry;
use super::scheduler_client::SchedulerClient;
use crate::call::CallError;
use crate::model::{AgentId, AgentRecord, AgentSpec, AgentStatus, Endpoint, GatewayId, PodRequest, UserId};

/// Control's service functions.
pub(super) struct Control {
    registry: Registry,
    scheduler: SchedulerClient,
    leases: Leases,
}

impl Control {
    pub(super) fn new(registry: Registry, scheduler: SchedulerClient) -> Self {
        Control { registry, scheduler, leases: Leases::default() }
    }

    /// Agents that ran when this control last ended may have lost their pods since: they have failed.
    #[observed]
    pub(super) async fn reconcile(&self) {
        // What goes wrong is told where it goes wrong, and does not keep control from answering.
        let Ok(pods) = self.scheduler.list_pods().await else { return };
        let with_pod: HashSet<_> = pods.iter().map(|pod| pod.agent_id.clone()).collect();
        pods.into_iter().for_each(|pod| self.registry.placed(pod));
        for agent_id in self.registry.running().into_iter().filter(|agent_id| !with_pod.contains(agent_id)) {
            warn!(%agent_id, "Agent has lost its pod");
            let _ = self.registry.transition(&agent_id, AgentStatus::Failed).await;
        }
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn create_agent(&self, user_id: UserId, spec: AgentSpec) -> Result<AgentRecord, ControlError> {
        let agent_id = AgentId::generate();
        record!(agent_id = agent_id);
        info!(region = spec.region, memory_mib = spec.memory_mib, "Creating agent");
        let record = AgentRecord { agent_id, user_id, spec, status: AgentStatus::Provisioning };
        let attempt = Attempt::begin(&self.registry, &record.agent_id);
        self.registry.insert(record.clone()).await?;
        info!(status = "provisioning", "Agent created");
        let node = self.place(&record).await?;
        let record = self.registry.transition(&record.agent_id, AgentStatus::Running).await?;
        attempt.succeeded();
        info!(status = "running", node, "Agent started");
        Ok(record)
    }

    #[observed(user_id)]
    pub(super) async fn list_agents(&self, user_id: UserId) -> Result<Vec<AgentRecord>, ControlError> {
        self.registry.owned_by(user_id).await
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn find_agent(&self, user_id: UserId, agent_id: AgentId) -> Result<AgentRecord, ControlError> {
        self.registry.owned(&user_id, &agent_id)
    }

    /// A user talks to an agent; says where the agent is.
    #[observed(user_id, agent_id, session_id)]
    pub(super) async fn begin_session(
        &self,
        user_id: UserId,
        agent_id: AgentId,
        session_id: SessionId,
        gateway_id: GatewayId,
    ) -> Result<Endpoint, ControlError> {
        self.registry.owned(&user_id, &agent_id)?;
        self.gateway_lives(gateway_id.clone());
        let endpoint = self.registry.begin_session(&agent_id, session_id, gateway_id)?;
        info!("Session recorded");
        Ok(endpoint)
    }

    #[observed(user_id, agent_id, session_id)]
    pub(super) async fn end_session(
        &self,
        user_id: UserId,
        agent_id: AgentId,
        session_id: SessionId,
    ) -> Result<(), ControlError> {
        let record = self.registry.owned(&user_id, &agent_id)?;
        self.registry.end_session(&record, &session_id);
        info!("Session closed");
        Ok(())
    }

    /// A gateway says that it is there, and serves the sessions that it has begun.
    pub(super) fn gateway_lives(&self, gateway_id: GatewayId) {
        self.leases.renew(gateway_id, Instant::now());
    }

    /// The gateways that have not said so for too long.
    pub(super) fn lapsed_gateways(&self) -> Vec<GatewayId> {
        self.leases.lapsed(Instant::now())
    }

    /// The sessions of a gateway that is gone are over. One that has stopped as it should has left none.
    #[observed(%gateway_id)]
    pub(super) fn gateway_gone(&self, gateway_id: &GatewayId) {
        let sessions = self.registry.end_sessions_of(gateway_id);
        if sessions > 0 {
            warn!(sessions, "Gateway is gone, its sessions are over");
        }
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn hibernate_agent(
        &self,
        user_id: UserId,
        agent_id: AgentId,
    ) -> Result<AgentRecord, ControlError> {
        self.registry.owned(&user_id, &agent_id)?;
        let record = self.registry.transition(&agent_id, AgentStatus::Hibernating).await?;
        self.scheduler.remove_pod(&user_id, &agent_id).await?;
        info!(status = "hibernating", "Agent hibernates");
        Ok(record)
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn resume_agent(&self, user_id: UserId, agent_id: AgentId) -> Result<AgentRecord, ControlError> {
        let record = self.registry.owned(&user_id, &agent_id)?;
        if record.status != AgentStatus::Hibernating {
            return Err(ControlError::NotHibernating(agent_id));
        }
        let attempt = Attempt::begin(&self.registry, &agent_id);
        let node = self.place(&record).await?;
        let record = self.registry.transition(&agent_id, AgentStatus::Running).await?;
        attempt.succeeded();
        info!(status = "running", node, "Agent resumed");
        Ok(record)
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn stop_agent(&self, user_id: UserId, agent_id: AgentId) -> Result<AgentRecord, ControlError> {
        self.registry.owned(&user_id, &agent_id)?;
        let record = self.registry.transition(&agent_id, AgentStatus::Stopped).await?;
        self.scheduler.remove_pod(&user_id, &agent_id).await?;
        info!(status = "stopped", "Agent stopped");
        Ok(record)
    }

    #[observed(user_id, agent_id)]
    pub(super) async fn delete_agent(&self, user_id: UserId, agent_id: AgentId) -> Result<AgentRecord, ControlError> {
        let record = self.registry.owned(&user_id, &agent_id)?;
        if !matches!(record.status, AgentStatus::Stopped | AgentStatus::Failed) {
            return Err(ControlError::StillInUse(agent_id));
        }
        self.registry.remove(record.clone()).await?;
        info!("Agent deleted");
        Ok(record)
    }

    /// Gives the agent a pod; says on which node.
    async fn place(&self, AgentRecord { user_id, agent_id, spec, .. }: &AgentRecord) -> Result<String, CallError> {
        let request = PodRequest { agent_id: agent_id.clone(), user_id: user_id.clone(), spec: spec.clone() };
        let pod = self.scheduler.schedule_agent(request).await?;
        let node = pod.node.clone();
        self.registry.placed(pod);
        Ok(node)
    }
}

/// An agent on its way to `running`. If it does not get there, because of an error or because the client went away
/// and the request was dropped, the agent has failed.
struct Attempt<'a> {
    registry: &'a Registry,
    agent_id: AgentId,
    succeeded: bool,
}

impl<'a> Attempt<'a> {
    fn begin(registry: &'a Registry, agent_id: &AgentId) -> Self {
        Attempt { registry, agent_id: agent_id.clone(), succeeded: false }
    }

    fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.succeeded {
            self.registry.fail_in_background(&self.agent_id);
        }
    }
}
