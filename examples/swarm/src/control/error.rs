//! Why control says no.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::call::CallError;
use crate::model::{AgentId, AgentStatus, Refusal};
use crate::store::StoreError;

/// Why control did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("there is no agent `{0}`")]
    AgentNotFound(AgentId),
    /// From outside it looks like `AgentNotFound`, or ids could be guessed.
    #[error("agent `{0}` belongs to someone else")]
    NotOwner(AgentId),
    #[error("an agent that is {from} cannot become {to}", from = name(*.from), to = name(*.to))]
    IllegalTransition { from: AgentStatus, to: AgentStatus },
    #[error("an agent that is {} cannot be deleted", name(*.0))]
    StillInUse(AgentStatus),
    #[error(transparent)]
    Scheduler(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a write to the database was given up")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            ControlError::AgentNotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            ControlError::NotOwner(agent_id) => {
                return ControlError::AgentNotFound(agent_id.clone()).into_response();
            }
            ControlError::IllegalTransition { .. } | ControlError::StillInUse(_) => (StatusCode::CONFLICT, "conflict"),
            ControlError::Scheduler(err) => err.status(),
            ControlError::Store(_) | ControlError::Interrupted(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Refusal::response(status, code, &self)
    }
}

fn name(status: AgentStatus) -> &'static str {
    match status {
        AgentStatus::Provisioning => "provisioning",
        AgentStatus::Running => "running",
        AgentStatus::Hibernating => "hibernating",
        AgentStatus::Stopped => "stopped",
        AgentStatus::Failed => "failed",
    }
}
