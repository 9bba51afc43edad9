//! What a finished span costs on its way out: written into a request of 512 spans, and sent over gRPC to the receiver.

use std::borrow::Cow;
use std::fs;
use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use obs_runtime::config::ObservabilityConfig;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::otlp::{Again, OtlpExporter};
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{Telemetry, info_span};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use prost::Message;

use crate::receiver::Receiver;

const SPANS: usize = 512;
const ROUNDS: usize = 41;
const REQUESTS: usize = 400;

pub fn run() {
    let spans = spans();
    let mut receiver = Receiver::start();
    let config = ObservabilityConfig { otlp_endpoint: Some(receiver.url.clone()), ..ObservabilityConfig::default() };
    let exporter = OtlpExporter::new(&config, "bench").expect("nothing is wrong").expect("there is an endpoint");
    let mut ours = Again::new(exporter, &spans);
    let structs = ExportTraceServiceRequest::decode(ours.encode()).expect("the official decoder reads it");
    let data: Vec<SpanData> = spans.iter().map(data).collect();
    let resource = ResourceAttributesWithSchema::default();

    println!(
        "\n| a span with 2 attributes, {SPANS} in a request | ns, minimum (median) | allocations |\n|---|---:|---:|"
    );
    let encode = |spans| {
        let resource_spans = group_spans_by_resource_and_scope(spans, &resource);
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    };
    row("obs-runtime", || (), |()| black_box(ours.encode()).len());
    row(
        "the structs of opentelemetry-proto, made and encoded",
        || (),
        |()| black_box(structs.clone().encode_to_vec()).len(),
    );
    row(
        "SpanData of the SDK, made before, encoded as opentelemetry-otlp does",
        || data.clone(),
        |spans| encode(spans).len(),
    );

    println!("\n| sent over gRPC, of {SPANS} in a request | ns of the sender's processor a span |\n|---|---:|");
    ours.send(20);
    let before = ran();
    ours.send(REQUESTS);
    told("obs-runtime", before);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = TraceServiceClient::connect(receiver.url.clone()).await.expect("it listens");
        let requests = |requests: usize| {
            let (mut client, structs) = (client.clone(), &structs);
            async move {
                for _ in 0..requests {
                    client.export(structs.clone()).await.expect("it is taken");
                }
            }
        };
        requests(20).await;
        let before = ran();
        requests(REQUESTS).await;
        told("the structs of opentelemetry-proto", before);
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(&receiver.url);
        let exporter = exporter.build().expect("an exporter");
        let batches = |batches: usize| vec![data.clone(); batches];
        for batch in batches(20) {
            exporter.export(batch).await.expect("it is taken");
        }
        let batches = batches(REQUESTS);
        let before = ran();
        for batch in batches {
            exporter.export(batch).await.expect("it is taken");
        }
        told("SpanData of the SDK by opentelemetry-otlp", before);
    });
    assert_eq!(receiver.spans(), 3 * (20 + REQUESTS as u64) * SPANS as u64);
}

/// Spans as the runtime finishes them, with two attributes each.
fn spans() -> Vec<FinishedSpan> {
    struct Kept(mpsc::Sender<FinishedSpan>);
    impl Exporter for Kept {
        fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
            let all = Delivery::all(&spans);
            spans.into_iter().for_each(|span| self.0.send(span).expect("somebody waits"));
            all
        }
    }
    let (sender, receiver) = mpsc::channel();
    let telemetry = Telemetry::builder("bench").log_writer(std::io::sink()).exporter(Kept(sender)).build();
    let telemetry = telemetry.expect("it starts");
    telemetry.in_scope(|| {
        for number in 0..SPANS {
            let id = |number: usize| {
                format!("3f2b8c1e-9d4a-4e7b-8a61-0c5d{:08x}", (number as u32).wrapping_mul(2_654_435_761))
            };
            drop(info_span!("call", agent_id = id(number), user_id = id(number * 7)).entered());
        }
    });
    telemetry.shutdown(Duration::from_secs(5));
    receiver.iter().map(|span| FinishedSpan { location: None, ..span }).collect()
}

fn data(span: &FinishedSpan) -> SpanData {
    let (trace, id) = (TraceId::from(span.trace_id.to_u128()), SpanId::from(span.span_id.to_u64()));
    let attributes = span.fields.iter().map(|(key, _)| {
        let value = span.fields.get(&key).map(|value| value.to_string()).unwrap_or_default();
        KeyValue::new(key.into_owned(), value)
    });
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed("call"),
        start_time: UNIX_EPOCH + Duration::from_nanos(span.start_unix_nanos),
        end_time: UNIX_EPOCH + Duration::from_nanos(span.start_unix_nanos + span.duration_nanos),
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("bench").build(),
    }
}

/// Prints what `work` takes for each span, without what makes its input.
fn row<T>(name: &str, make: impl Fn() -> T, mut work: impl FnMut(T) -> usize) {
    let mut nanos: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let inputs: Vec<T> = (0..8).map(|_| make()).collect();
            let begun = Instant::now();
            let count = inputs.len() * SPANS;
            for input in inputs {
                black_box(work(input));
            }
            begun.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    let input = make();
    let allocations = bench_heap::taken(|| _ = black_box(work(input))).allocations as f64 / SPANS as f64;
    println!("| {name} | {:.0} ({:.0}) | {allocations:.1} |", nanos[0], nanos[ROUNDS / 2]);
}

fn told(name: &str, before: u64) {
    println!("| {name} | {} |", (ran() - before) / (REQUESTS * SPANS) as u64);
}

/// For how many nanoseconds the threads of this process have run.
fn ran() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
