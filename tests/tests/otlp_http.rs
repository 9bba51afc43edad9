//! Spans over OTLP/HTTP, seen by a collector on the official protos.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Router, routing};
use flate2::read::GzDecoder;
use obs_runtime::config::{Headers, ObservabilityConfig, OtlpCompression, OtlpProtocol};
use obs_runtime::{Telemetry, info_span};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

/// What the collector answers to the call with this number, from 0.
type Reply = fn(usize) -> (StatusCode, HeaderMap, Vec<u8>);

type Seen = Arc<Mutex<Vec<(Uri, HeaderMap, ExportTraceServiceRequest)>>>;

/// A collector on a free port, on a thread and a runtime of its own.
struct Collector {
    address: SocketAddr,
    seen: Seen,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Collector {
    fn start(reply: Reply) -> Self {
        let seen = Seen::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let calls = Arc::clone(&seen);
        let take = routing::post(move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let mut plain = Vec::new();
            match headers.get("content-encoding").map(HeaderValue::as_bytes) {
                Some(b"gzip") => drop(GzDecoder::new(&*body).read_to_end(&mut plain).expect("it is gzip")),
                Some(other) => panic!("{other:?}"),
                None => plain.extend_from_slice(&body),
            }
            let request = ExportTraceServiceRequest::decode(&*plain).expect("the official decoder reads it");
            let mut calls = calls.lock().expect("no panic");
            calls.push((uri, headers, request));
            reply(calls.len() - 1).into_response()
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                listener.set_nonblocking(true).expect("a socket");
                let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
                let router = Router::new().fallback(take);
                tokio::select! {
                    _ = stopped => {}
                    served = axum::serve(listener, router) => served.expect("it serves"),
                }
            });
        });
        Collector { address, seen, _stop: stop }
    }

    fn config(&self) -> ObservabilityConfig {
        ObservabilityConfig {
            otlp_endpoint: Some(format!("http://{}/base", self.address)),
            otlp_protocol: OtlpProtocol::HttpProtobuf,
            ..ObservabilityConfig::default()
        }
    }

    /// The names of the spans of this call.
    fn names(&self, call: usize) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        let scopes = seen[call].2.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
    }

    fn calls(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }
}

fn taken(_: usize) -> (StatusCode, HeaderMap, Vec<u8>) {
    (StatusCode::OK, HeaderMap::new(), Vec::new())
}

/// Three spans through a whole runtime; what it says at its end.
fn three_spans(config: ObservabilityConfig) -> obs_runtime::Report {
    let telemetry =
        Telemetry::builder("control").config(config).log_writer(std::io::sink()).build().expect("nothing is wrong");
    telemetry.in_scope(|| {
        for _ in 0..3 {
            info_span!("work").in_scope(|| ());
        }
    });
    telemetry.shutdown(Duration::from_secs(60))
}

#[test]
fn spans_arrive_with_path_and_headers() {
    let collector = Collector::start(taken);
    let otlp_headers = Headers([("authorization".to_owned(), "Bearer t".to_owned())].into());
    let report = three_spans(ObservabilityConfig { otlp_headers, ..collector.config() });
    assert_eq!((report.spans_sent, report.spans_lost, report.problems.len()), (3, 0, 0));
    assert_eq!(collector.names(0), ["work"; 3]);
    let seen = collector.seen.lock().expect("no panic");
    let (uri, headers, _) = &seen[0];
    assert_eq!(uri.path(), "/base/v1/traces");
    assert_eq!(headers["authorization"], "Bearer t");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(headers["user-agent"].as_bytes().starts_with(b"OTel-OTLP-Exporter-Rust"));
}

#[test]
fn an_endpoint_of_traces_alone_is_used_as_it_is() {
    let collector = Collector::start(taken);
    let report = three_spans(ObservabilityConfig { otlp_endpoint_is_whole: true, ..collector.config() });
    assert_eq!(report.spans_sent, 3);
    assert_eq!(collector.seen.lock().expect("no panic")[0].0.path(), "/base");
}

#[test]
fn compressed_spans_arrive() {
    let collector = Collector::start(taken);
    let report = three_spans(ObservabilityConfig { otlp_compression: OtlpCompression::Gzip, ..collector.config() });
    assert_eq!((report.spans_sent, report.spans_lost), (3, 0));
    assert_eq!(collector.names(0), ["work"; 3]);
    assert_eq!(collector.seen.lock().expect("no panic")[0].1["content-encoding"], "gzip");
}

#[test]
fn a_collector_that_is_busy_is_asked_again_when_it_says() {
    let collector = Collector::start(|call| match call {
        0 => {
            let headers = [("retry-after".parse().expect("a name"), "1".parse().expect("a value"))];
            (StatusCode::TOO_MANY_REQUESTS, headers.into_iter().collect(), Vec::new())
        }
        _ => taken(call),
    });
    let begin = Instant::now();
    let report = three_spans(collector.config());
    assert_eq!((report.spans_sent, report.spans_lost), (3, 0));
    assert_eq!(collector.calls(), 2);
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[test]
fn a_refusal_is_not_tried_again_and_says_why() {
    let collector = Collector::start(|_| (StatusCode::BAD_REQUEST, HeaderMap::new(), b"\x12\x07too old".to_vec()));
    let report = three_spans(collector.config());
    assert_eq!((report.spans_sent, report.spans_lost), (0, 3));
    assert_eq!(report.problems, ["400 Bad Request: too old"]);
    assert_eq!(collector.calls(), 1);
}

#[test]
fn what_is_taken_in_part_is_counted_in_part() {
    let collector = Collector::start(|_| {
        let partial_success = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too long".to_owned() };
        let response = ExportTraceServiceResponse { partial_success: Some(partial_success) };
        (StatusCode::OK, HeaderMap::new(), response.encode_to_vec())
    });
    let report = three_spans(collector.config());
    assert_eq!((report.spans_sent, report.spans_lost), (2, 1));
    assert_eq!(report.problems, ["the collector refused 1 of 3 spans: too long"]);
}
