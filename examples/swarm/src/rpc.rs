//! The scheduler's contract, made from `proto/scheduler.proto`, and its messages in the words of [`model`](crate::model).

use crate::model::{AgentSpec, BadId, Pod, PodRequest};

/// As it was generated.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
pub mod v1 {
    tonic::include_proto!("swarm.scheduler.v1");
}

/// A message that is not what was agreed.
#[derive(Debug, thiserror::Error)]
pub enum BadMessage {
    #[error(transparent)]
    Id(#[from] BadId),
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

impl From<AgentSpec> for v1::AgentSpec {
    fn from(AgentSpec { name, region, memory_mib, image }: AgentSpec) -> Self {
        v1::AgentSpec { name, region, memory_mib, image }
    }
}

impl From<v1::AgentSpec> for AgentSpec {
    fn from(v1::AgentSpec { name, region, memory_mib, image }: v1::AgentSpec) -> Self {
        AgentSpec { name, region, memory_mib, image }
    }
}

impl From<PodRequest> for v1::ScheduleAgentRequest {
    fn from(PodRequest { agent_id, user_id, spec }: PodRequest) -> Self {
        v1::ScheduleAgentRequest { agent_id: agent_id.into(), user_id: user_id.into(), spec: Some(spec.into()) }
    }
}

impl TryFrom<v1::ScheduleAgentRequest> for PodRequest {
    type Error = BadMessage;

    fn try_from(
        v1::ScheduleAgentRequest { agent_id, user_id, spec }: v1::ScheduleAgentRequest,
    ) -> Result<Self, BadMessage> {
        let spec = spec.ok_or(BadMessage::Missing("spec"))?.into();
        Ok(PodRequest { agent_id: agent_id.parse()?, user_id: user_id.parse()?, spec })
    }
}

impl From<Pod> for v1::Pod {
    fn from(Pod { agent_id, node, process_id, address, metrics_address }: Pod) -> Self {
        v1::Pod { agent_id: agent_id.into(), node, process_id, address, metrics_address }
    }
}

impl TryFrom<v1::Pod> for Pod {
    type Error = BadMessage;

    fn try_from(v1::Pod { agent_id, node, process_id, address, metrics_address }: v1::Pod) -> Result<Self, BadMessage> {
        Ok(Pod { agent_id: agent_id.parse()?, node, process_id, address, metrics_address })
    }
}
