//! Logs over HTTP: who asks, whether it is theirs, and which lines.

mod admit;
mod caller;
mod download;
mod follow;
mod limit;
mod page;
pub(crate) mod params;
mod refusal;
mod token;

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use self::admit::{Access, admit};
pub use self::caller::{BearerTokens, BoxError, Caller, Ownership};
pub use self::follow::Followers;
use self::limit::Limiter;
pub use self::limit::Limits;
use self::page::LogPage;
use self::params::{FilterParams, PageParams};
use self::refusal::{Problem, Refusals};
pub(crate) use self::token::Bound;
pub use self::token::TokenKey;
use crate::store::LogStore;

/// The path parameter of the routes.
const AGENT_ID: &str = "agent_id";

/// Serves the logs of agents to their owners.
///
/// | Route | |
/// |---|---|
/// | `GET /v1/agents/{agent_id}/logs` | `{"logs":[…],"next_token":"…"}`: the newest lines, and where to read on |
/// | `GET /v1/agents/{agent_id}/logs?follow=1` | the newest lines and every new one, as server-sent events; `Last-Event-ID` resumes |
/// | `GET /v1/agents/{agent_id}/logs/download` | every line as NDJSON |
/// | `GET /openapi.json` | the description of these by OpenAPI 3.1 |
///
/// The parameters are `since`, `until`, `level`, `q` and `trace_id`, which say which lines are wanted, and, but for the download, `tail`
/// (0 to 1000, by default 100), `order` (`asc` or `desc`), `next_token` and `follow`. Every mistake in them is told, at once and by name, as a
/// problem by RFC 9457.
///
/// Without `next_token` the answer has the newest `tail` lines that match, the oldest of them first. `next_token` then reads on to newer
/// lines: it is always there, and an answer without lines says that there is nothing new yet. With `order=desc` the newest line is the first, and
/// `next_token` reads on to older ones until it is `null`. A search that takes longer than some seconds is answered with what it found so far.
///
/// A follower's stream ends with an event that says why, `gone`, `error` or `stopping`; [`followers`](Self::followers) is for a server that stops.
///
/// An agent that is not there and one of somebody else are answered alike, byte for byte and through the same look-ups. Every
/// access is told to the audit stream (target `audit`), refused ones too.
pub struct LogsApi {
    shared: Shared,
}

struct Shared {
    store: Arc<dyn LogStore>,
    caller: Box<dyn Caller>,
    ownership: Box<dyn Ownership>,
    key: TokenKey,
    limiter: Arc<Limiter>,
    followers: Followers,
}

impl LogsApi {
    /// Serves what is in this store; `caller` says who asks, `ownership` whose an agent is. Services that answer for each other share
    /// the key of their tokens.
    #[must_use]
    pub fn new(store: Arc<dyn LogStore>, caller: impl Caller, ownership: impl Ownership, key: TokenKey) -> Self {
        let limiter = Arc::new(Limiter::new(Limits::default()));
        let (caller, ownership) = (Box::new(caller), Box::new(ownership));
        let followers = Followers::new();
        LogsApi { shared: Shared { store, caller, ownership, key, limiter, followers } }
    }

    /// Other limits for each user.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.shared.limiter = Arc::new(Limiter::new(limits));
        self
    }

    /// Ends the streams of followers, when the server stops.
    #[must_use]
    pub fn followers(&self) -> Followers {
        self.shared.followers.clone()
    }

    /// The routes, to be merged into a router of one's own; they bring no layers.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/agents/{agent_id}/logs", get(logs))
            .route("/v1/agents/{agent_id}/logs/download", get(download))
            .route("/openapi.json", get(|| async { Json(Description::openapi()) }))
            .with_state(Arc::new(self.shared))
    }

    /// The description of the routes by OpenAPI 3.1, as JSON.
    #[must_use]
    pub fn description() -> serde_json::Value {
        // A description has nothing that JSON cannot say.
        serde_json::to_value(Description::openapi()).unwrap_or_default()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Agent logs", description = "Users read the logs of their own agents."),
    paths(logs, download),
    components(schemas(LogPage, Problem)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        openapi.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The newest lines of an agent, or those behind a place; with `follow` every new one, too.
#[utoipa::path(
    get,
    path = "/v1/agents/{agent_id}/logs",
    operation_id = "logs",
    params(("agent_id" = String, Path, description = "Whose log it is."), FilterParams, PageParams),
    responses(
        (status = 200, description = "The lines; with `follow` each as an event.", content(
            (LogPage = "application/json"),
            (String = "text/event-stream"),
        )),
        Refusals,
    )
)]
async fn logs(State(shared): State<Arc<Shared>>, path: PathParams, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match admit(&shared, &parts, agent_in(&path), Access::Logs).await {
        Ok(admitted) if admitted.params.follow => follow::follow(shared, admitted).await.into_response(),
        Ok(admitted) => page::page(&shared, &admitted).await.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Every line of an agent, the oldest first, one JSON object a line.
#[utoipa::path(
    get,
    path = "/v1/agents/{agent_id}/logs/download",
    operation_id = "download",
    params(("agent_id" = String, Path, description = "Whose log it is."), FilterParams),
    responses(
        (status = 200, description = "The lines. A body that breaks off is not whole.", body = String,
            content_type = "application/x-ndjson"),
        Refusals,
    )
)]
async fn download(State(shared): State<Arc<Shared>>, path: PathParams, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match admit(&shared, &parts, agent_in(&path), Access::Download).await {
        Ok(admitted) => download::download(shared, admitted).await.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

type PathParams = Result<RawPathParams, RawPathParamsRejection>;

/// The agent that the path names; `None` if that is not even text.
fn agent_in(path: &PathParams) -> Option<&str> {
    path.as_ref().ok()?.iter().find(|(name, _)| *name == AGENT_ID).map(|(_, value)| value)
}
