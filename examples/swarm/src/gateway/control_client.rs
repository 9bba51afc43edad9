//! Gateway's view of control.
//!
//! Each function writes the current context into the headers before it sends them. Its errors are told at `debug`: what
//! control refuses is in control's log, and that it could not be reached is told by [`Peer::send`].

use http::{HeaderMap, Method};
use obs_runtime::{correlated, observed};

use crate::call::{CallError, NOTHING, Peer};
use crate::model::{AgentId, AgentRecord, AgentSpec, Change, UserId};

/// Calls control on behalf of a user, whom the headers name.
#[derive(Debug)]
pub(super) struct ControlClient {
    peer: Peer,
}

impl ControlClient {
    pub(super) fn new(base: &str) -> Self {
        ControlClient { peer: Peer::new("control", base) }
    }

    #[correlated(outbound)]
    #[observed(user_id, name = "control.create_agent", kind = "client", err = "debug")]
    pub(super) async fn create_agent(
        &self,
        user_id: &UserId,
        spec: &AgentSpec,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::POST, "/agents", headers, Some(spec)).await
    }

    #[correlated(outbound)]
    #[observed(user_id, name = "control.list_agents", kind = "client", err = "debug")]
    pub(super) async fn list_agents(
        &self,
        user_id: &UserId,
        headers: HeaderMap,
    ) -> Result<Vec<AgentRecord>, CallError> {
        self.peer.call(Method::GET, "/agents", headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, %change, name = "control.change_agent", kind = "client", err = "debug")]
    pub(super) async fn change_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        change: Change,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::POST, &format!("/agents/{agent_id}/{change}"), headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, name = "control.delete_agent", kind = "client", err = "debug")]
    pub(super) async fn delete_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::DELETE, &format!("/agents/{agent_id}"), headers, NOTHING).await
    }
}
