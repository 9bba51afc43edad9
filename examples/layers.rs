//! The runtime as one layer among others: `cargo run -p examples --example layers`.
//!
//! JSON lines go to the standard output, as ever; warnings are shown to the eye on the standard error, by the layer of somebody
//! else, with a filter of its own.

use std::time::Duration;

use obs_runtime::config::ObservabilityConfig;
use obs_runtime::{Telemetry, info, observed, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

#[observed(user_id)]
fn create_agent(user_id: &str, size: u32) -> Result<String, String> {
    info!(size, "Creating agent");
    if size > 8 {
        warn!("a large one");
        return Err(format!("no host has room for size {size}"));
    }
    Ok(format!("agent-of-{user_id}"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::builder("layers").config(ObservabilityConfig::load()?).start_layer()?;
    let eye = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(telemetry.layer()).with(eye).init();

    let _ = create_agent("u1", 2);
    let _ = create_agent("u2", 16);

    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}
