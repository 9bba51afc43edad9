//! Why the scheduler says no.

use std::io;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::model::{AgentId, Refusal};
use crate::process::ProcessError;

/// Why an agent was not placed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScheduleError {
    #[error("no node in region `{region}` has {memory_mib} MiB free")]
    NoCapacity { region: String, memory_mib: u64 },
    #[error("there is no image `{0}`")]
    NoImage(String),
    #[error("agent `{0}` has a pod already")]
    AlreadyRuns(AgentId),
    #[error("cannot write the pod's manifest")]
    Manifest(#[source] io::Error),
    #[error("the agent did not start")]
    Launch(#[from] ProcessError),
    #[error("the agent was not ready in time")]
    Late,
}

impl IntoResponse for ScheduleError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            ScheduleError::NoCapacity { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_capacity"),
            ScheduleError::NoImage(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_image"),
            ScheduleError::AlreadyRuns(_) => (StatusCode::CONFLICT, "conflict"),
            ScheduleError::Manifest(_) | ScheduleError::Launch(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            ScheduleError::Late => (StatusCode::GATEWAY_TIMEOUT, "late"),
        };
        Refusal::response(status, code, &self)
    }
}
