//! An agent: continues the trace that its environment carries, works, and stays until it is stopped.

mod usage;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use obs_runtime::{Builder, MetricSet, config, correlated, info, observed};
use serde_json::Value;

use self::usage::Meter;
pub(crate) use self::usage::Usage;
use crate::metrics::AgentMetrics;
use crate::model::{AgentId, UserId};
use crate::service::{Failure, Service};

/// How often it looks at what it uses.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `swarm agent`.
pub async fn run(supervised: bool, agent_id: AgentId, user_id: UserId, manifest: &Path) -> Result<(), Failure> {
    let service = Service::start("swarm-agent", supervised, Builder::metrics::<AgentMetrics>)?;
    let lived = live(&service, &agent_id, &user_id, manifest).await;
    service.end();
    lived
}

async fn live(service: &Service, agent_id: &AgentId, user_id: &UserId, manifest: &Path) -> Result<(), Failure> {
    boot(config::environment(), agent_id, user_id, manifest).await?;
    service.announce(None).await?;
    let mut meter = Meter::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let stop = service.stop_requested();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = ticks.tick() => AgentMetrics::global().show(agent_id, &meter.look()),
            () = &mut stop => return Ok(()),
        }
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
#[observed(agent_id, user_id)]
async fn boot(
    environment: BTreeMap<String, String>,
    agent_id: &AgentId,
    user_id: &UserId,
    manifest: &Path,
) -> Result<(), BootError> {
    let manifest: Value = serde_json::from_slice(&tokio::fs::read(manifest).await?)?;
    let image = manifest["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    info!(image, continues = environment.contains_key("traceparent"), "Agent booting");
    load_model(image).await;
    introduce(agent_id, user_id).await;
    info!("Agent ready");
    Ok(())
}

/// Stands for what an agent does before it can work.
#[observed(image)]
async fn load_model(image: &str) {
    tokio::task::yield_now().await;
    info!("Model loaded");
}

/// The first thing an agent says; stands for a call to a model.
#[observed]
async fn introduce(agent_id: &AgentId, user_id: &UserId) {
    let prompt = format!("Introduce yourself to {user_id}");
    let reply = format!("Hello {user_id}, I am your agent and I am ready to work");
    let (input, output) = (tokens(&prompt), tokens(&reply));
    AgentMetrics::global().model_called(agent_id, input, output);
    info!(input_tokens = input, output_tokens = output, "Agent introduced itself");
}

/// A word is a token, as far as this example is concerned.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}
