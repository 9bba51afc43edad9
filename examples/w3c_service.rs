//! The service that the W3C's test harness for Trace Context asks for: it calls back whoever it is told to, in the trace of its caller.
//!
//! ```text
//! cargo run -p examples --example w3c_service -- --port 5000
//! python3 test.py http://127.0.0.1:5000/test        # of https://github.com/w3c/trace-context
//! ```
//!
//! `POST /test` takes `[{"url": "http://…", "arguments": […]}, …]` and POSTs each `arguments` to its `url`. A request is one server span,
//! each callback one client span below it. Port 0 takes a free one; the line `Listening` says which. Ctrl-C stops it.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use obs_runtime::{ObservabilityConfig, Telemetry, correlated, info, observed};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

/// One line of what the harness asks for.
#[derive(Deserialize)]
struct Callback {
    url: String,
    arguments: Value,
}

/// What became of it.
#[derive(Serialize)]
struct Called {
    url: String,
    status: Option<u16>,
}

/// The handler: one call after the other, so that the harness sees them in the order that it asked for.
async fn test(State(client): State<Client>, Json(callbacks): Json<Vec<Callback>>) -> Json<Vec<Called>> {
    let mut called = Vec::with_capacity(callbacks.len());
    for Callback { url, arguments } in callbacks {
        let status = call(&client, &url, &arguments, HeaderMap::new()).await.ok();
        called.push(Called { url, status });
    }
    Json(called)
}

/// One callback. Its span is what the headers name, whoever they are sent to.
#[correlated(outbound)]
#[observed(url, kind = "client")]
async fn call(client: &Client, url: &str, arguments: &Value, headers: HeaderMap) -> Result<u16, reqwest::Error> {
    let response = client.post(url).headers(headers).json(arguments).send().await?;
    Ok(response.status().as_u16())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::builder("w3c-service").config(ObservabilityConfig::load()?).start()?;
    let app = Router::new()
        .route("/test", post(test))
        .layer(obs_http::layer())
        .with_state(Client::builder().timeout(Duration::from_secs(5)).build()?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port()?)).await?;
    info!(address = %listener.local_addr()?, "Listening");
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

/// `--port N`, or `--port=N`.
fn port() -> Result<u16, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut port = 5000;
    while let Some(argument) = arguments.next() {
        let number = match argument.split_once('=') {
            Some(("--port", number)) => Some(number.to_owned()),
            None if argument == "--port" => arguments.next(),
            _ => None,
        };
        let number = number.ok_or("usage: w3c_service --port N")?;
        port = number.parse().map_err(|_| format!("`{number}` is not a port"))?;
    }
    Ok(port)
}
