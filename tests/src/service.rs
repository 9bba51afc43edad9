//! A service in this process, and the spans that it exports.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use obs_runtime::config::ObservabilityConfig;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{Report, Telemetry};

/// Keeps the spans that it is given.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<FinishedSpan>>>);

impl Kept {
    /// The spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<FinishedSpan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Exporter for Kept {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        let delivery = Delivery::all(&spans);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        delivery
    }
}

/// A runtime that is not global, whose spans are kept.
#[derive(Debug)]
pub struct Service {
    /// The runtime.
    pub telemetry: Telemetry,
    kept: Kept,
}

impl Service {
    /// One that runs by `config`.
    ///
    /// # Panics
    ///
    /// If the configuration is wrong.
    #[must_use]
    pub fn new(config: ObservabilityConfig) -> Self {
        let kept = Kept::default();
        let telemetry = Telemetry::builder("tests")
            .config(config)
            .log_writer(std::io::sink())
            .exporter(kept.clone())
            .build()
            .expect("nothing is wrong");
        Service { telemetry, kept }
    }

    /// What was exported, with the end of the runtime.
    #[must_use]
    pub fn spans(&self) -> (Report, Vec<FinishedSpan>) {
        let report = self.telemetry.shutdown(Duration::from_secs(60));
        (report, self.kept.spans())
    }

    /// The names of the spans that were exported, with the end of the runtime.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.spans().1.iter().map(|span| span.name.to_string()).collect()
    }
}
