//! The configuration: defaults < file < `OTEL_*` < `OBS_*` < builder, and `RUST_LOG` over all for the filter.
//!
//! ```
//! use obs_runtime::config::ObservabilityConfig;
//!
//! let variables = [("OBS_METRICS_PORT", "9100"), ("OTEL_SERVICE_NAME", "swarm-control")];
//! let config = ObservabilityConfig::load_from(variables)?;
//! assert_eq!(config.metrics_port, 9100);
//! assert_eq!(config.service_name.as_deref(), Some("swarm-control"));
//! # Ok::<(), obs_runtime::config::ConfigError>(())
//! ```
//!
//! This is the only module that reads the environment.

mod environment;
mod error;
mod keys;
mod load;
mod otel;
mod value;

#[cfg(feature = "config-file")]
mod file;
#[cfg(not(feature = "config-file"))]
#[path = "no_file.rs"]
mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub use self::environment::environment;
pub use self::error::{ConfigError, Mistake, Place};

/// How telemetry behaves. Every field is a key of the file (`log_level`) and a variable (`OBS_LOG_LEVEL`).
///
/// In a variable, a map is written `key=value,key=value` with percent-encoding where needed, and a list `one,two`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ObservabilityConfig {
    /// Which spans and events are on, in the syntax of `EnvFilter`. `info`.
    pub log_level: String,
    /// JSON lines (`true`, the default) or a readable form for terminals.
    pub log_json: bool,
    /// Port of `/metrics`, `/healthz` and `/readyz`; 0 takes a free one. 9090.
    pub metrics_port: u16,
    /// Where finished spans are sent, as `http://host:4317`. None: they are not sent.
    pub otlp_endpoint: Option<String>,
    /// Share of new traces that are exported, 0.0 to 1.0. A caller's decision is honoured before it. 1.0.
    pub trace_sample_rate: f64,

    /// The service's name; the builder's when none is given here.
    pub service_name: Option<String>,
    /// Resource attributes, by the semantic conventions of OpenTelemetry. Each layer adds its own to those below.
    pub resource: BTreeMap<String, String>,

    /// What happens to a log line when the queue is full.
    pub log_policy: LogPolicy,
    /// Bound of the queue of log lines, in bytes. 4 MiB.
    pub log_queue_bytes: usize,

    /// Address of `/metrics`, `/healthz` and `/readyz`. `0.0.0.0`.
    pub metrics_address: IpAddr,

    /// Port of the administration; 0 takes a free one. 9091.
    pub admin_port: u16,
    /// Address of the administration. Another one than loopback needs a token. `127.0.0.1`.
    pub admin_address: IpAddr,
    /// File with the bearer token that the administration asks for.
    pub admin_token_file: Option<PathBuf>,

    /// How spans are sent.
    pub otlp_protocol: OtlpProtocol,
    /// Headers sent with every request, as `authorization`.
    pub otlp_headers: Headers,
    /// How long one request may take, with its retries. `10s`.
    #[serde(deserialize_with = "duration")]
    pub otlp_timeout: Duration,
    /// Bound of the queue of finished spans, in bytes. 16 MiB.
    pub otlp_queue_bytes: usize,

    /// Share of new traces that are exported, by the name of the operation that begins them; the others go by
    /// `trace_sample_rate`.
    pub sample_operations: BTreeMap<String, f64>,
    /// Keep traces that failed or were slow, whatever the rate.
    pub tail_sampling: bool,
    /// Memory for traces that are not decided yet, in bytes. 32 MiB.
    pub tail_budget_bytes: usize,

    /// What is believed of a caller.
    pub trust: Trust,
    /// Keys of the caller's baggage that are copied to spans and log lines.
    pub baggage_fields: Vec<String>,

    /// What [`load`](Self::load) could not use of `OTEL_*` and `RUST_LOG`: it fell back, and this is to be logged. Not a key.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Default for ObservabilityConfig {
    fn default() -> Self {
        ObservabilityConfig {
            log_level: "info".to_owned(),
            log_json: true,
            metrics_port: 9090,
            otlp_endpoint: None,
            trace_sample_rate: 1.0,
            service_name: None,
            resource: BTreeMap::new(),
            log_policy: LogPolicy::Drop,
            log_queue_bytes: 4 << 20,
            metrics_address: Ipv4Addr::UNSPECIFIED.into(),
            admin_port: 9091,
            admin_address: Ipv4Addr::LOCALHOST.into(),
            admin_token_file: None,
            otlp_protocol: OtlpProtocol::Grpc,
            otlp_headers: Headers::default(),
            otlp_timeout: Duration::from_secs(10),
            otlp_queue_bytes: 16 << 20,
            sample_operations: BTreeMap::new(),
            tail_sampling: false,
            tail_budget_bytes: 32 << 20,
            trust: Trust::All,
            baggage_fields: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// What happens to a log line when the queue is full.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogPolicy {
    /// The line is dropped and counted; the caller goes on.
    #[default]
    Drop,
    /// The caller waits for room.
    Block,
}

/// How spans are sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// OTLP over gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
}

/// What is believed of a caller.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The trace is continued and the ids are kept.
    #[default]
    All,
    /// `x-request-id` is kept; a new trace begins, linked to the caller's.
    Ids,
    /// Everything begins afresh.
    None,
}

/// Headers of a request. `Debug` shows their names only, as a value may be a secret.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Headers(pub BTreeMap<String, String>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, format_args!("[redacted]")))).finish()
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    value::duration(&text)
        .ok_or_else(|| serde::de::Error::custom(format_args!("`{text}` is not {}", value::DURATION_EXAMPLE)))
}
