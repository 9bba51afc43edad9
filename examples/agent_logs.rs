//! Users read their agents' logs: files as the kubelet writes them, an embedded store, and routes that know whose agent it is.
//!
//! ```text
//! cargo run -p examples --example agent_logs -- /tmp/agent-logs
//! echo "$(date -u +%FT%T.%NZ) stdout F hello" >> /tmp/agent-logs/containers/agent-a1_swarm-agents_main-1.log
//! curl -H 'authorization: Bearer ana' 'localhost:8080/v1/agents/a1/logs?tail=5'
//! curl -N -H 'authorization: Bearer ana' 'localhost:8080/v1/agents/a1/logs?follow=1'
//! curl -i -H 'authorization: Bearer ben' 'localhost:8080/v1/agents/a1/logs'    # his is another: 404
//! ```
//!
//! The address to listen on may be the second argument; port 0 takes a free one. Ctrl-C stops it.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use obs_http::HttpMetrics;
use obs_logs::{
    AgentId, BearerTokens, Collector, Embedded, LogsApi, LogsMetrics, PodName, Retention, TokenKey, UserId,
};
use obs_runtime::{ObservabilityConfig, Telemetry, info};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "agent-logs".to_owned()));
    let address = std::env::args().nth(2).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let telemetry = Telemetry::builder("agent-logs")
        .config(ObservabilityConfig::load()?)
        .metrics::<HttpMetrics>()
        .metrics::<LogsMetrics>()
        .start()?;
    telemetry.serve().await?;

    let (containers, kept) = (directory.join("containers"), directory.join("store"));
    std::fs::create_dir_all(&containers)?;
    let store = Arc::new(Embedded::open(&kept, Retention::default())?);
    let pods = PodName::with_prefix("agent-").in_namespace("swarm-agents");
    let collecting = Collector::of_directory(containers, pods).start(store.clone())?;

    // A platform asks its registry whose an agent is, and checks real credentials: `Ownership` and `Caller` are traits.
    let (ana, ben) = (UserId::parse("ana")?, UserId::parse("ben")?);
    let owners = HashMap::from([(AgentId::parse("a1")?, ana.clone()), (AgentId::parse("b1")?, ben.clone())]);
    let callers = BearerTokens::new().with("ana", ana).with("ben", ben);
    let key = TokenKey::in_file(&kept.join("token.key"))?;
    let api = LogsApi::new(store, callers, owners, key);
    let followers = api.followers();

    let app = Router::new().merge(api.router()).layer(obs_http::layer());
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "Listening");
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            // Without signals there is nothing to wait for: it runs until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            // Who follows a log never ends by themselves.
            followers.end();
        })
        .await?;

    // What is in the files when it stops is still stored.
    collecting.stop();
    telemetry.shutdown(Duration::from_secs(5));
    Ok(())
}
