//! The same work in other dresses: the plain call; `#[instrument]` with `fmt` JSON, tracing-opentelemetry and prometheus;
//! fastrace with prometheus.

use std::fs::File;
use std::future::Future;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use fastrace::prelude::{Span as FastSpan, SpanContext, SpanRecord};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
use tracing::{Instrument, info, info_span};
use tracing_subscriber::prelude::*;

use crate::measure::{Case, End, Load};
use crate::work::{Id, Pending, body, drive, each, each_status};
use crate::{rows, scratch};

/// How many spans have reached an exporter.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Forgets;

impl SpanExporter for Forgets {
    fn export(&self, spans: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        ARRIVED.fetch_add(spans.len() as u64, Relaxed);
        std::future::ready(Ok(()))
    }
}

impl fastrace::collector::Reporter for Forgets {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        ARRIVED.fetch_add(spans.len() as u64, Relaxed);
    }
}

fn nothing() -> End {
    Box::new(|| None)
}

fn provider(sampler: Sampler) -> (SdkTracer, SdkTracerProvider) {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Forgets).build();
    (provider.tracer("bench"), provider)
}

fn stack(sampler: Sampler) -> SdkTracerProvider {
    let (tracer, provider) = provider(sampler);
    tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::INFO)
        .with(tracing_subscriber::fmt::layer().json().with_writer(io::sink))
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .init();
    provider
}

fn sampled() -> End {
    let provider = stack(Sampler::AlwaysOn);
    Box::new(move || {
        let _ = provider.shutdown();
        Some(ARRIVED.load(Relaxed))
    })
}

fn not_sampled() -> End {
    let provider = stack(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.0))));
    Box::new(move || {
        let _ = provider.shutdown();
        None
    })
}

fn fastrace() -> End {
    fastrace::set_reporter(Forgets, fastrace::collector::Config::default());
    Box::new(|| {
        fastrace::flush();
        Some(ARRIVED.load(Relaxed))
    })
}

fn fmt_json() -> End {
    tracing_subscriber::fmt().json().with_writer(io::sink).init();
    nothing()
}

fn to_a_file() -> End {
    let file = File::create(scratch("peer")).expect("a file");
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(false).finish(file);
    tracing_subscriber::fmt().json().with_writer(writer).init();
    Box::new(move || {
        drop(guard);
        None
    })
}

static CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    IntCounterVec::new(Opts::new("calls_total", "Calls."), &["operation", "target", "outcome"]).expect("a metric")
});
static SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    HistogramVec::new(HistogramOpts::new("seconds", "Seconds."), &["operation", "target", "outcome"]).expect("a metric")
});

fn counted(begun: Instant) {
    let labels = ["call", "bench", "ok"];
    CALLS.with_label_values(&labels).inc();
    SECONDS.with_label_values(&labels).observe(begun.elapsed().as_secs_f64());
}

#[inline(never)]
fn plain(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
#[tracing::instrument(level = "info", skip_all, fields(agent_id = %agent_id, user_id = %user_id))]
fn instrumented(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
#[tracing::instrument(level = "info", skip_all, fields(agent_id = %agent_id, user_id = %user_id))]
fn instrumented_and_counted(agent_id: &Id, user_id: &Id) -> usize {
    let begun = Instant::now();
    let value = body(agent_id, user_id);
    counted(begun);
    value
}

#[inline(never)]
#[fastrace::trace(properties = { "agent_id": "{agent_id}", "user_id": "{user_id}" })]
fn traced(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
fn traced_and_counted(agent_id: &Id, user_id: &Id) -> usize {
    let begun = Instant::now();
    let value = traced(agent_id, user_id);
    counted(begun);
    value
}

/// fastrace wants a root above its spans: one for each 64.
fn fast_calls(calls: u32) {
    for _ in 0..calls / 64 {
        let root = FastSpan::root("root", SpanContext::random());
        let _parent = root.set_local_parent();
        each(64, traced_and_counted);
    }
}

#[inline(never)]
fn fast_root_not_sampled(agent_id: &Id, user_id: &Id) -> usize {
    let begun = Instant::now();
    let root = FastSpan::root("root", SpanContext::random().sampled(false))
        .with_properties(|| [("agent_id", agent_id.0.clone()), ("user_id", user_id.0.clone())]);
    let _parent = root.set_local_parent();
    let value = body(agent_id, user_id);
    counted(begun);
    value
}

#[inline(never)]
fn span(agent_id: &Id, user_id: &Id) -> usize {
    let span = info_span!("span", agent_id = %agent_id, user_id = %user_id);
    let _entered = span.enter();
    body(agent_id, user_id)
}

#[inline(never)]
fn line(status: &'static str) {
    info!(status, "Agent created");
}

fn lines_in_spans(calls: u32) {
    let outer = info_span!("handle", agent_id = "3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b01");
    let _outer = outer.enter();
    let inner = info_span!("create", user_id = "3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b02");
    let _inner = inner.enter();
    each_status(calls, line);
}

fn case(row: &'static str, name: &'static str, begin: fn() -> End, run: fn(u32)) -> Case {
    Case { row, name, load: Load::Bursts(1_000), begin, run }
}

pub fn cases() -> Vec<Case> {
    let many = |case: Case| Case { load: Load::Bursts(100_000), ..case };
    vec![
        case(rows::SAMPLED, "instrument + fmt json + opentelemetry + prometheus", sampled, |calls| {
            each(calls, instrumented_and_counted);
        }),
        Case { load: Load::Bursts(1_024), ..case(rows::SAMPLED, "fastrace + prometheus", fastrace, fast_calls) },
        case(rows::NOT_SAMPLED, "instrument + fmt json + opentelemetry + prometheus", not_sampled, |calls| {
            each(calls, instrumented_and_counted);
        }),
        case(rows::NOT_SAMPLED, "fastrace + prometheus", fastrace, |calls| {
            each(calls, fast_root_not_sampled);
        }),
        case(rows::SPAN, "info_span!, fmt json", fmt_json, |calls| each(calls, span)),
        case(rows::SPAN, "info_span!, fmt json + opentelemetry", sampled, |calls| {
            each(calls, span);
        }),
        many(case(rows::POLL, "bare", nothing, |calls| drive(Pending(calls)))),
        many(case(rows::POLL, "instrument, fmt json", fmt_json, |calls| {
            drive(Pending(calls).instrument(info_span!("waits")));
        })),
        many(case(rows::IDLE, "plain", nothing, |calls| each(calls, plain))),
        many(case(rows::IDLE, "instrument", nothing, |calls| each(calls, instrumented))),
        case(rows::LINE, "info! in info_span!, fmt json", fmt_json, lines_in_spans),
        Case { load: Load::Steady(100_000), ..case(rows::FILE, "fmt json, non_blocking", to_a_file, lines_in_spans) },
    ]
}
