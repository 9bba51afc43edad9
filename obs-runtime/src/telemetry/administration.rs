//! What the runtime answers on the administration's server.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::telemetry::level::{LevelChange, LevelStatus};
use crate::telemetry::{Inner, running};

/// Its routes. They do not keep the runtime alive.
pub(super) fn router(runtime: &Arc<Inner>) -> Router {
    let of = |answer: fn(&Arc<Inner>, &[u8]) -> Response| {
        let runtime = Arc::downgrade(runtime);
        move |body: Bytes| async move { answered(&runtime, &body, answer) }
    };
    let spans = {
        let runtime = Arc::downgrade(runtime);
        move |headers: HeaderMap| async move {
            runtime
                .upgrade()
                .map(|runtime| running::answer(&runtime.core, &headers))
                .ok_or(StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    Router::new()
        .route("/admin/level", get(of(level)).put(of(set_level)).delete(of(reset_level)))
        .route("/debug/spans", get(spans))
}

fn answered(runtime: &Weak<Inner>, body: &[u8], answer: fn(&Arc<Inner>, &[u8]) -> Response) -> Response {
    match runtime.upgrade() {
        Some(runtime) => answer(&runtime, body),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What `PUT /admin/level` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    filter: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    user_id: Option<String>,
    agent_id: Option<String>,
}

/// What `/admin/level` answers.
#[derive(Serialize)]
struct Level {
    filter: String,
    configured: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    remaining: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
}

fn level(runtime: &Arc<Inner>, _: &[u8]) -> Response {
    let LevelStatus { filter, configured, remaining, user_id, agent_id } = runtime.level.status();
    // Rounded up: what is in force does not say that it lasts for no time.
    let remaining = remaining.map(|left| format!("{}s", left.as_millis().div_ceil(1_000)));
    json(StatusCode::OK, &Level { filter, configured, remaining, user_id, agent_id })
}

fn set_level(runtime: &Arc<Inner>, body: &[u8]) -> Response {
    let wanted: Wanted = match serde_json::from_slice(body) {
        Ok(wanted) => wanted,
        Err(err) => return refused(&err),
    };
    let mut change = LevelChange::new(wanted.filter);
    if let Some(lasts) = &wanted.lasts {
        match config::read_duration(lasts) {
            Some(lasts) => change = change.lasting(lasts),
            None => return refused(&"`for` takes a duration like `30s`, `5m` or `1h`"),
        }
    }
    if let Some(id) = wanted.user_id {
        change = change.user_id(id);
    }
    if let Some(id) = wanted.agent_id {
        change = change.agent_id(id);
    }
    if let Err(err) = runtime.level.set(change) {
        return refused(&err);
    }
    told(runtime, "Log level changed");
    level(runtime, &[])
}

fn reset_level(runtime: &Arc<Inner>, _: &[u8]) -> Response {
    runtime.level.reset();
    told(runtime, "Log level reset");
    level(runtime, &[])
}

/// Whoever reads the lines shall know why there are more of them.
fn told(runtime: &Inner, what: &'static str) {
    let LevelStatus { filter, remaining, user_id, agent_id, .. } = runtime.level.status();
    let seconds = remaining.map(|left| Duration::as_secs_f64(&left).ceil() as u64);
    runtime.in_scope(|| {
        tracing::warn!(target: "obs_runtime::admin", filter, seconds, user_id, agent_id, "{what}");
    });
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

fn refused(why: &dyn std::fmt::Display) -> Response {
    #[derive(Serialize)]
    struct Refused {
        error: String,
    }
    json(StatusCode::BAD_REQUEST, &Refused { error: why.to_string() })
}
