//! A collector that is named when telemetry runs already: `init_tracing`, and then `init_tracer`.

use std::sync::{Mutex, PoisonError};

use crate::config::ObservabilityConfig;
use crate::engine::FinishedSpan;
use crate::export::otlp::{OtlpError, OtlpExporter};
use crate::export::{Delivery, Exporter};
use crate::telemetry::Builder;

/// The exporter that was named, until the next batch takes it.
static NAMED: Mutex<Option<OtlpExporter>> = Mutex::new(None);

/// Keeps a place for it, where the configuration names no collector.
pub(super) fn keep_a_place(builder: Builder, config: &ObservabilityConfig) -> Builder {
    if config.otlp_endpoint.is_none() { builder.exporter(Late(None)) } else { builder }
}

/// Sends spans to the collector of `config` from now on.
pub(super) fn send_to(service: &str, config: &ObservabilityConfig) -> Result<(), OtlpError> {
    if let Some(exporter) = OtlpExporter::new(config, service)? {
        NAMED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(exporter);
    }
    Ok(())
}

struct Late(Option<OtlpExporter>);

impl Exporter for Late {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        if self.0.is_none() {
            self.0 = NAMED.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        match &mut self.0 {
            Some(exporter) => exporter.export(spans),
            // Nobody has asked for them, so they are not lost.
            None => Delivery::all(&spans),
        }
    }
}
