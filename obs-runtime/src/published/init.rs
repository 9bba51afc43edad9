use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::late;
use crate::config::ObservabilityConfig;
use crate::telemetry::Telemetry;

/// What `init_tracing` and `init_tracer` started: it runs until the process ends.
static STARTED: Mutex<Option<Telemetry>> = Mutex::new(None);

/// Flushes what was logged and traced, when dropped: keep it until the end of `main`. Telemetry goes on without it.
#[derive(Debug)]
pub struct FlushGuard(());

impl Drop for FlushGuard {
    fn drop(&mut self) {
        if let Some(telemetry) = &*STARTED.lock().unwrap_or_else(PoisonError::into_inner) {
            telemetry.flush(Duration::from_secs(5));
        }
    }
}

/// Starts logging by the configuration of file and environment. What is wrong with that is told on the standard error, and
/// the defaults serve; a second call, or one after [`Telemetry`] was started, changes nothing.
///
/// Log lines are written within milliseconds; for those of the last moment keep the returned guard until the end of `main`.
///
/// ```no_run
/// // First thing in `main`:
/// let _logs = obs_runtime::init_tracing();
/// let _spans = obs_runtime::init_tracer("swarm-control", "http://localhost:4317");
/// obs_runtime::info!("Starting");
/// ```
pub fn init_tracing() -> FlushGuard {
    start(None)
}

/// The same, with spans sent to `otlp_endpoint` (as `http://host:4317`) as those of `service_name`. After [`init_tracing`] it
/// adds that; where spans are sent already, by the configuration or by an earlier call, it changes nothing.
///
/// Spans are sent in batches, once a second; for the last ones keep the returned guard until the end of `main`.
pub fn init_tracer(service_name: &str, otlp_endpoint: &str) -> FlushGuard {
    start(Some((service_name, otlp_endpoint)))
}

fn start(tracer: Option<(&str, &str)>) -> FlushGuard {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let with_tracer = |mut config: ObservabilityConfig| {
        if let Some((service, endpoint)) = tracer {
            config.service_name = Some(service.to_owned());
            config.otlp_endpoint = Some(endpoint.to_owned());
        }
        config
    };
    match (&*started, tracer) {
        (None, _) => {
            let config = with_tracer(ObservabilityConfig::load().unwrap_or_else(|err| {
                eprintln!("obs_runtime: {err}");
                ObservabilityConfig::default()
            }));
            let builder = late::keep_a_place(Telemetry::builder("unknown_service"), &config);
            match builder.config(config).start() {
                Ok(telemetry) => *started = Some(telemetry),
                Err(err) => eprintln!("obs_runtime: {err:?}"),
            }
        }
        (Some(running), Some((service, _))) if running.config().otlp_endpoint.is_none() => {
            if let Err(err) = late::send_to(service, &with_tracer(running.config().clone())) {
                eprintln!("obs_runtime: {err}");
            }
        }
        (Some(_), _) => {}
    }
    FlushGuard(())
}
