//! Users read the logs of their agents: asked of control, which knows who bears which token and whose an agent is.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION};
use obs_runtime::{observed, record};

use super::Gateway;
use crate::call::CallError;
use crate::model::AgentId;

/// What control is told of the request, besides its context.
const TOLD: [HeaderName; 3] = [AUTHORIZATION, ACCEPT, HeaderName::from_static("last-event-id")];

/// Hands on what control answers, refusals too, as it comes: a log that is followed has no end. An id that is none is control's to
/// refuse as well, so that there is one answer to whoever may not read.
#[observed(agent_id)]
pub(super) async fn read(
    State(gateway): State<Arc<Gateway>>,
    whose: Result<Path<AgentId>, PathRejection>,
    request: Request,
) -> Result<Response, CallError> {
    if let Ok(Path(agent_id)) = whose {
        record!(agent_id = agent_id);
    }
    let told = request.headers().iter().filter(|(name, _)| TOLD.contains(name));
    let told = told.map(|(name, value)| (name.clone(), value.clone()));
    gateway.control.agent_logs(request.uri(), told.collect()).await
}
