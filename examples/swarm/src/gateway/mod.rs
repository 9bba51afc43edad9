//! The public door: checks who calls, and hands on to control.

mod control_client;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use http::StatusCode;
use obs_runtime::{Builder, info, observed, record};

use self::control_client::ControlClient;
use crate::call::CallError;
use crate::caller::{Caller, headers_for};
use crate::metrics::GatewayMetrics;
use crate::model::{AgentId, AgentRecord, AgentSpec, Change};
use crate::service::{Failure, Service};

type Gateway = State<Arc<ControlClient>>;

/// `swarm gateway`.
pub async fn run(supervised: bool, listen: SocketAddr, control: &str) -> Result<(), Failure> {
    let service = Service::start("swarm-gateway", supervised, Builder::metrics::<GatewayMetrics>)?;
    let served = service.serve(listen, router(ControlClient::new(control))).await;
    service.end();
    served
}

fn router(control: ControlClient) -> Router {
    Router::new()
        .route("/v1/agents", post(create_agent).get(list_agents))
        .route("/v1/agents/{agent_id}", delete(delete_agent))
        .route("/v1/agents/{agent_id}/{change}", post(change_agent))
        .route_layer(middleware::from_fn(usage::count))
        .route("/", get(async || "swarm gateway: POST /v1/agents\n"))
        .layer(obs_http::layer())
        .with_state(Arc::new(control))
}

#[observed(user_id, agent_id)]
async fn create_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Json(spec): Json<AgentSpec>,
) -> Result<(StatusCode, Json<AgentRecord>), CallError> {
    info!(name = spec.name, "Agent requested");
    let agent = control.create_agent(&user_id, &spec, headers_for(&user_id)).await?;
    record!(agent_id = agent.agent_id);
    info!("Agent handed over");
    Ok((StatusCode::CREATED, Json(agent)))
}

#[observed(user_id)]
async fn list_agents(State(control): Gateway, Caller(user_id): Caller) -> Result<Json<Vec<AgentRecord>>, CallError> {
    Ok(Json(control.list_agents(&user_id, headers_for(&user_id)).await?))
}

#[observed(user_id, agent_id, %change)]
async fn change_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Path((agent_id, change)): Path<(AgentId, Change)>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(control.change_agent(&user_id, &agent_id, change, headers_for(&user_id)).await?))
}

#[observed(user_id, agent_id)]
async fn delete_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Path(agent_id): Path<AgentId>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(control.delete_agent(&user_id, &agent_id, headers_for(&user_id)).await?))
}
