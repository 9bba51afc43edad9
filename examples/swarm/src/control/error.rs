//! Why control says no.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use obs_runtime::IllegalTransition;

use crate::call::CallError;
use crate::model::{AgentId, Refusal};
use crate::store::StoreError;

/// Why control did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("there is no agent `{0}`")]
    AgentNotFound(AgentId),
    /// From outside it looks like `AgentNotFound`, or ids could be guessed.
    #[error("agent `{0}` belongs to someone else")]
    NotOwner(AgentId),
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    #[error("agent `{0}` does not hibernate, so it cannot resume")]
    NotHibernating(AgentId),
    #[error("agent `{0}` is still in use: stop it first")]
    StillInUse(AgentId),
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
            ControlError::IllegalTransition(_) | ControlError::NotHibernating(_) | ControlError::StillInUse(_) => {
                (StatusCode::CONFLICT, "conflict")
            }
            ControlError::Scheduler(err) => err.status(),
            ControlError::Store(_) | ControlError::Interrupted(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Refusal::response(status, code, &self)
    }
}
