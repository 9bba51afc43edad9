//! The public door: checks who calls, and hands on to control.

mod control_client;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use http::StatusCode;

use self::control_client::ControlClient;
use crate::call::CallError;
use crate::caller::Caller;
use crate::model::{AgentId, AgentRecord, AgentSpec, Change};
use crate::service::{Failure, Service};

type Gateway = State<Arc<ControlClient>>;

/// `swarm gateway`.
pub async fn run(supervised: bool, listen: SocketAddr, control: &str) -> Result<(), Failure> {
    let service = Service::start("swarm-gateway", supervised)?;
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
        .with_state(Arc::new(control))
}

async fn create_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Json(spec): Json<AgentSpec>,
) -> Result<(StatusCode, Json<AgentRecord>), CallError> {
    let agent = control.create_agent(&user_id, &spec).await?;
    Ok((StatusCode::CREATED, Json(agent)))
}

async fn list_agents(State(control): Gateway, Caller(user_id): Caller) -> Result<Json<Vec<AgentRecord>>, CallError> {
    Ok(Json(control.list_agents(&user_id).await?))
}

async fn change_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Path((agent_id, change)): Path<(AgentId, Change)>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(control.change_agent(&user_id, &agent_id, change).await?))
}

async fn delete_agent(
    State(control): Gateway,
    Caller(user_id): Caller,
    Path(agent_id): Path<AgentId>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(control.delete_agent(&user_id, &agent_id).await?))
}
