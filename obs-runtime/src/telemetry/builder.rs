use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tracing::dispatcher;
use tracing::level_filters::LevelFilter;

use crate::config::ObservabilityConfig;
use crate::copies;
use crate::engine::call::Active;
use crate::engine::core::{Core, CoreRef};
use crate::engine::events::Rules;
use crate::engine::facade;
use crate::engine::sampling::Sampler;
use crate::engine::subscriber::{self, Engine};
use crate::export::{Exporter, Limits, Owning, Pipeline, Resource, Settings};
use crate::log::Render;
use crate::log::writer::Writer;
use crate::metrics::{MetricSet, RegisterError, set};
use crate::telemetry::level::Level;
use crate::telemetry::serving::Serving;
use crate::telemetry::sink::Sink;
use crate::telemetry::{Inner, StartError, Telemetry, otlp};

/// Whose subscriber a runtime is to be.
#[derive(Clone, Copy)]
enum Subscriber {
    /// The process's.
    Process,
    /// That of some scopes.
    Scoped,
    /// It is a layer of somebody else's.
    #[cfg_attr(not(feature = "layer"), allow(dead_code))]
    Theirs,
}

/// Puts a runtime together.
#[must_use = "nothing starts until `start` or `build`"]
pub struct Builder {
    service: String,
    config: ObservabilityConfig,
    output: Option<Box<dyn Write + Send>>,
    metrics: Vec<fn() -> Result<(), RegisterError>>,
    exporters: Vec<Box<dyn Exporter>>,
    mirrored: bool,
    pub(super) serving: Serving,
}

impl Builder {
    pub(super) fn new(service: String) -> Self {
        Builder {
            service,
            config: ObservabilityConfig::default(),
            output: None,
            metrics: Vec::new(),
            exporters: Vec::new(),
            mirrored: false,
            serving: Serving::default(),
        }
    }

    /// How telemetry behaves; the defaults when this is not called.
    pub fn config(mut self, config: ObservabilityConfig) -> Self {
        self.config = config;
        self
    }

    /// Registers the process's instance of a set at the start: its series are in `/metrics` before they are first used, and
    /// a name that is taken is an error here.
    pub fn metrics<T: MetricSet>(mut self) -> Self {
        self.metrics.push(set::register::<T>);
        self
    }

    /// Where log lines go, in place of the standard output. It is written to by a thread of the runtime's own.
    pub fn log_writer(mut self, output: impl Write + Send + 'static) -> Self {
        self.output = Some(Box::new(output));
        self
    }

    /// One more receiver of finished spans.
    pub fn exporter(mut self, exporter: impl Exporter) -> Self {
        self.exporters.push(Box::new(exporter));
        self
    }

    /// Lets `opentelemetry::Context::current()` be the span that the code is in, for libraries that speak the API of
    /// OpenTelemetry: their spans are its children, and its ids and baggage are what they propagate. Every span then costs
    /// some hundred nanoseconds more each time that it is entered, so nobody has it who does not ask for it.
    #[cfg(feature = "otel-bridge")]
    pub fn opentelemetry_context(mut self) -> Self {
        self.mirrored = true;
        self
    }

    /// Takes what is in a registry of the `prometheus` crate into `/metrics`.
    #[cfg(feature = "prometheus")]
    pub fn registry(self, registry: prometheus::Registry) -> Self {
        crate::metrics::foreign::join(registry);
        self
    }

    /// Starts the runtime, and makes it the subscriber of this process.
    ///
    /// # Errors
    /// When the process has a subscriber already, when the configuration has a value that is not allowed, when a set of metrics declares a name that
    /// is taken, or when the system gives no thread.
    pub fn start(self) -> Result<Telemetry, StartError> {
        let telemetry = self.make(CoreRef::of_process, Subscriber::Process)?;
        let dispatch = telemetry.inner.own_dispatch();
        dispatcher::set_global_default(dispatch).map_err(|_| StartError::AlreadyStarted)?;
        facade::install();
        telemetry.inner.level.follow();
        telemetry.started();
        Ok(telemetry)
    }

    /// Starts the runtime for a process whose subscriber is another one: a `tracing_subscriber::Registry` with layers, of which
    /// [`Telemetry::layer`] is one. All else is as with [`start`](Self::start), but that records of the `log` crate come by
    /// way of that subscriber (`tracing_subscriber`'s `init` sees to it).
    ///
    /// # Errors
    /// As [`start`](Self::start), but for a subscriber that is there already.
    #[cfg(feature = "layer")]
    pub fn start_layer(self) -> Result<Telemetry, StartError> {
        let telemetry = self.make(CoreRef::of_process, Subscriber::Theirs)?;
        // Until their subscriber is there, ours tells what there is to tell.
        let dispatch = telemetry.inner.own_dispatch();
        dispatcher::with_default(&dispatch, || telemetry.started());
        Ok(telemetry)
    }

    /// The same with nothing global touched: the runtime is the subscriber of what runs in
    /// [`in_scope`](Telemetry::in_scope) alone. For tests.
    ///
    /// # Errors
    /// As [`start`](Self::start), but for a subscriber that is there already.
    pub fn build(self) -> Result<Telemetry, StartError> {
        self.make(|core| CoreRef::Shared(Arc::new(core)), Subscriber::Scoped)
    }

    fn make(self, hold: fn(Core) -> CoreRef, subscriber: Subscriber) -> Result<Telemetry, StartError> {
        let Builder { service, config, output, metrics, exporters, mirrored, serving } = self;
        copies::announce();
        config.validate().map_err(StartError::Config)?;
        let service = config.service_name.clone().unwrap_or(service);
        let filter = config
            .log_level
            .parse()
            .map_err(|source| StartError::Filter { directives: config.log_level.clone(), source })?;
        for register in metrics {
            register().map_err(StartError::Metrics)?;
        }
        // They share the memory for traces that are not decided.
        let count = exporters.len() + usize::from(config.otlp_endpoint.is_some());
        let settings = Settings::of(&config).shared_by(count);
        let resource = Resource::new(&service, &config.resource);
        let mut pipelines = exporters
            .into_iter()
            .map(|mut exporter| {
                exporter.start(&resource);
                exporter.limit(&Limits::of(&config));
                Pipeline::begin(Owning(exporter), settings)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| StartError::Thread { purpose: "an exporter", source })?;
        pipelines.extend(otlp::pipeline(&service, &config, settings).map_err(StartError::Exporter)?);
        let pipelines: Arc<[Pipeline]> = pipelines.into();
        let output = output.unwrap_or_else(|| Box::new(std::io::stdout()));
        let writer = Writer::start(output, config.log_policy, config.log_queue_bytes)
            .map_err(|source| StartError::Thread { purpose: "log lines", source })?;
        let core = Core::new(
            filter,
            Sampler::new(config.trace_sample_rate, &config.sample_operations),
            if config.log_json { Render::Json } else { Render::Pretty },
            Box::new(Sink {
                writer: writer.clone(),
                pipelines: Arc::clone(&pipelines),
                tail_sampling: config.tail_sampling,
            }),
        )
        .limited(config.log_rate)
        .telling(Rules::new(
            if pipelines.is_empty() { LevelFilter::OFF } else { config.span_events.into() },
            config.span_event_limit,
        ));
        if mirrored {
            core.filter.mirror();
        }
        let core = hold(core);
        let inner = Inner {
            service,
            level: Level::new(core.clone(), config.log_level.clone()),
            scoped: match subscriber {
                Subscriber::Scoped => Some(subscriber::scoped(Engine(core.clone()))),
                Subscriber::Process | Subscriber::Theirs => None,
            },
            core,
            writer,
            pipelines,
            serving,
            stopped: AtomicBool::new(false),
            config,
        };
        Ok(Telemetry { inner: Arc::new(inner), _active: Active::begin() })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("service", &self.service).finish_non_exhaustive()
    }
}
