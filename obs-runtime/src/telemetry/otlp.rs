use std::error::Error;

use crate::config::ObservabilityConfig;
use crate::export::Exporter;
use crate::export::otlp::OtlpExporter;

/// The exporter that the configuration asks for.
pub(super) fn exporter(
    service: &str,
    config: &ObservabilityConfig,
) -> Result<Option<Box<dyn Exporter>>, Box<dyn Error + Send + Sync>> {
    let exporter = OtlpExporter::new(config, service)?;
    Ok(exporter.map(|exporter| Box::new(exporter) as Box<dyn Exporter>))
}
