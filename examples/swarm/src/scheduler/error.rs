//! Why the scheduler says no.

use std::io;

use tonic::{Code, Status};

use crate::model::AgentId;
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

/// As control is told.
impl From<ScheduleError> for Status {
    fn from(err: ScheduleError) -> Self {
        let code = match &err {
            ScheduleError::NoCapacity { .. } => Code::ResourceExhausted,
            ScheduleError::NoImage(_) => Code::NotFound,
            ScheduleError::AlreadyRuns(_) => Code::AlreadyExists,
            ScheduleError::Manifest(_) | ScheduleError::Launch(_) => Code::Internal,
            ScheduleError::Late => Code::DeadlineExceeded,
        };
        Status::new(code, err.to_string())
    }
}
