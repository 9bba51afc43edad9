use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
pub fn init_tracing() -> FlushGuard {
    start(None, None)
}

/// The same, with spans sent to `otlp_endpoint` (as `http://host:4317`) as those of `service_name`.
///
/// Spans are sent in batches, once a second; for the last ones keep the returned guard until the end of `main`.
pub fn init_tracer(service_name: &str, otlp_endpoint: &str) -> FlushGuard {
    start(Some(service_name), Some(otlp_endpoint))
}

fn start(service: Option<&str>, endpoint: Option<&str>) -> FlushGuard {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if started.is_none() {
        let mut config = ObservabilityConfig::load().unwrap_or_else(|err| {
            eprintln!("obs_runtime: {err}");
            ObservabilityConfig::default()
        });
        if let Some(endpoint) = endpoint {
            config.otlp_endpoint = Some(endpoint.to_owned());
        }
        if let Some(service) = service {
            config.service_name = Some(service.to_owned());
        }
        match Telemetry::builder("unknown_service").config(config).start() {
            Ok(telemetry) => *started = Some(telemetry),
            Err(err) => eprintln!("obs_runtime: {err}"),
        }
    }
    FlushGuard(())
}
