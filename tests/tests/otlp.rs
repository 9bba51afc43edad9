//! Spans over OTLP/gRPC, seen by a collector on the official protos.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use obs_runtime::config::{Headers, ObservabilityConfig};
use obs_runtime::engine::{Fields, FinishedSpan, SpanKind};
use obs_runtime::export::otlp::{Again, OtlpError, OtlpExporter};
use obs_runtime::export::{Delivery, Exporter, Pipeline};
use obs_runtime::{Ended, Level, SpanId, Telemetry, TraceId, info, info_span, observed};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tests::Written;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// A collector on a free port, on a thread and a runtime of its own.
struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

type Reply = fn(usize) -> Result<ExportTraceServiceResponse, Status>;

struct Service {
    seen: Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>,
    calls: AtomicUsize,
    reply: Reply,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let response = (self.reply)(self.calls.fetch_add(1, Relaxed))?;
        let headers = request.metadata().clone();
        self.seen.lock().expect("no panic").push((headers, request.into_inner()));
        Ok(Response::new(response))
    }
}

impl Collector {
    /// `reply` says what the call with this number, from 0, is answered.
    fn start(reply: Reply) -> Self {
        let seen = Arc::new(Mutex::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = TraceServiceServer::new(Service { seen: Arc::clone(&seen), calls: AtomicUsize::new(0), reply });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                listener.set_nonblocking(true).expect("a socket");
                let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                let _ = server.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) }).await;
            });
        });
        Collector { address, seen, _stop: stop }
    }

    fn config(&self) -> ObservabilityConfig {
        ObservabilityConfig { otlp_endpoint: Some(format!("http://{}", self.address)), ..Default::default() }
    }

    /// The ids of the spans that were taken.
    fn span_ids(&self) -> BTreeSet<Vec<u8>> {
        let seen = self.seen.lock().expect("no panic");
        (seen.iter())
            .flat_map(|(_, request)| &request.resource_spans)
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans)
            .map(|span| span.span_id.clone())
            .collect()
    }
}

fn taken(_call: usize) -> Result<ExportTraceServiceResponse, Status> {
    Ok(ExportTraceServiceResponse::default())
}

fn pipeline(config: &ObservabilityConfig) -> Pipeline {
    let exporter = OtlpExporter::new(config, "control").expect("the configuration is right").expect("an endpoint");
    Pipeline::start(exporter, config.otlp_queue_bytes).expect("a thread")
}

fn span() -> FinishedSpan {
    FinishedSpan {
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        parent_id: Some(SpanId::random()),
        parent_is_remote: true,
        flags: 1,
        trace_state: Some("vendor=1".into()),
        name: "agent.create".into(),
        target: module_path!(),
        location: Some((file!(), line!())),
        level: Level::INFO,
        kind: SpanKind::Server,
        start_unix_nanos: 1_700_000_000_000_000_000,
        duration_nanos: 1_000_000,
        slow: false,
        fields: Fields::default(),
        outcome: Some(Ended::Error),
        error: Some("no room".into()),
        links: Vec::new(),
        events: Vec::new(),
        dropped_events: 0,
    }
}

fn within(duration: Duration) -> Instant {
    Instant::now() + duration
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn every_span_arrives_with_the_resource_and_the_headers() {
    let collector = Collector::start(taken);
    let config = ObservabilityConfig {
        otlp_headers: Headers([("authorization".to_owned(), "Bearer t".to_owned())].into()),
        resource: [("deployment.environment.name".to_owned(), "test".to_owned())].into(),
        ..collector.config()
    };
    let pipeline = pipeline(&config);
    let spans: Vec<FinishedSpan> = (0..2_000).map(|_| span()).collect();
    let expected: BTreeSet<Vec<u8>> = spans.iter().map(|span| span.span_id.to_u64().to_be_bytes().to_vec()).collect();
    for span in spans {
        pipeline.offer(span);
    }
    let exported = pipeline.shutdown(within(LONG));
    assert_eq!((exported.sent, exported.lost, exported.problem), (2_000, 0, None));
    assert_eq!(collector.span_ids(), expected);

    let seen = collector.seen.lock().expect("no panic");
    let (headers, request) = &seen[0];
    assert_eq!(headers.get("authorization").expect("sent"), "Bearer t");
    assert!(headers.contains_key("grpc-timeout"));
    let resource = format!("{:?}", request.resource_spans[0].resource);
    for part in ["service.name", "control", "deployment.environment.name", "telemetry.sdk.name"] {
        assert!(resource.contains(part), "{part} in {resource}");
    }
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.name.as_str(), span.kind, span.flags), ("agent.create", 2, 0x301));
    assert_eq!(span.status.as_ref().map(|status| (status.code, status.message.as_str())), Some((2, "no room")));
}

#[test]
fn a_request_is_written_without_an_allocation() {
    let collector = Collector::start(taken);
    let exporter = OtlpExporter::new(&collector.config(), "control").expect("nothing is wrong").expect("an endpoint");
    let spans: Vec<FinishedSpan> = (0..100).map(|_| span()).collect();
    let mut again = Again::new(exporter, &spans);
    assert!(measure(|| assert!(!again.encode().is_empty())).count_total > 0, "the buffer grows");
    assert_eq!(measure(|| assert!(!again.encode().is_empty())).count_total, 0);
    assert_eq!(again.send(3), 300);
    assert_eq!(collector.span_ids().len(), 100);
}

#[test]
fn a_collector_that_is_unavailable_for_a_moment_loses_nothing() {
    let collector = Collector::start(|call| if call < 2 { Err(Status::unavailable("starting")) } else { taken(call) });
    let pipeline = pipeline(&collector.config());
    pipeline.offer(span());
    let exported = pipeline.shutdown(within(LONG));
    assert_eq!((exported.sent, exported.lost), (1, 0));
    assert_eq!(collector.span_ids().len(), 1);
}

#[test]
fn a_refusal_for_good_is_not_tried_again() {
    let collector =
        Collector::start(|call| if call == 0 { Err(Status::unauthenticated("who are you")) } else { taken(call) });
    let pipeline = pipeline(&collector.config());
    pipeline.offer(span());
    let exported = pipeline.shutdown(within(LONG));
    assert_eq!((exported.sent, exported.lost), (0, 1));
    assert!(exported.problem.is_some_and(|problem| problem.contains("who are you")));
    assert_eq!(collector.span_ids().len(), 0);
}

#[test]
fn what_a_collector_takes_in_part_is_counted_in_part() {
    let collector = Collector::start(|_| {
        let partial_success = ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
        Ok(ExportTraceServiceResponse { partial_success: Some(partial_success) })
    });
    let pipeline = pipeline(&collector.config());
    for _ in 0..5 {
        pipeline.offer(span());
    }
    let exported = pipeline.shutdown(within(LONG));
    assert_eq!(exported.sent + exported.lost, 5);
    assert!(exported.lost >= 2, "{exported:?}");
    assert!(exported.problem.is_some_and(|problem| problem.contains("too old")));
}

#[test]
fn without_a_collector_everything_is_counted_and_the_shutdown_is_in_time() {
    // Bound and dropped: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let config = ObservabilityConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_queue_bytes: 1 << 20,
        ..ObservabilityConfig::default()
    };
    let pipeline = pipeline(&config);
    for _ in 0..10_000 {
        pipeline.offer(span());
    }
    let begin = Instant::now();
    let exported = pipeline.shutdown(begin + Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    assert_eq!((exported.sent, exported.lost), (0, 10_000));
}

/// Memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

#[test]
#[ignore = "alone in a process"]
fn alone_calls_without_a_collector() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let config = ObservabilityConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_queue_bytes: 1 << 20,
        ..ObservabilityConfig::default()
    };
    let telemetry = Telemetry::builder("tests").config(config).log_writer(std::io::sink()).start().expect("it starts");
    let calls = || (0..20_000).for_each(|_| drop(info_span!("work").entered()));
    // The queue is full, and everything that a first call makes is made.
    calls();
    let before = resident();
    calls();
    calls();
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more");
    let report = telemetry.shutdown(Duration::from_millis(100));
    assert_eq!((report.spans_sent, report.spans_lost), (0, 60_000));
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_collector_memory_does_not_grow() {
    let output = tests::alone("alone_calls_without_a_collector").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_shutdown() {
    // A server that accepts by its backlog and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound");
    let config = ObservabilityConfig { otlp_endpoint: Some(format!("http://{address}")), ..Default::default() };
    let pipeline = pipeline(&config);
    pipeline.offer(span());
    let begin = Instant::now();
    let exported = pipeline.shutdown(begin + Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    assert_eq!((exported.sent, exported.lost), (0, 1));
}

#[test]
fn the_timeout_bounds_the_retries() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let config = ObservabilityConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_timeout: Duration::from_millis(500),
        ..ObservabilityConfig::default()
    };
    let pipeline = pipeline(&config);
    pipeline.offer(span());
    let exported = pipeline.shutdown(within(LONG));
    assert_eq!((exported.sent, exported.lost), (0, 1));
    assert!(exported.problem.is_some(), "it says why");
}

#[test]
fn without_an_endpoint_there_is_no_exporter_and_a_bad_one_says_so() {
    assert!(OtlpExporter::new(&ObservabilityConfig::default(), "control").expect("nothing wrong").is_none());
    let config = ObservabilityConfig { otlp_endpoint: Some("not an address".to_owned()), ..Default::default() };
    assert!(matches!(OtlpExporter::new(&config, "control"), Err(OtlpError::Endpoint { .. })));
    let config = ObservabilityConfig {
        otlp_endpoint: Some("http://127.0.0.1:1".to_owned()),
        otlp_headers: Headers([("a b".to_owned(), "c".to_owned())].into()),
        ..Default::default()
    };
    assert!(matches!(OtlpExporter::new(&config, "control"), Err(OtlpError::Header { name }) if name == "a b"));
}

#[observed(user_id, attempts = attempts)]
fn place(user_id: &str, attempts: u64) -> Result<(), String> {
    info!("placing");
    choose()
}

#[observed]
fn choose() -> Result<(), String> {
    Err("no node has room".to_owned())
}

#[test]
fn what_arrives_agrees_with_the_log_lines() {
    let collector = Collector::start(taken);
    let lines = Written::default();
    let telemetry = Telemetry::builder("scheduler")
        .config(collector.config())
        .log_writer(lines.clone())
        .build()
        .expect("nothing is wrong");
    telemetry.in_scope(|| place("u1", 3).expect_err("it fails on purpose"));
    let report = telemetry.shutdown(LONG);
    assert_eq!((report.spans_sent, report.spans_lost), (2, 0));

    let seen = collector.seen.lock().expect("no panic");
    let spans: Vec<_> = (seen.iter())
        .flat_map(|(_, request)| &request.resource_spans)
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .collect();
    let span = |name: &str| *spans.iter().find(|span| span.name == name).expect("it arrived");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(span("choose").parent_span_id, span("place").span_id);
    assert_eq!(span("choose").trace_id, span("place").trace_id);
    assert_eq!(span("place").parent_span_id, [0; 0]);
    for name in ["place", "choose"] {
        let status = span(name).status.as_ref().expect("it failed");
        assert_eq!((status.code, status.message.as_str()), (2, "no node has room"));
    }
    let attributes = format!("{:?}", span("place").attributes);
    for part in ["user_id", "StringValue(\"u1\")", "attempts", "IntValue(3)", "outcome", "error.type"] {
        assert!(attributes.contains(part), "{part} in {attributes}");
    }

    let lines = lines.json();
    let line = |message: &str| lines.iter().find(|line| line["message"] == message).expect("it was logged");
    assert_eq!(line("placing")["span_id"], hex(&span("place").span_id));
    assert_eq!(line("placing")["trace_id"], hex(&span("place").trace_id));
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "once, where it began");
    assert_eq!(errors[0]["span_id"], hex(&span("choose").span_id));
}

#[test]
fn what_is_not_sampled_is_not_sent_and_not_lost() {
    let collector = Collector::start(taken);
    let lines = Written::default();
    let telemetry = Telemetry::builder("scheduler")
        .config(ObservabilityConfig { trace_sample_rate: 0.0, ..collector.config() })
        .log_writer(lines.clone())
        .build()
        .expect("nothing is wrong");
    telemetry.in_scope(|| info_span!("work").in_scope(|| info!("here")));
    let report = telemetry.shutdown(LONG);
    assert_eq!((report.spans_sent, report.spans_lost), (0, 0));
    assert!(lines.json()[0]["trace_id"].is_string(), "the line has its ids all the same");
}

#[test]
fn an_exporter_does_not_speak_through_the_pipeline_it_serves() {
    struct Loud;

    impl Exporter for Loud {
        fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
            info_span!("exporting").in_scope(|| info!("loud"));
            Delivery::all(&spans)
        }
    }

    let lines = Written::default();
    let telemetry = Telemetry::builder("scheduler")
        .config(ObservabilityConfig { log_level: "trace".to_owned(), ..ObservabilityConfig::default() })
        .log_writer(lines.clone())
        .exporter(Loud)
        .start()
        .expect("nothing else in this program is global");
    info_span!("work").in_scope(|| info!("quiet"));
    telemetry.flush(LONG);
    let report = telemetry.shutdown(LONG);
    let messages: Vec<_> = lines.json().into_iter().map(|line| line["message"].clone()).collect();
    assert!(messages.iter().any(|message| message == "quiet"));
    assert!(!messages.iter().any(|message| message == "loud"));
    assert!(report.spans_sent >= 1);
}

/// Not a key of the configuration, so it may not be called like one.
const COLLECTOR: &str = "COLLECTOR";

fn work_for_the_collector(init_tracer: impl Fn(&str) -> obs_runtime::FlushGuard) -> ! {
    let guard = init_tracer(&std::env::var(COLLECTOR).expect("the test that starts this says it"));
    info_span!("work").in_scope(|| info!("working"));
    drop(guard);
    std::process::exit(0);
}

#[test]
#[ignore = "alone in a process"]
fn alone_sends_by_init_tracer() {
    work_for_the_collector(|endpoint| obs_runtime::init_tracer("published", endpoint));
}

#[test]
#[ignore = "alone in a process"]
fn alone_sends_by_init_tracing_and_init_tracer() {
    let _logs = obs_runtime::init_tracing();
    work_for_the_collector(|endpoint| obs_runtime::init_tracer("published", endpoint));
}

#[test]
fn init_tracer_sends_spans_that_its_guard_flushes_also_after_init_tracing() {
    for alone in ["alone_sends_by_init_tracer", "alone_sends_by_init_tracing_and_init_tracer"] {
        let collector = Collector::start(taken);
        let endpoint = format!("http://{}", collector.address);
        let output = tests::alone(alone).env(COLLECTOR, endpoint).output().expect("it runs");
        let lines = tests::json_lines(&output.stdout);
        let line = lines.first().unwrap_or_else(|| panic!("no line: {output:?}"));
        let hex = |id: &Vec<u8>| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let seen: Vec<_> = collector.span_ids().iter().map(hex).collect();
        assert_eq!(seen, [line["span_id"].as_str().expect("a line in a span")], "{alone}");
    }
}
