//! Start and stop: the only module that touches what is global to the process.

#[cfg(feature = "serve")]
mod administration;
mod builder;
mod error;
mod hook;
#[cfg(feature = "layer")]
mod layer;
mod level;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;
#[cfg(feature = "serve")]
mod running;
#[cfg(feature = "serve")]
mod serving;
#[cfg(not(feature = "serve"))]
#[path = "no_serving.rs"]
mod serving;
#[cfg(all(feature = "signal", unix))]
mod signal;
mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing::{Dispatch, dispatcher};

pub use self::builder::Builder;
pub use self::error::StartError;
pub use self::level::{LevelChange, LevelError, LevelStatus};
use crate::config::ObservabilityConfig;
use crate::copies;
use crate::engine::call::Active;
use crate::engine::core::CoreRef;
use crate::engine::subscriber::Engine;
use crate::export::Pipeline;
use crate::ids;
use crate::log::Limit;
use crate::log::writer::Writer;
use crate::telemetry::level::Level;
use crate::telemetry::serving::Serving;

/// The runtime: the subscriber, the log writer and the exporters. Dropped, it flushes for at most two seconds.
///
/// ```no_run
/// use std::time::Duration;
/// use obs_runtime::{Telemetry, config::ObservabilityConfig};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let telemetry = Telemetry::builder("swarm-control").config(ObservabilityConfig::load()?).start()?;
/// let server = telemetry.serve().await?;
/// println!("http://{}/metrics", server.metrics_addr());
/// // … the service runs …
/// let report = telemetry.shutdown(Duration::from_secs(5));
/// println!("{} spans sent, {} lost", report.spans_sent, report.spans_lost);
/// # Ok(()) }
/// ```
#[must_use = "telemetry stops when this is dropped"]
pub struct Telemetry {
    inner: Arc<Inner>,
    _active: Active,
}

struct Inner {
    config: ObservabilityConfig,
    service: String,
    core: CoreRef,
    /// Where it is the subscriber of some scopes.
    scoped: Option<Dispatch>,
    writer: Writer,
    pipelines: Arc<[Pipeline]>,
    serving: Serving,
    level: Arc<Level>,
    stopped: AtomicBool,
}

/// What a shutdown could still send, and what was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Spans that a receiver has acknowledged, since the start.
    pub spans_sent: u64,
    /// Spans that were accepted and not acknowledged, since the start.
    pub spans_lost: u64,
    /// What the exporters had to say last about spans that they could not deliver.
    pub problems: Vec<String>,
    /// Log lines that were accepted and are not written.
    pub lines_lost: u64,
}

/// How long a dropped runtime may take.
const DROP_DEADLINE: Duration = Duration::from_secs(2);

impl Telemetry {
    /// A runtime for the service of this name (unless the configuration names it otherwise).
    pub fn builder(service: impl Into<String>) -> Builder {
        Builder::new(service.into())
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// The configuration that it runs by.
    #[must_use]
    pub fn config(&self) -> &ObservabilityConfig {
        &self.inner.config
    }

    /// Runs `work` with this runtime as the subscriber: for one that was built and not started. One that was started, or whose
    /// layer is part of the process's subscriber, needs it not: then `work` runs as it would anyway.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        self.inner.in_scope(work)
    }

    /// What a runtime of the process does once it has begun.
    fn started(&self) {
        crate::propagation::set_default_trust(self.inner.config.trust);
        crate::propagation::set_baggage_fields(&self.inner.config.baggage_fields);
        hook::install(Arc::downgrade(&self.inner));
        copies::tell();
        for warning in &self.inner.config.warnings {
            tracing::warn!(target: "obs_runtime::config", "{warning}");
        }
    }

    /// Waits until the log lines and spans accepted so far are written and sent, at most for `deadline`.
    pub fn flush(&self, deadline: Duration) {
        self.inner.flush(Instant::now() + deadline);
    }

    /// To be called in the child of a fork, first of all: lines are written from then on, by a thread of the child's own, and
    /// ids are others than the parent's. Anywhere else it does nothing.
    ///
    /// A fork copies one thread only. Without this call the child neither hangs nor writes or sends what the parent has not yet; its
    /// own lines are written if none of the parent's were waiting at the fork, which [`flush`](Self::flush) before it makes sure
    /// of. A custom writer that was busy at the fork stays with the parent, and the child's lines are counted as lost.
    /// Spans of the child are sent by no runtime but one that the child starts itself.
    pub fn after_fork(&self) {
        ids::reseed();
        self.inner.writer.after_fork();
        // Nobody would ever take them out of the queues.
        self.inner.pipelines.iter().filter(|pipeline| pipeline.is_left_behind()).for_each(Pipeline::close);
    }

    /// Stops: what was accepted is written and sent, as far as `deadline` allows. It never hangs, inside a tokio runtime or
    /// outside. A second call changes nothing and reports the same.
    pub fn shutdown(&self, deadline: Duration) -> Report {
        self.inner.shutdown(Instant::now() + deadline)
    }
}

impl Inner {
    /// A subscriber that is this runtime and nothing else.
    fn own_dispatch(&self) -> Dispatch {
        Dispatch::new(Engine(self.core.clone()))
    }

    fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.scoped {
            Some(dispatch) => dispatcher::with_default(dispatch, work),
            None => work(),
        }
    }

    fn flush(&self, deadline: Instant) {
        self.writer.flush(deadline);
        for pipeline in self.pipelines.iter() {
            pipeline.flush(deadline);
        }
    }

    fn shutdown(&self, deadline: Instant) -> Report {
        self.stopped.store(true, Relaxed);
        self.serving.stop();
        self.level.reset();
        self.tell_suppressed();
        let mut report = Report::default();
        // All of them first, so that none takes a span more while another one is waited for.
        self.pipelines.iter().for_each(Pipeline::close);
        for pipeline in self.pipelines.iter() {
            let exported = pipeline.shutdown(deadline);
            report.problems.extend(exported.problem);
            report.spans_sent += exported.sent;
            report.spans_lost += exported.lost;
        }
        // The lines last: an exporter that failed may have had a word to say.
        report.lines_lost = self.writer.shutdown(deadline);
        report
    }
}

impl Inner {
    /// Tells of the lines that were held back since the last ones of their callsites: there is none to come.
    fn tell_suppressed(&self) {
        let suppressed = self.core.limit.as_ref().map_or(0, Limit::take_untold);
        if suppressed > 0 {
            self.in_scope(|| {
                tracing::warn!(target: "obs_runtime::log", suppressed, "Lines were held back");
            });
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if !self.inner.stopped.load(Relaxed) {
            self.shutdown(DROP_DEADLINE);
        }
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("service", &self.inner.service).finish_non_exhaustive()
    }
}
