//! A receiver of traces over OTLP: keeps what it gets, and shows it as trees.

pub mod span;
pub mod tree;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::span::Span;
use crate::process::{self, Announcement};
use crate::service::{Failure, bind};

/// How many spans are kept; the oldest go first.
const KEPT: usize = 100_000;

/// How many traces a page shows.
const SHOWN: usize = 50;

/// What was received. Clones share it.
#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<VecDeque<Span>>>,
}

/// `swarm collect`.
pub async fn run(supervised: bool, listen_otlp: SocketAddr, listen_http: SocketAddr) -> Result<(), Failure> {
    let received = Received::default();
    let otlp = bind(listen_otlp).await?;
    let http = bind(listen_http).await?;
    Announcement {
        service: "swarm-collect".to_owned(),
        process_id: std::process::id(),
        http: Some(http.local_addr()?.to_string()),
        otlp: Some(otlp.local_addr()?.to_string()),
        ..Announcement::default()
    }
    .publish();
    let service = TraceServiceServer::new(received.clone()).accept_compressed(CompressionEncoding::Gzip);
    let grpc = tonic::transport::Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(otlp));
    let pages = Router::new()
        .route(
            "/",
            get(|| async { "/traces  the newest as trees\n/traces/{trace_id}  one of them\n/spans  all as JSON\n" }),
        )
        .route("/traces", get(newest_trees))
        .route("/traces/{trace_id}", get(one_tree))
        .route("/spans", get(all_spans))
        .with_state(received);
    tokio::select! {
        ended = grpc => ended?,
        ended = async { axum::serve(http, pages).await } => ended?,
        () = process::stop_requested(supervised) => {}
    }
    Ok(())
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.extend(request.into_inner().resource_spans.into_iter().flat_map(span::flatten));
        let excess = spans.len().saturating_sub(KEPT);
        spans.drain(..excess);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn all_spans(State(received): State<Received>) -> Json<Vec<Span>> {
    Json(received.spans.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect())
}

async fn newest_trees(State(received): State<Received>) -> String {
    let spans: Vec<_> = received.spans.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    tree::newest(spans, SHOWN)
}

async fn one_tree(State(received): State<Received>, Path(trace_id): Path<String>) -> String {
    let spans = received.spans.lock().unwrap_or_else(PoisonError::into_inner);
    let spans: Vec<_> = spans.iter().filter(|span| span.trace_id == trace_id).cloned().collect();
    tree::render(&spans)
}
