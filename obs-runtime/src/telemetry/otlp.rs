use std::error::Error;

use crate::config::ObservabilityConfig;
use crate::export::otlp::OtlpExporter;
use crate::export::{Pipeline, Settings};

/// The pipeline to the collector that the configuration asks for.
pub(super) fn pipeline(
    service: &str,
    config: &ObservabilityConfig,
    settings: Settings,
) -> Result<Option<Pipeline>, Box<dyn Error + Send + Sync>> {
    let Some(exporter) = OtlpExporter::new(config, service)? else { return Ok(None) };
    Ok(Some(Pipeline::begin(exporter, settings)?))
}
