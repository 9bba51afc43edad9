//! An agent: continues the trace that its environment carries, then answers messages until it is stopped.

mod chat;
mod usage;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use obs_runtime::{Builder, MetricSet, config, correlated, info, observed};
use serde_json::Value;

use self::chat::Agent;
use self::usage::Meter;
pub(crate) use self::usage::Usage;
use crate::metrics::AgentMetrics;
use crate::model::{AgentId, UserId};
use crate::service::{Failure, Service};

/// How often it looks at what it uses.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `swarm agent`.
pub async fn run(
    supervised: bool,
    listen: SocketAddr,
    agent_id: AgentId,
    user_id: UserId,
    manifest: &Path,
) -> Result<(), Failure> {
    let service = Service::start("swarm-agent", supervised, Builder::metrics::<AgentMetrics>)?;
    let lived = live(&service, listen, Agent { agent_id, user_id }, manifest).await;
    service.end();
    lived
}

async fn live(service: &Service, listen: SocketAddr, agent: Agent, manifest: &Path) -> Result<(), Failure> {
    boot(config::environment(), &agent, manifest).await?;
    let agent = Arc::new(agent);
    tokio::spawn(show_usage(agent.agent_id.clone()));
    service.serve(listen, chat::router(agent)).await
}

/// Looks again and again at what this process uses.
async fn show_usage(agent_id: AgentId) {
    let mut meter = Meter::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        AgentMetrics::global().show(&agent_id, &meter.look());
    }
}

/// Why an agent did not boot.
#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error("cannot read the pod's manifest")]
    Read(#[from] std::io::Error),
    #[error("the pod's manifest is not JSON")]
    Json(#[from] serde_json::Error),
}

/// Part of the request that made the agent: its environment says so.
#[correlated]
#[observed(agent_id = agent.agent_id, user_id = agent.user_id)]
async fn boot(environment: BTreeMap<String, String>, agent: &Agent, manifest: &Path) -> Result<(), BootError> {
    let manifest: Value = serde_json::from_slice(&tokio::fs::read(manifest).await?)?;
    let image = manifest["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    info!(image, continues = environment.contains_key("traceparent"), "Agent booting");
    load_model(image).await;
    agent.introduce().await;
    info!("Agent ready");
    Ok(())
}

/// Stands for what an agent does before it can work.
#[observed(image)]
async fn load_model(image: &str) {
    tokio::task::yield_now().await;
    info!("Model loaded");
}
