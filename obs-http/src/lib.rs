//! Middleware for axum: each request is a span, a log context and a sample of the HTTP metrics.
//!
//! ```
//! use axum::{Router, routing::get};
//!
//! let app: Router = Router::new().route("/v1/agents/{agent_id}", get(|| async { "running" })).layer(obs_http::layer());
//! ```
//!
//! The layer belongs on [`axum::Router::layer`], where the route of a request is known, and outside of other layers: what they do is then
//! inside of the span. For each request but those for `/metrics`, `/healthz` and `/readyz` it gives
//!
//! - a server span `{method} {route}` by OpenTelemetry's semantic conventions for HTTP, as a child of the caller's span as far as the caller is
//!   [trusted](HttpLayer::trust). The headers that the handler sees name this span, so that `#[correlated]` handlers are its children;
//! - the request id: the caller's `x-request-id` if it is sound, else a UUID of version 4; as [`obs_runtime::RequestId`] in the request's
//!   extensions, on every log line and span below, and in the response's `x-request-id`; [`obs_runtime::SessionId`] and
//!   [`obs_runtime::MessageId`] beside it, where the caller sends `x-session-id` and `x-message-id`;
//! - `http_requests_total{method,path,status}` and `http_request_duration_seconds{method,path}` ([`HttpMetrics`]), where `path` is the template of the
//!   route, or `_unmatched`.
//!
//! The log lines of a request bear its method, route and request id. The other fields of the conventions (`url.path`, `client.address`,
//! `user_agent.original`, …) are the span's alone; of a query only its keys are kept.
//!
//! A request is done when the last byte of its response is handed over. A client that goes away earlier leaves the outcome `cancelled`; such a
//! request counts with the status that was sent, or, before any was, with 499 as nginx says it. 5xx is the outcome `error`, told by a log line of
//! its own only where no observed function below has told the cause. A handler that panics is answered with an empty 500, and the outcome is `panicked`.
//!
//! [`HttpLayer::names`] counts under the names of OpenTelemetry's semantic conventions instead of the published ones, or beside them.
//!
//! Beside it: [`grpc`] for tonic, [`client_layer`] for calls to other services, and with the features `ws`, `reqwest` and `tonic` the modules of these
//! names and the carrier `Metadata`.
#![deny(missing_docs)]

mod arrived;
mod body;
mod call;
mod client;
mod fields;
pub mod grpc;
#[cfg(feature = "tonic")]
mod metadata;
mod metrics;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod service;
#[cfg(feature = "ws")]
pub mod ws;

pub use crate::body::ResponseBody;
pub use crate::client::{ClientFuture, ClientLayer, ClientService, client_layer};
#[cfg(feature = "tonic")]
pub use crate::metadata::Metadata;
pub use crate::metrics::{
    ActiveLabels, HttpMetrics, HttpServerMetrics, Names, RequestLabels, RouteLabels, ServerLabels,
};
pub use crate::service::{HttpLayer, HttpService, ResponseFuture, layer};
