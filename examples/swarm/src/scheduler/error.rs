//! Why the scheduler says no.

use std::io;

use obs_runtime::Classify;
use tonic::{Code, Status};

use crate::model::AgentId;
use crate::process::ProcessError;

/// Why an agent was not placed.
#[derive(Debug, thiserror::Error, Classify)]
pub(super) enum ScheduleError {
    #[error("no node in region `{region}` has {memory_mib} MiB free")]
    #[classify(kind = "no_capacity")]
    NoCapacity { region: String, memory_mib: u64 },
    #[error("there is no image `{0}`")]
    #[classify(level = "warn", kind = "no_image")]
    NoImage(String),
    #[error("agent `{0}` has a pod already")]
    #[classify(level = "warn", kind = "already_runs")]
    AlreadyRuns(AgentId),
    #[error("cannot write the pod's manifest")]
    #[classify(kind = "manifest")]
    Manifest(#[source] io::Error),
    #[error("the agent did not start")]
    #[classify(kind = "launch")]
    Launch(#[from] ProcessError),
    #[error("the agent was not ready in time")]
    #[classify(kind = "late")]
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
