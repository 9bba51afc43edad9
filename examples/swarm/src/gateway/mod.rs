//! The public door: checks who calls, and hands on to control, or in a session to the agent.

mod agent_client;
mod control_client;
mod logs;
mod session;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use http::StatusCode;
use obs_runtime::{Builder, info, observed, record};
use tokio::sync::watch;

use self::control_client::ControlClient;
use crate::call::CallError;
use crate::caller::{Caller, headers_for};
use crate::metrics::GatewayMetrics;
use crate::model::{AgentId, AgentRecord, AgentSpec, Change, GatewayId, RENEWED_EVERY};
use crate::service::{Failure, Service};

/// How long sessions may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What every request needs.
struct Gateway {
    id: GatewayId,
    control: ControlClient,
    /// Changes when the gateway is to stop. It is stopped when nobody has a clone any more.
    stopped: watch::Receiver<()>,
}

/// `swarm gateway`.
pub async fn run(supervised: bool, listen: SocketAddr, control: &str) -> Result<(), Failure> {
    let service = Service::start("swarm-gateway", supervised, Builder::metrics::<GatewayMetrics>)?;
    let (stop, stopped) = watch::channel(());
    let id = GatewayId::generate();
    let living = tokio::spawn(live(ControlClient::new(control), id.clone()));
    let gateway = Gateway { id, control: ControlClient::new(control), stopped };
    let served = service.serve(listen, router(gateway)).await;
    // Sessions outlive the requests that began them.
    stop.send_replace(());
    let _ = tokio::time::timeout(GOODBYE, stop.closed()).await;
    living.abort();
    service.end();
    served
}

/// Lets control know that this gateway is there: without, its sessions would stay when it crashes.
async fn live(control: ControlClient, id: GatewayId) {
    let mut beats = tokio::time::interval(RENEWED_EVERY);
    loop {
        beats.tick().await;
        control.gateway_lives(&id).await;
    }
}

fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/agents", post(create_agent).get(list_agents))
        .route("/v1/agents/{agent_id}", get(find_agent).delete(delete_agent))
        .route("/v1/agents/{agent_id}/session", get(session::open_session))
        .route("/v1/agents/{agent_id}/{change}", post(change_agent))
        .route_layer(middleware::from_fn(usage::count))
        // Who reads is known by a token, which is control's to judge.
        .route("/v1/agents/{agent_id}/logs", get(logs::read))
        .route("/v1/agents/{agent_id}/logs/download", get(logs::read))
        .route("/", get(async || "swarm gateway: POST /v1/agents\n"))
        .layer(obs_http::layer())
        .with_state(Arc::new(gateway))
}

#[observed(user_id, agent_id)]
async fn create_agent(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
    Json(spec): Json<AgentSpec>,
) -> Result<(StatusCode, Json<AgentRecord>), CallError> {
    info!(name = spec.name, "Agent requested");
    let agent = gateway.control.create_agent(&user_id, &spec, headers_for(&user_id)).await?;
    record!(agent_id = agent.agent_id);
    info!("Agent handed over");
    Ok((StatusCode::CREATED, Json(agent)))
}

#[observed(user_id)]
async fn list_agents(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
) -> Result<Json<Vec<AgentRecord>>, CallError> {
    Ok(Json(gateway.control.list_agents(&user_id, headers_for(&user_id)).await?))
}

#[observed(user_id, agent_id)]
async fn find_agent(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
    Path(agent_id): Path<AgentId>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(gateway.control.find_agent(&user_id, &agent_id, headers_for(&user_id)).await?))
}

#[observed(user_id, agent_id, %change)]
async fn change_agent(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
    Path((agent_id, change)): Path<(AgentId, Change)>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(gateway.control.change_agent(&user_id, &agent_id, change, headers_for(&user_id)).await?))
}

#[observed(user_id, agent_id)]
async fn delete_agent(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
    Path(agent_id): Path<AgentId>,
) -> Result<Json<AgentRecord>, CallError> {
    Ok(Json(gateway.control.delete_agent(&user_id, &agent_id, headers_for(&user_id)).await?))
}
