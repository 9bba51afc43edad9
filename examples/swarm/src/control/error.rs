//! Why control says no.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use obs_runtime::{Classify, IllegalTransition, InvalidId};

use crate::call::CallError;
use crate::model::{AgentId, Refusal};
use crate::store::StoreError;

/// Why control did not do it.
#[derive(Debug, thiserror::Error, Classify)]
// That somebody may not do what they asked for is no failure of control.
#[classify(level = "warn")]
pub(super) enum ControlError {
    #[error("there is no agent `{0}`")]
    #[classify(kind = "not_found")]
    AgentNotFound(AgentId),
    /// From outside it looks like `AgentNotFound`, or ids could be guessed.
    #[error("agent `{0}` belongs to someone else")]
    #[classify(kind = "not_owner")]
    NotOwner(AgentId),
    #[error(transparent)]
    #[classify(kind = "illegal_transition")]
    IllegalTransition(#[from] IllegalTransition),
    #[error("agent `{0}` does not hibernate, so it cannot resume")]
    #[classify(kind = "not_hibernating")]
    NotHibernating(AgentId),
    #[error("agent `{0}` does not run, so it cannot be talked to")]
    #[classify(kind = "not_running")]
    NotRunning(AgentId),
    #[error("agent `{0}` is still in use: stop it first")]
    #[classify(kind = "still_in_use")]
    StillInUse(AgentId),
    #[error("that is no id of a session")]
    #[classify(kind = "bad_session")]
    BadSession(#[from] InvalidId),
    #[error(transparent)]
    #[classify(transparent)]
    Scheduler(#[from] CallError),
    #[error(transparent)]
    #[classify(level = "error", kind = "store")]
    Store(#[from] StoreError),
    #[error("a write to the database was given up")]
    #[classify(level = "error", kind = "interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            ControlError::AgentNotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            ControlError::NotOwner(agent_id) => {
                return ControlError::AgentNotFound(agent_id.clone()).into_response();
            }
            ControlError::IllegalTransition(_)
            | ControlError::NotHibernating(_)
            | ControlError::NotRunning(_)
            | ControlError::StillInUse(_) => (StatusCode::CONFLICT, "conflict"),
            ControlError::BadSession(_) => (StatusCode::BAD_REQUEST, "bad_session"),
            ControlError::Scheduler(err) => err.status(),
            ControlError::Store(_) | ControlError::Interrupted(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Refusal::response(status, code, &self)
    }
}
