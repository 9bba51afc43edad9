//! An agent: continues the trace that its environment carries, works, and stays until it is stopped.

use std::path::Path;
use std::time::Duration;

use obs_runtime::info;
use serde_json::Value;

use crate::model::{AgentId, UserId};
use crate::service::{Failure, Service};

/// How often it looks at what it uses.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// `swarm agent`.
pub async fn run(supervised: bool, agent_id: AgentId, user_id: UserId, manifest: &Path) -> Result<(), Failure> {
    let service = Service::start("swarm-agent", supervised)?;
    let lived = live(&service, &agent_id, &user_id, manifest).await;
    service.end();
    lived
}

async fn live(service: &Service, agent_id: &AgentId, user_id: &UserId, manifest: &Path) -> Result<(), Failure> {
    boot(agent_id, user_id, manifest).await?;
    service.announce(None).await?;
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    let stop = service.stop_requested();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
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

async fn boot(agent_id: &AgentId, user_id: &UserId, manifest: &Path) -> Result<(), BootError> {
    let manifest: Value = serde_json::from_slice(&tokio::fs::read(manifest).await?)?;
    let image = manifest["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    info!(image, "Agent booting");
    load_model(image).await;
    let words = introduce(agent_id, user_id).await;
    info!(words, "Agent ready");
    Ok(())
}

async fn load_model(image: &str) {
    info!(image, "Model loaded");
}

/// The first thing an agent says; stands for a call to a model.
async fn introduce(_agent_id: &AgentId, user_id: &UserId) -> usize {
    let prompt = format!("Introduce yourself to {user_id}");
    let reply = format!("Hello {user_id}, I am your agent and I am ready to work");
    info!(prompt_tokens = tokens(&prompt), reply_tokens = tokens(&reply), "Agent introduced itself");
    tokens(&reply)
}

/// A word is a token, as far as this example is concerned.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}
