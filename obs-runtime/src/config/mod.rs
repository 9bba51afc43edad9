//! The configuration: defaults < file < `OTEL_*` < `OBS_*` < builder. The only module that reads the environment.

use serde::Deserialize;

/// How telemetry behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ObservabilityConfig {
    /// Default filter, in the syntax of `EnvFilter`. `info`.
    pub log_level: String,
}

impl Default for ObservabilityConfig {
    fn default() -> Self {
        ObservabilityConfig { log_level: "info".to_owned() }
    }
}

/// What happens to a log line that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogPolicy {
    /// It is dropped and counted; the caller never waits.
    #[default]
    Drop,
    /// The caller waits until there is room.
    Block,
}
