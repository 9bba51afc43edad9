//! Gateway's view of control.
//!
//! Each function writes the current context into the headers before it sends them.

use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use obs_runtime::{SessionId, correlated, observed};

use crate::call::{CallError, NOTHING, Peer};
use crate::model::{AgentId, AgentRecord, AgentSpec, Change, Endpoint, GatewayId, ServedBy, UserId};

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
    #[observed(user_id, name = "control.create_agent", kind = "client")]
    pub(super) async fn create_agent(
        &self,
        user_id: &UserId,
        spec: &AgentSpec,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::POST, "/agents", headers, Some(spec)).await
    }

    #[correlated(outbound)]
    #[observed(user_id, name = "control.list_agents", kind = "client")]
    pub(super) async fn list_agents(
        &self,
        user_id: &UserId,
        headers: HeaderMap,
    ) -> Result<Vec<AgentRecord>, CallError> {
        self.peer.call(Method::GET, "/agents", headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, name = "control.find_agent", kind = "client")]
    pub(super) async fn find_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::GET, &format!("/agents/{agent_id}"), headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, session_id, name = "control.begin_session", kind = "client")]
    pub(super) async fn begin_session(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        session_id: &SessionId,
        by: ServedBy,
        headers: HeaderMap,
    ) -> Result<Endpoint, CallError> {
        let path = format!("/agents/{agent_id}/sessions/{}", escaped(session_id));
        self.peer.call(Method::PUT, &path, headers, Some(&by)).await
    }

    /// This gateway is there. That control is not, others find out and tell.
    pub(super) async fn gateway_lives(&self, id: &GatewayId) {
        self.peer.notify(&format!("/gateways/{id}")).await;
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, session_id, name = "control.end_session", kind = "client")]
    pub(super) async fn end_session(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        session_id: &SessionId,
        headers: HeaderMap,
    ) -> Result<(), CallError> {
        let path = format!("/agents/{agent_id}/sessions/{}", escaped(session_id));
        self.peer.call(Method::DELETE, &path, headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, %change, name = "control.change_agent", kind = "client")]
    pub(super) async fn change_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        change: Change,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::POST, &format!("/agents/{agent_id}/{change}"), headers, NOTHING).await
    }

    /// Whose log it is, is in the path and in the answer: the same as of the request to the gateway.
    #[correlated(outbound)]
    #[observed(name = "control.agent_logs", kind = "client")]
    pub(super) async fn agent_logs(&self, uri: &Uri, headers: HeaderMap) -> Result<Response, CallError> {
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        self.peer.forward(Method::GET, path, headers).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, name = "control.delete_agent", kind = "client")]
    pub(super) async fn delete_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        headers: HeaderMap,
    ) -> Result<AgentRecord, CallError> {
        self.peer.call(Method::DELETE, &format!("/agents/{agent_id}"), headers, NOTHING).await
    }
}

/// A session's id is visible ASCII, whatever the client has chosen; a path is less.
fn escaped(session_id: &SessionId) -> String {
    session_id.as_str().bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}
