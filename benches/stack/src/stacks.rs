//! The same call in four dresses: one span with two fields, two lines to a file, a histogram, one await.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use fastrace::future::FutureExt;
use fastrace::prelude::{Span, SpanContext};
use logforth::layout::Layout;
use obs_runtime::config::ObservabilityConfig;
use obs_runtime::{Telemetry, observed};
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
use tokio::runtime::Handle;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder};
use tracing_subscriber::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stack {
    /// The load generator alone.
    Bare,
    Ours,
    /// `tracing` with `fmt` JSON, tracing-opentelemetry, opentelemetry-otlp and prometheus.
    Standard,
    /// fastrace, logforth and prometheus.
    Fastrace,
}

/// What ends a stack, and waits until all that can be written and sent is.
pub type End = Box<dyn FnOnce()>;

impl Stack {
    pub const ALL: [Stack; 4] = [Stack::Bare, Stack::Ours, Stack::Standard, Stack::Fastrace];

    pub const fn name(self) -> &'static str {
        match self {
            Stack::Bare => "load generator alone",
            Stack::Ours => "obs-runtime",
            Stack::Standard => "tracing + opentelemetry + prometheus",
            Stack::Fastrace => "fastrace + logforth + prometheus",
        }
    }

    pub fn begin(self, url: &str, lines: &Path, background: &Handle) -> End {
        let file = File::create(lines).expect("a file");
        let exporter = || SpanExporter::builder().with_tonic().with_endpoint(url).build().expect("an exporter");
        let writer = |file| NonBlockingBuilder::default().lossy(false).finish(file);
        match self {
            Stack::Bare => Box::new(|| ()),
            Stack::Ours => {
                let config = ObservabilityConfig {
                    otlp_endpoint: Some(url.to_owned()),
                    otlp_delay: Duration::from_millis(100),
                    log_queue_bytes: 64 << 20,
                    ..ObservabilityConfig::default()
                };
                let telemetry = Telemetry::builder("bench").config(config).log_writer(file).start().expect("it starts");
                Box::new(move || {
                    let report = telemetry.shutdown(Duration::from_secs(30));
                    eprintln!("{report:?}");
                })
            }
            Stack::Standard => {
                let (writer, guard) = writer(file);
                let provider = SdkTracerProvider::builder().with_batch_exporter(exporter()).build();
                tracing_subscriber::registry()
                    .with(tracing_subscriber::filter::LevelFilter::INFO)
                    .with(tracing_subscriber::fmt::layer().json().with_writer(writer))
                    .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("bench")))
                    .init();
                Box::new(move || {
                    let _ = provider.shutdown();
                    drop(guard);
                })
            }
            Stack::Fastrace => {
                let (writer, guard) = writer(file);
                let lines = Lines(logforth::layout::JsonLayout::default(), Mutex::new(writer));
                let logger = logforth::core::builder()
                    .dispatch(|dispatch| {
                        dispatch.diagnostic(logforth::diagnostic::FastraceDiagnostic::default()).append(lines)
                    })
                    .build();
                log::set_boxed_logger(Box::new(logforth::bridge::log::LogBridge::new(logger)))
                    .expect("the first logger");
                log::set_max_level(log::LevelFilter::Info);
                let background = background.clone();
                let reporter = fastrace_opentelemetry::OpenTelemetryReporter::new(
                    exporter(),
                    Cow::Owned(Resource::builder().build()),
                    InstrumentationScope::builder("bench").build(),
                )
                .with_block_on(move |export| background.block_on(export));
                fastrace::set_reporter(reporter, fastrace::collector::Config::default());
                Box::new(move || {
                    fastrace::flush();
                    drop(guard);
                })
            }
        }
    }

    pub async fn call(self, agent_id: &str, user_id: &str, kind: &'static str) -> Result<usize, fmt::Error> {
        match self {
            Stack::Bare => bare(agent_id, user_id, kind).await,
            Stack::Ours => ours(agent_id, user_id, kind).await,
            Stack::Standard => standard(agent_id, user_id, kind).await,
            Stack::Fastrace => fast(agent_id, user_id, kind).await,
        }
    }
}

/// Lines of logforth, through the same writer as those of `fmt`.
struct Lines(logforth::layout::JsonLayout, Mutex<NonBlocking>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl logforth::append::Append for Lines {
    fn append(
        &self,
        record: &logforth::record::Record<'_>,
        diagnostics: &[Box<dyn logforth::diagnostic::Diagnostic>],
    ) -> Result<(), logforth::Error> {
        let mut line = self.0.format(record, diagnostics)?;
        line.push(b'\n');
        let _ = self.1.lock().expect("not poisoned").clone().write_all(&line);
        Ok(())
    }

    fn flush(&self) -> Result<(), logforth::Error> {
        Ok(())
    }
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

async fn work(agent_id: &str, user_id: &str, kind: &str) -> usize {
    tokio::task::yield_now().await;
    black_box(agent_id.len() + user_id.len() + kind.len())
}

async fn bare(agent_id: &str, user_id: &str, kind: &'static str) -> Result<usize, fmt::Error> {
    Ok(work(agent_id, user_id, kind).await)
}

#[observed(agent_id, user_id)]
async fn ours(agent_id: &str, user_id: &str, kind: &'static str) -> Result<usize, fmt::Error> {
    obs_runtime::info!(status = "provisioning", kind, "Agent creating");
    let value = work(agent_id, user_id, kind).await;
    obs_runtime::info!(status = "ready", kind, "Agent created");
    Ok(value)
}

#[tracing::instrument(skip_all, fields(agent_id = %agent_id, user_id = %user_id))]
async fn standard(agent_id: &str, user_id: &str, kind: &'static str) -> Result<usize, fmt::Error> {
    let begun = Instant::now();
    tracing::info!(status = "provisioning", kind, "Agent creating");
    let value = work(agent_id, user_id, kind).await;
    tracing::info!(status = "ready", kind, "Agent created");
    counted(begun);
    Ok(value)
}

async fn fast(agent_id: &str, user_id: &str, kind: &'static str) -> Result<usize, fmt::Error> {
    let root = Span::root("fast", SpanContext::random())
        .with_properties(|| [("agent_id", agent_id.to_owned()), ("user_id", user_id.to_owned())]);
    async {
        let begun = Instant::now();
        log::info!(status = "provisioning", kind; "Agent creating");
        let value = work(agent_id, user_id, kind).await;
        log::info!(status = "ready", kind; "Agent created");
        counted(begun);
        Ok(value)
    }
    .in_span(root)
    .await
}
