//! The servers of a runtime, seen by whoever asks them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use obs_runtime::config::ObservabilityConfig;
use obs_runtime::{Counter, MetricSet, ServeError, Telemetry};

const SHORT: Duration = Duration::from_secs(10);

#[derive(MetricSet)]
#[metric_set(prefix = "serve_tests")]
struct Tests {
    /// Tests that were begun.
    begun_total: Counter,
}

fn config() -> ObservabilityConfig {
    ObservabilityConfig {
        metrics_address: [127, 0, 0, 1].into(),
        metrics_port: 0,
        admin_port: 0,
        ..ObservabilityConfig::default()
    }
}

/// The head and the body of the answer.
async fn ask(addr: SocketAddr, path: &'static str) -> (String, String) {
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).expect("the server is up");
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_ascii_lowercase(), body.to_owned())
    });
    asking.await.expect("no panic")
}

async fn status(addr: SocketAddr, path: &'static str) -> u16 {
    ask(addr, path).await.0.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn a_started_runtime_serves_its_metrics_and_what_is_mounted() {
    let telemetry = Telemetry::builder("tests")
        .config(config())
        .metrics::<Tests>()
        .mount("/debug/tests", Router::new().route("/", get(|| async { "mounted" })))
        .build()
        .expect("nothing is wrong");
    let server = telemetry.serve().await.expect("free ports");
    Tests::global().begun_total.inc();
    let (head, body) = ask(server.metrics_addr(), "/metrics").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.contains("# HELP serve_tests_begun_total Tests that were begun.\n"), "{body}");
    assert!(body.contains("\nserve_tests_begun_total 1\n"), "{body}");
    assert_eq!(ask(server.admin_addr(), "/debug/tests").await.1, "mounted");
    assert_eq!(status(server.admin_addr(), "/metrics").await, 404);
    telemetry.shutdown(SHORT);
}

#[tokio::test]
async fn it_is_ready_from_serve_to_shutdown_while_the_checks_say_yes() {
    let telemetry = Telemetry::builder("tests").config(config()).build().expect("nothing is wrong");
    let database = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&database);
    telemetry.ready_when("database", move || seen.load(Relaxed));
    let server = telemetry.serve().await.expect("free ports");
    assert_eq!(status(server.metrics_addr(), "/readyz").await, 200);
    database.store(false, Relaxed);
    assert_eq!(status(server.metrics_addr(), "/readyz").await, 503);
    assert_eq!(status(server.metrics_addr(), "/healthz").await, 200);
    telemetry.shutdown(SHORT);
    server.stopped().await;
    assert!(TcpStream::connect(server.metrics_addr()).is_err(), "nobody listens after the shutdown");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let telemetry = Telemetry::builder("tests")
        .config(ObservabilityConfig { metrics_port: port, ..config() })
        .build()
        .expect("nothing is wrong");
    let err = telemetry.serve().await.expect_err("the port is in use");
    assert!(matches!(err, ServeError::Bind { addr, .. } if addr.port() == port), "{err}");
    assert!(err.to_string().contains(&port.to_string()), "{err}");
}

#[tokio::test]
async fn the_published_router_serves_metrics_in_a_router_of_ones_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let app = obs_runtime::metrics_router().route("/mine", get(|| async { "mine" }));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let (head, body) = ask(addr, "/metrics").await;
    assert!(head.contains("version=0.0.4"), "{head}");
    assert!(body.contains("# TYPE obs_dropped_total counter"), "{body}");
    assert_eq!(ask(addr, "/mine").await.1, "mine");
    serving.abort();
}
