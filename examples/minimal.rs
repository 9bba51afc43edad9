//! The least that gives all three signals: `cargo run -p examples --example minimal`.

use std::time::Duration;

use obs_runtime::config::ObservabilityConfig;
use obs_runtime::{Telemetry, info, observed, record};

#[observed(user_id, agent_id)]
fn create_agent(user_id: &str, size: u32) -> Result<String, String> {
    let agent_id = format!("agent-of-{user_id}");
    record!(agent_id = agent_id);
    info!(size, "Creating agent");
    if size > 8 {
        return Err(format!("no host has room for size {size}"));
    }
    Ok(agent_id)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::builder("minimal").config(ObservabilityConfig::load()?).start()?;

    let _ = create_agent("u1", 2);
    let _ = create_agent("u2", 16);

    telemetry.shutdown(Duration::from_secs(1));
    println!("\n{}", obs_runtime::metrics::encode());
    Ok(())
}
