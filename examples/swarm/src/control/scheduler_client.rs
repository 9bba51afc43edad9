//! Control's view of the scheduler.

use http::{HeaderMap, Method};
use obs_runtime::{correlated, observed};

use crate::call::{CallError, NOTHING, Peer};
use crate::model::{AgentId, Pod, PodRequest, UserId};

/// Calls the scheduler on behalf of a user, whom the headers name. Its errors are told where they begin.
#[derive(Debug)]
pub(super) struct SchedulerClient {
    peer: Peer,
}

impl SchedulerClient {
    pub(super) fn new(base: &str) -> Self {
        SchedulerClient { peer: Peer::new("scheduler", base) }
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, name = "scheduler.schedule_agent", kind = "client", err = "debug")]
    pub(super) async fn schedule_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        request: &PodRequest,
        headers: HeaderMap,
    ) -> Result<Pod, CallError> {
        self.peer.call(Method::POST, "/pods", headers, Some(request)).await
    }

    #[correlated(outbound)]
    #[observed(name = "scheduler.list_pods", kind = "client", err = "debug")]
    pub(super) async fn list_pods(&self, headers: HeaderMap) -> Result<Vec<Pod>, CallError> {
        self.peer.call(Method::GET, "/pods", headers, NOTHING).await
    }

    #[correlated(outbound)]
    #[observed(user_id, agent_id, name = "scheduler.remove_pod", kind = "client", err = "debug")]
    pub(super) async fn remove_pod(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        headers: HeaderMap,
    ) -> Result<(), CallError> {
        self.peer.call(Method::DELETE, &format!("/pods/{agent_id}"), headers, NOTHING).await
    }
}
