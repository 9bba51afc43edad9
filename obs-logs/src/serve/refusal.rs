//! Why a request is refused, and how that is said: as a problem by RFC 9457.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use obs_runtime::Classify;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::caller::BoxError;
use super::params::Mistake;
use crate::store::StoreError;

/// Why a request is refused. An agent that is not there and one of somebody else are two things here and one outside.
#[derive(Debug, thiserror::Error, Classify)]
pub(super) enum Refusal {
    #[error("the request does not prove who sends it")]
    #[classify(level = "info", kind = "unauthenticated")]
    Unauthenticated { challenge: &'static str },
    #[error("too many requests")]
    #[classify(level = "info", kind = "too_many_requests")]
    TooManyRequests { wait: Duration },
    #[error("too many open streams")]
    #[classify(level = "info", kind = "too_many_streams")]
    TooManyStreams,
    #[error("bad parameters: {}", names(.0))]
    #[classify(level = "info", kind = "bad_parameters")]
    BadParameters(Vec<Mistake>),
    #[error("there is no such agent")]
    #[classify(level = "info", kind = "agent_not_found")]
    AgentNotFound,
    #[error("the agent is somebody else's")]
    #[classify(level = "warn", kind = "not_owner")]
    NotOwner,
    #[error("who asks, or whose the agent is, cannot be found out")]
    #[classify(kind = "authority_unavailable")]
    Authority(#[source] BoxError),
    #[error("the logs cannot be read")]
    #[classify(kind = "store_unavailable")]
    Store(#[from] StoreError),
}

fn names(mistakes: &[Mistake]) -> String {
    // The names are the client's: by `Debug`, none of them can forge anything.
    mistakes.iter().map(|mistake| format!("{:?} {}", mistake.parameter, mistake.detail)).collect::<Vec<_>>().join(", ")
}

/// What was wrong with a request, by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The name of the status.
    #[schema(example = "Bad Request")]
    title: &'static str,
    /// The status.
    #[schema(example = 400)]
    status: u16,
    /// What was wrong.
    detail: &'static str,
    /// Each parameter that is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Mistake>,
}

/// How every route refuses.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the description alone; `Refusal` is what answers")]
pub(super) enum Refusals {
    /// Some parameters are wrong.
    #[response(status = 400, content_type = "application/problem+json")]
    BadParameters(Problem),
    /// The caller is not known.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The caller has no such agent.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The caller asks too often.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The logs cannot be read now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, detail) = match &self {
            Refusal::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, "Say who you are."),
            Refusal::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "You ask too often."),
            Refusal::TooManyStreams => (StatusCode::TOO_MANY_REQUESTS, "You have too many streams open."),
            Refusal::BadParameters(_) => (StatusCode::BAD_REQUEST, "Some parameters are not as they should be."),
            Refusal::AgentNotFound | Refusal::NotOwner => (StatusCode::NOT_FOUND, "You have no agent of this id."),
            Refusal::Authority(_) | Refusal::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "The logs cannot be read now.")
            }
        };
        let (mut wait, mut challenge, mut errors) = (None, None, Vec::new());
        match self {
            Refusal::Unauthenticated { challenge: how } => challenge = Some(HeaderValue::from_static(how)),
            Refusal::TooManyRequests { wait: time } => wait = Some(time),
            Refusal::TooManyStreams | Refusal::Authority(_) | Refusal::Store(_) => wait = Some(Duration::from_secs(1)),
            Refusal::BadParameters(mistakes) => errors = mistakes,
            Refusal::AgentNotFound | Refusal::NotOwner => {}
        }
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Problem { kind: "about:blank", title, status: status.as_u16(), detail, errors };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = wait {
            // Whole seconds, and not too early.
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
