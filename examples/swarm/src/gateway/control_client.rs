//! Gateway's view of control.

use http::{HeaderMap, Method};

use crate::call::{CallError, Peer};
use crate::caller::name_caller;
use crate::model::{AgentId, AgentRecord, AgentSpec, Change, UserId};

/// Calls control on behalf of a user.
#[derive(Debug)]
pub(super) struct ControlClient {
    peer: Peer,
}

const NOTHING: Option<&()> = None;

impl ControlClient {
    pub(super) fn new(base: &str) -> Self {
        ControlClient { peer: Peer::new("control", base) }
    }

    pub(super) async fn create_agent(&self, user_id: &UserId, spec: &AgentSpec) -> Result<AgentRecord, CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::POST, "/agents", headers, Some(spec)).await
    }

    pub(super) async fn list_agents(&self, user_id: &UserId) -> Result<Vec<AgentRecord>, CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::GET, "/agents", headers, NOTHING).await
    }

    pub(super) async fn change_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        change: Change,
    ) -> Result<AgentRecord, CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::POST, &format!("/agents/{agent_id}/{change}"), headers, NOTHING).await
    }

    pub(super) async fn delete_agent(&self, user_id: &UserId, agent_id: &AgentId) -> Result<AgentRecord, CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::DELETE, &format!("/agents/{agent_id}"), headers, NOTHING).await
    }
}
