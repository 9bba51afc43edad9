//! Gateway's view of an agent.

use http::{HeaderMap, Method};
use obs_runtime::{correlated, observed};

use crate::call::{CallError, Peer};
use crate::chat::Message;

/// Calls one agent.
#[derive(Debug)]
pub(super) struct AgentClient {
    peer: Peer,
}

impl AgentClient {
    /// The agent that listens at `address`.
    pub(super) fn new(address: &str) -> Self {
        AgentClient { peer: Peer::new("agent", &format!("http://{address}")) }
    }

    /// The headers say which message it is, of which session and request.
    #[correlated(outbound)]
    #[observed(name = "agent.send_message", kind = "client")]
    pub(super) async fn send_message(&self, message: &Message, headers: HeaderMap) -> Result<Message, CallError> {
        self.peer.call(Method::POST, "/messages", headers, Some(message)).await
    }
}
