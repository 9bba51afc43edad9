//! A small service: one layer and two annotations, and its logs, metrics and traces agree.
//!
//! ```text
//! cargo run -p examples --example http_service
//! curl -i -X POST -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' localhost:8080/v1/users/u1/agents
//! curl -i -X POST localhost:8080/v1/users/nobody/agents    # fails, and says so once
//! curl localhost:9090/metrics
//! ```
//!
//! The address to listen on may be given as the first argument; port 0 takes a free one. `OBS_METRICS_PORT`, `OBS_LOG_JSON=false`,
//! `OBS_OTLP_ENDPOINT=http://localhost:4317` and the other variables of the configuration hold as well. Ctrl-C stops it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use obs_http::HttpMetrics;
use obs_runtime::{ObservabilityConfig, Telemetry, info, observed, record};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize)]
struct Agent {
    agent_id: String,
    status: &'static str,
}

#[derive(Debug)]
enum CreateError {
    UnknownUser,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::UnknownUser => f.write_str("no such user"),
        }
    }
}

impl Error for CreateError {}

impl IntoResponse for CreateError {
    fn into_response(self) -> Response {
        let status = match self {
            CreateError::UnknownUser => StatusCode::NOT_FOUND,
        };
        (status, self.to_string()).into_response()
    }
}

/// The handler. Its span is a child of the server span of the layer, and bears what is known of the agent as soon as it is known.
#[observed(user_id, agent_id)]
async fn create_agent(Path(user_id): Path<String>) -> Result<Json<Agent>, CreateError> {
    info!("Creating agent");
    let agent_id = place(&user_id).await?;
    record!(agent_id = agent_id);
    info!(status = "provisioning", "Agent created");
    Ok(Json(Agent { agent_id, status: "provisioning" }))
}

/// The work. An error that begins here is logged here, and not again by the handler that only passes it on.
#[observed]
async fn place(user_id: &str) -> Result<String, CreateError> {
    if user_id == "nobody" {
        return Err(CreateError::UnknownUser);
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    Ok(format!("agent-of-{user_id}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry =
        Telemetry::builder("http-service").config(ObservabilityConfig::load()?).metrics::<HttpMetrics>().start()?;
    let server = telemetry.serve().await?;

    let app = Router::new().route("/v1/users/{user_id}/agents", post(create_agent)).layer(obs_http::layer());
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, metrics = %server.metrics_addr(), "Listening");
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Without signals there is nothing to wait for: it runs until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await?;

    telemetry.shutdown(Duration::from_secs(5));
    Ok(())
}
