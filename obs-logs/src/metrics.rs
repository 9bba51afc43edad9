//! What the collector, the stores and the readers count.

use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet};

use crate::model::Stream;

/// `obs_logs_*`: give it to `Telemetry::builder(…).metrics::<LogsMetrics>()` to have it at zero from the start.
#[derive(MetricSet)]
#[metric_set(prefix = "obs_logs")]
pub struct LogsMetrics {
    /// Lines collected and stored.
    pub lines_total: Counter<StreamLabels>,
    /// Bytes read from files, after decompression.
    pub read_bytes_total: Counter,
    /// What was in files and is not in the store, by reason.
    pub skipped_total: Counter<SkippedLabels>,
    /// Lines longer than what is kept of one.
    pub cut_lines_total: Counter,
    /// Files that are followed.
    pub files: Gauge,
    /// Bytes that are in followed files and not yet read.
    pub lag_bytes: Gauge,
    /// Appends to the store, by outcome.
    pub appends_total: Counter<AppendLabels>,
    /// Requests to the service that keeps the lines, Loki or CloudWatch, that failed, by reason.
    pub remote_errors_total: Counter<FaultLabels>,
    /// Lines that left the embedded store because of their age or its size.
    pub expired_lines_total: Counter,
    /// Bytes of lines in the embedded store.
    pub stored_bytes: Gauge,
    /// Open streams of readers who follow a log.
    pub followers: Gauge,
    /// From the time of a line to its being stored.
    #[metric(buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0])]
    pub delay_seconds: Histogram,
}

/// The label of `obs_logs_lines_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct StreamLabels {
    /// Where the agent wrote it.
    pub stream: Stream,
}

/// The label of `obs_logs_skipped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct SkippedLabels {
    /// Why it is not in the store.
    pub reason: Skipped,
}

/// Why something is not in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum Skipped {
    /// A line that is not in the CRI's format.
    Malformed,
    /// A file that belongs to no agent.
    Foreign,
    /// A file that could not be read, or a compressed one that is broken.
    Unreadable,
    /// A file that went before all of it was read: rotated away, or truncated.
    Gone,
    /// A file beyond the number that is followed.
    Surplus,
    /// A line that the store will never take.
    Refused,
}

/// The label of `obs_logs_appends_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct AppendLabels {
    /// How it ended.
    pub outcome: Append,
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum Append {
    /// Stored.
    Ok,
    /// Not stored, and tried again.
    Error,
}

/// The label of `obs_logs_remote_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct FaultLabels {
    /// Why it failed.
    pub reason: Fault,
}

/// Why a service that keeps lines did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum Fault {
    /// It is asked more often than it allows.
    Throttled,
    /// It does not accept the request: a mistake in rights or names.
    Refused,
    /// It could not be reached, or failed itself.
    Unavailable,
}

pub(crate) fn metrics() -> &'static LogsMetrics {
    LogsMetrics::global()
}

pub(crate) fn skipped(reason: Skipped, n: u64) {
    metrics().skipped_total.with(SkippedLabels { reason }).add(n);
}
