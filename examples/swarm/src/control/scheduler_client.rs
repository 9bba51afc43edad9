//! Control's view of the scheduler.

use http::{HeaderMap, Method};

use crate::call::{CallError, Peer};
use crate::caller::name_caller;
use crate::model::{AgentId, Pod, PodRequest, UserId};

/// Calls the scheduler.
#[derive(Debug)]
pub(super) struct SchedulerClient {
    peer: Peer,
}

impl SchedulerClient {
    pub(super) fn new(base: &str) -> Self {
        SchedulerClient { peer: Peer::new("scheduler", base) }
    }

    pub(super) async fn schedule_agent(
        &self,
        user_id: &UserId,
        _agent_id: &AgentId,
        request: &PodRequest,
    ) -> Result<Pod, CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::POST, "/pods", headers, Some(request)).await
    }

    pub(super) async fn remove_pod(&self, user_id: &UserId, agent_id: &AgentId) -> Result<(), CallError> {
        let mut headers = HeaderMap::new();
        name_caller(&mut headers, user_id);
        self.peer.call(Method::DELETE, &format!("/pods/{agent_id}"), headers, None::<&()>).await
    }
}
