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
//! `OBS_CLOCK=std` takes the system's clock in place of the processor's counter, for machines whose counter cannot be trusted.
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
use tracing::level_filters::LevelFilter;

pub use self::environment::environment;
pub(crate) use self::environment::wants_system_clock;
pub use self::error::{ConfigError, Mistake, Place};
pub use self::otel::opentelemetry_variables;

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
    /// Where finished spans are sent, as `http://host:4317`. None: they are not sent. Over HTTP, `/v1/traces` is appended.
    pub otlp_endpoint: Option<String>,
    /// Share of new traces that are exported, 0.0 to 1.0. A caller's decision is honoured before it. It goes by the trace's id,
    /// as OpenTelemetry's consistent probability sampling does, so services decide alike; below 1.0 the rate travels in
    /// `tracestate` (`ot=th:…`) and is on every exported span. 1.0.
    pub trace_sample_rate: f64,

    /// The service's name; the builder's when none is given here.
    pub service_name: Option<String>,
    /// Resource attributes, by the semantic conventions of OpenTelemetry. Each layer adds its own to those below.
    pub resource: BTreeMap<String, String>,

    /// What happens to a log line when the queue is full.
    pub log_policy: LogPolicy,
    /// Bound of the queue of log lines, in bytes. 4 MiB.
    pub log_queue_bytes: usize,
    /// The most lines that one place in the program writes a second; 0, the default, for no bound. The next line of that
    /// place says how many were held back, in its field `suppressed`. Lines of the target `audit` are never held back, the
    /// errors of observed functions are like any others: metrics and spans still tell each one.
    pub log_rate: u32,

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
    /// Whether requests are compressed. They are not.
    pub otlp_compression: OtlpCompression,
    /// The longest that a span waits for others to go with; less where many come. `1s`.
    #[serde(deserialize_with = "duration")]
    pub otlp_delay: Duration,
    /// The most spans in one request. 2048.
    pub otlp_batch: usize,
    /// File with the certificates (PEM) that a collector behind `https` is judged by. None: those of the system.
    pub otlp_certificate: Option<PathBuf>,
    /// File with the certificate (PEM) that this service shows to the collector.
    pub otlp_client_certificate: Option<PathBuf>,
    /// File with the key (PEM) of that certificate.
    pub otlp_client_key: Option<PathBuf>,

    /// The most attributes that are exported of a span; the others are counted on it. 128.
    pub span_attribute_limit: usize,
    /// Which log lines are exported as events of the span that they are written in: those of this level and worse. `warn`.
    pub span_events: SpanEvents,
    /// The most events that a span keeps, the newest, and at most 64 KiB of them. The others are counted on it. 128.
    pub span_event_limit: usize,
    /// The most links that a span keeps. The others are counted on it. 128.
    pub span_link_limit: usize,
    /// The most attributes of an event. The others are counted on it. 128.
    pub event_attribute_limit: usize,
    /// The longest text of an attribute, in bytes; what is longer is cut between two characters. 32 KiB.
    pub attribute_length_limit: usize,

    /// Share of new traces that are exported, by the name (in the code) of the operation that begins them; the others go by
    /// `trace_sample_rate`.
    pub sample_operations: BTreeMap<String, f64>,
    /// Keep traces in which a span of this process failed, panicked, was cancelled or was slower than its `slow = "…"`,
    /// whatever the rate and whatever the caller has decided. Traces wait for that until 10 seconds after their root in this
    /// process has ended; a span that is kept for how its trace went says `ot=th:0` in its `tracestate` (all such are
    /// kept), any other the rate of the head. Worth it with a `trace_sample_rate` below 1.0.
    pub tail_sampling: bool,
    /// Memory for traces that are not decided yet, in bytes. Without more, the one that has waited longest is decided early;
    /// spans that go with it before their root has ended are counted in `obs_dropped_total{reason="tail_budget"}`. 32 MiB.
    pub tail_budget_bytes: usize,

    /// What is believed of a caller.
    pub trust: Trust,
    /// Keys of the caller's baggage that are copied to spans and log lines.
    pub baggage_fields: Vec<String>,

    /// `otlp_endpoint` is the address of traces alone and used over HTTP as it is: it came from a signal's own variable. Not a
    /// key.
    #[serde(skip)]
    pub otlp_endpoint_is_whole: bool,

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
            log_rate: 0,
            metrics_address: Ipv4Addr::UNSPECIFIED.into(),
            admin_port: 9091,
            admin_address: Ipv4Addr::LOCALHOST.into(),
            admin_token_file: None,
            otlp_protocol: OtlpProtocol::Grpc,
            otlp_headers: Headers::default(),
            otlp_timeout: Duration::from_secs(10),
            otlp_queue_bytes: 16 << 20,
            otlp_compression: OtlpCompression::None,
            otlp_delay: Duration::from_secs(1),
            otlp_batch: 2048,
            otlp_certificate: None,
            otlp_client_certificate: None,
            otlp_client_key: None,
            span_attribute_limit: 128,
            span_events: SpanEvents::default(),
            span_event_limit: 128,
            span_link_limit: 128,
            event_attribute_limit: 128,
            attribute_length_limit: 32 << 10,
            sample_operations: BTreeMap::new(),
            tail_sampling: false,
            tail_budget_bytes: 32 << 20,
            trust: Trust::All,
            baggage_fields: Vec::new(),
            otlp_endpoint_is_whole: false,
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
    /// The caller waits for room. An output that fails or panics costs lines and holds nobody up; one that takes nothing, as a
    /// pipe that nobody reads, does.
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
    /// OTLP over HTTP with protocol buffers.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OtlpCompression {
    /// They are sent as they are.
    #[default]
    None,
    /// By gzip: about a sixth of the bytes for some processor time.
    Gzip,
}

/// Which log lines are events of their span.
///
/// Each line bears the ids of its span anyway, so a backend that has both finds one by the other. As events they are in the
/// trace itself, and cost their bytes a second time: hence only what explains a trace that went wrong is there by default.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SpanEvents {
    /// None.
    Off,
    /// Errors.
    Error,
    /// Errors and warnings.
    #[default]
    Warn,
    /// Those of level `info` and worse.
    Info,
    /// Those of level `debug` and worse.
    Debug,
    /// All that the filter lets through.
    Trace,
}

impl From<SpanEvents> for LevelFilter {
    fn from(events: SpanEvents) -> Self {
        match events {
            SpanEvents::Off => LevelFilter::OFF,
            SpanEvents::Error => LevelFilter::ERROR,
            SpanEvents::Warn => LevelFilter::WARN,
            SpanEvents::Info => LevelFilter::INFO,
            SpanEvents::Debug => LevelFilter::DEBUG,
            SpanEvents::Trace => LevelFilter::TRACE,
        }
    }
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

/// What is wrong with a text as the directives of a filter, as the end of the sentence "it takes …".
pub(crate) fn check_level(text: &str) -> Result<(), String> {
    keys::level(text)
}

/// The duration that is written as `10s`, `250ms` or `5m`.
#[cfg_attr(not(feature = "serve"), allow(dead_code))]
pub(crate) fn read_duration(text: &str) -> Option<Duration> {
    value::duration(text)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    value::duration(&text)
        .ok_or_else(|| serde::de::Error::custom(format_args!("`{text}` is not {}", value::DURATION_EXAMPLE)))
}
