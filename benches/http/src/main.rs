//! What a layer adds to a request of an axum router: nothing, `obs_http::layer()`, and the stack that it replaces, tower-http's
//! `TraceLayer`, axum-prometheus and axum-tracing-opentelemetry over tracing-opentelemetry and `fmt().json()`.
//!
//! Each measurement is a process of its own, as subscribers and metric recorders are global; the processes take turns. A request
//! has six headers, one of them a sampled `traceparent`; the handler answers with seven bytes; the response is read to its end. No log
//! line is written on either side: both have the fields of the request ready for one. Finished spans go to an exporter that
//! drops them, on a thread of its own; the processor time of the whole process is printed beside the time of the caller.

use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Path;
use axum::{Router, routing::get};
use http::Request;
use http_body_util::BodyExt;
use obs_runtime::Telemetry;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tower::{Service, ServiceExt};
use tracing_subscriber::prelude::*;

const ROUNDS: usize = 9;
const REQUESTS: u32 = 50_000;

fn router() -> Router {
    Router::new().route("/v1/agents/{agent_id}", get(|Path(_): Path<String>| async { "running" }))
}

fn plain() -> (Duration, f64) {
    requests(router())
}

struct Discard;

impl Exporter for Discard {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        Delivery::all(&spans)
    }
}

fn ours() -> (Duration, f64) {
    let telemetry =
        Telemetry::builder("benches").log_writer(std::io::sink()).exporter(Discard).start().expect("it starts");
    let took = requests(router().layer(obs_http::layer()));
    telemetry.shutdown(Duration::from_secs(5));
    took
}

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

impl std::fmt::Debug for Discard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Discard")
    }
}

/// The three layers, as their documentation stacks them.
fn peers() -> (Duration, f64) {
    let provider = SdkTracerProvider::builder().with_batch_exporter(Discard).build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let filter = tracing_subscriber::EnvFilter::new("info,otel::tracing=trace");
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("benches")))
        .with(tracing_subscriber::fmt::layer().json().with_writer(std::io::sink))
        .init();
    // axum-prometheus tidies up in a task of its own, which no request waits for.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let (metrics, _handle) = axum_prometheus::PrometheusMetricLayer::pair();
    let make_span = tower_http::trace::DefaultMakeSpan::new().level(tracing::Level::INFO);
    let app = router()
        .layer(tower_http::trace::TraceLayer::new_for_http().make_span_with(make_span))
        .layer(axum_tracing_opentelemetry::middleware::OtelAxumLayer::default())
        .layer(metrics);
    let took = requests(app);
    let _ = provider.shutdown();
    took
}

type Case = (&'static str, fn() -> (Duration, f64));

const CASES: [Case; 3] = [
    ("no layer", plain),
    ("obs_http::layer()", ours),
    ("TraceLayer + axum-prometheus + axum-tracing-opentelemetry", peers),
];

/// Runs a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}

fn requests(app: Router) -> (Duration, f64) {
    let mut app = app.into_service::<Body>();
    let mut run = |requests| {
        let begin = Instant::now();
        for _ in 0..requests {
            let request = Request::get("/v1/agents/a1b2c3d4")
                .header("host", "agents.example:8080")
                .header("user-agent", "curl/8.5.0")
                .header("accept", "application/json")
                .header("accept-encoding", "gzip")
                .header("content-type", "application/json")
                .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                .body(Body::empty())
                .expect("a request");
            let response = now(async { app.ready().await.expect("ready").call(request).await }).expect("a response");
            let body = now(response.into_body().collect()).expect("a body").to_bytes();
            assert_eq!(&*body, b"running");
        }
        begin.elapsed()
    };
    run(REQUESTS / 10);
    let before = processor_time();
    let took = run(REQUESTS);
    (took, processor_time() - before)
}

/// Processor time of this process so far, all threads, in nanoseconds: fields 14 and 15 of `/proc/self/stat`, in hundredths.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 1e7
}

fn main() {
    if let Some(number) = std::env::args().nth(1) {
        let (_, measure) = CASES[number.parse::<usize>().expect("the number of a case")];
        let (time, processor) = measure();
        println!("{} {}", time.as_nanos() as f64 / f64::from(REQUESTS), processor / f64::from(REQUESTS));
        return;
    }
    let mut seen = vec![Vec::new(); CASES.len()];
    for _ in 0..ROUNDS {
        for (number, seen) in seen.iter_mut().enumerate() {
            seen.push(measured(number));
        }
    }
    println!("{:<60} {:>9} {:>9} {:>12}", "ns per request", "median", "minimum", "processor");
    let mut least = Vec::new();
    for ((name, _), seen) in CASES.iter().zip(seen) {
        let (mut times, mut processor): (Vec<f64>, Vec<f64>) = seen.into_iter().unzip();
        times.sort_by(f64::total_cmp);
        processor.sort_by(f64::total_cmp);
        println!("{name:<60} {:>9.0} {:>9.0} {:>12.0}", times[ROUNDS / 2], times[0], processor[0]);
        least.push((times[0], processor[0]));
    }
    println!(
        "\nof the minima: obs_http adds {:.0} ns, the peers {:.0} ns, {:.1} times as much; of the processor time {:.1} times",
        least[1].0 - least[0].0,
        least[2].0 - least[0].0,
        (least[2].0 - least[0].0) / (least[1].0 - least[0].0),
        (least[2].1 - least[0].1) / (least[1].1 - least[0].1),
    );
}

/// The time of the caller and of the processor, in nanoseconds a request, of this case in a process of its own.
fn measured(case: usize) -> (f64, f64) {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program).arg(case.to_string()).output().expect("this program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers are ASCII");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    (numbers.next().expect("a time"), numbers.next().expect("a time"))
}
