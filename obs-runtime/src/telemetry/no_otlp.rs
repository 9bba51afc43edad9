use std::error::Error;

use crate::config::ObservabilityConfig;
use crate::export::{Pipeline, Settings};

/// Without the feature `otlp` a configured endpoint is a mistake that is told, not one that is overlooked.
pub(super) fn pipeline(
    _: &str,
    config: &ObservabilityConfig,
    _: Settings,
) -> Result<Option<Pipeline>, Box<dyn Error + Send + Sync>> {
    match &config.otlp_endpoint {
        Some(_) => Err("`otlp_endpoint` is set, but obs-runtime was built without its feature `otlp`".into()),
        None => Ok(None),
    }
}
