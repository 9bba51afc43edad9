//! Agents, who owns them, and what state they are in.

mod error;
mod leases;
mod lifecycle;
mod logs;
mod registry;
mod scheduler_client;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{self, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use obs_logs::LogsMetrics;
use obs_runtime::{Builder, SessionId};

use self::error::ControlError;
use self::lifecycle::Control;
use self::registry::Registry;
use self::scheduler_client::SchedulerClient;
use crate::caller::Caller;
use crate::cli::AgentLogs;
use crate::metrics::ControlMetrics;
use crate::model::{AgentId, AgentRecord, AgentSpec, Change, Endpoint, GatewayId, RENEWED_EVERY, ServedBy};
use crate::service::{Failure, Service};
use crate::store::Store;

/// `swarm control`.
pub async fn run(
    supervised: bool,
    listen: SocketAddr,
    database: &Path,
    scheduler: &str,
    agent_logs: Option<AgentLogs>,
) -> Result<(), Failure> {
    let with_metrics = |builder: Builder| builder.metrics::<ControlMetrics>().metrics::<LogsMetrics>();
    let service = Service::start("swarm-control", supervised, with_metrics)?;
    let registry = Registry::restore(Store::open(database)?)?;
    let serve = |logs: AgentLogs| logs::serve(&logs.containers, &logs.tokens, registry.clone(), service.stopping());
    let logs = agent_logs.map(serve).transpose()?;
    let (logs, collecting) = logs.unzip();
    let control = Control::new(registry, SchedulerClient::new(scheduler)?);
    control.reconcile().await;
    let control = Arc::new(control);
    let watching = tokio::spawn(watch_gateways(control.clone()));
    let served = service.serve(listen, router(control, logs.unwrap_or_default())).await;
    watching.abort();
    drop(collecting);
    service.end();
    served
}

/// Ends the sessions of gateways that are gone.
async fn watch_gateways(control: Arc<Control>) {
    let mut looks = tokio::time::interval(RENEWED_EVERY);
    loop {
        looks.tick().await;
        control.lapsed_gateways().into_iter().for_each(|gateway_id| control.gateway_gone(&gateway_id));
    }
}

fn router(control: Arc<Control>, logs: Router) -> Router {
    // What comes every second is, like a probe, neither spans nor samples.
    let unobserved = Router::new().route("/gateways/{gateway_id}", put(gateway_lives)).with_state(control.clone());
    Router::new()
        .route("/agents", post(create).get(list))
        .route("/agents/{agent_id}", get(find).delete(remove))
        .route("/agents/{agent_id}/sessions/{session_id}", put(begin_session).delete(end_session))
        .route("/agents/{agent_id}/{change}", post(change))
        .with_state(control)
        .merge(logs)
        .layer(obs_http::layer())
        .merge(unobserved)
}

async fn gateway_lives(State(control): State<Arc<Control>>, extract::Path(gateway_id): extract::Path<GatewayId>) {
    control.gateway_lives(gateway_id);
}

async fn create(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    Json(spec): Json<AgentSpec>,
) -> Result<(StatusCode, Json<AgentRecord>), ControlError> {
    Ok((StatusCode::CREATED, Json(control.create_agent(user_id, spec).await?)))
}

async fn list(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
) -> Result<Json<Vec<AgentRecord>>, ControlError> {
    Ok(Json(control.list_agents(user_id).await?))
}

async fn find(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    extract::Path(agent_id): extract::Path<AgentId>,
) -> Result<Json<AgentRecord>, ControlError> {
    Ok(Json(control.find_agent(user_id, agent_id).await?))
}

async fn begin_session(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    extract::Path((agent_id, session_id)): extract::Path<(AgentId, String)>,
    Json(by): Json<ServedBy>,
) -> Result<Json<Endpoint>, ControlError> {
    let session_id = SessionId::parse(&session_id)?;
    Ok(Json(control.begin_session(user_id, agent_id, session_id, by.gateway_id).await?))
}

async fn end_session(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    extract::Path((agent_id, session_id)): extract::Path<(AgentId, String)>,
) -> Result<Json<()>, ControlError> {
    let session_id = SessionId::parse(&session_id)?;
    Ok(Json(control.end_session(user_id, agent_id, session_id).await?))
}

async fn change(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    extract::Path((agent_id, change)): extract::Path<(AgentId, Change)>,
) -> Result<Json<AgentRecord>, ControlError> {
    let agent = match change {
        Change::Hibernate => control.hibernate_agent(user_id, agent_id).await,
        Change::Resume => control.resume_agent(user_id, agent_id).await,
        Change::Stop => control.stop_agent(user_id, agent_id).await,
    };
    agent.map(Json)
}

async fn remove(
    State(control): State<Arc<Control>>,
    Caller(user_id): Caller,
    extract::Path(agent_id): extract::Path<AgentId>,
) -> Result<Json<AgentRecord>, ControlError> {
    Ok(Json(control.delete_agent(user_id, agent_id).await?))
}
