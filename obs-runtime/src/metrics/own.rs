//! What the runtime says of itself: what it lost, wrote and holds.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::engine::clock;
use crate::loss::{self, Reason, Signal};
use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::snapshot::{Sample, Snapshot};
use crate::metrics::text::{self, Value};

/// Every metric of the runtime but those of operations.
pub(crate) const DESCRIPTORS: &[Descriptor] = &[
    own(
        "obs_dropped_total",
        Kind::Counter,
        "Telemetry that was lost, by signal and reason.",
        None,
        &[open("signal", Signal::ALL.len()), open("reason", Reason::ALL.len())],
        line!(),
    ),
    own(
        "obs_log_lines_total",
        Kind::Counter,
        "Log lines, by level, those that were dropped among them.",
        None,
        &[LabelDescriptor::closed("level", &LEVELS)],
        line!(),
    ),
    own(
        "obs_queue_bytes",
        Kind::Gauge,
        "What waits to be written, to be sent, or for tail sampling to decide, by queue.",
        Some("bytes"),
        &[LabelDescriptor::closed("queue", &QUEUES)],
        line!(),
    ),
    own(
        "obs_export_failures_total",
        Kind::Counter,
        "Attempts to export that failed, by exporter. Those that are made again count each time.",
        None,
        &[LabelDescriptor::closed("exporter", &EXPORTERS)],
        line!(),
    ),
    own(
        "obs_build_info",
        Kind::Info,
        "The version of obs-runtime that is at work, and the clock that it reads.",
        None,
        &[open("version", 1), LabelDescriptor::closed("clock", &clock::NAMES)],
        line!(),
    ),
];

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// Something of the runtime that holds what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Logs,
    Spans,
    /// Spans whose trace tail sampling has not decided.
    Tail,
}

const QUEUES: [&str; 3] = ["logs", "spans", "tail"];

const EXPORTERS: [&str; 1] = ["otlp"];

static LINES: LazyLock<Option<Place>> = LazyLock::new(|| lanes::take(LEVELS.len()));
static HELD: [AtomicU64; QUEUES.len()] = [const { AtomicU64::new(0) }; QUEUES.len()];
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Counts a log line.
#[inline]
pub(crate) fn line(level: tracing::Level) {
    let at = match level {
        tracing::Level::TRACE => 0,
        tracing::Level::DEBUG => 1,
        tracing::Level::INFO => 2,
        tracing::Level::WARN => 3,
        tracing::Level::ERROR => 4,
    };
    if let Some(place) = *LINES {
        place.add(LEVELS.len(), at, 1);
    }
}

/// So many bytes wait in `queue` now.
#[inline]
pub(crate) fn holds(queue: Queue, bytes: usize) {
    HELD[queue as usize].store(bytes as u64, Relaxed);
}

/// One of the queues of this name holds so many bytes now, in place of so many.
pub(crate) fn moved(queue: Queue, from: usize, to: usize) {
    // It wraps on the way, where it becomes less.
    HELD[queue as usize].fetch_add((to as u64).wrapping_sub(from as u64), Relaxed);
}

/// An attempt to export failed.
#[cfg_attr(not(feature = "otlp"), allow(dead_code))]
pub(crate) fn export_failed() {
    FAILURES.fetch_add(1, Relaxed);
}

/// They are told from the start: a rate needs a zero to begin from.
pub(crate) fn snapshots(reading: &Reading) -> impl Iterator<Item = Snapshot> + use<> {
    let lines = LINES.map_or([0; LEVELS.len()], |place| reading.totals(place));
    let series: [Vec<(Vec<&'static str>, Value)>; DESCRIPTORS.len()] = [
        dropped().map(|(signal, reason, lost)| (vec![signal, reason], Value::Whole(lost))).collect(),
        LEVELS.iter().zip(lines).map(|(level, lines)| (vec![*level], Value::Whole(lines))).collect(),
        QUEUES
            .iter()
            .zip(&HELD)
            .map(|(queue, bytes)| (vec![*queue], Value::Number(bytes.load(Relaxed) as f64)))
            .collect(),
        vec![(vec![EXPORTERS[0]], Value::Whole(FAILURES.load(Relaxed)))],
        vec![(vec![env!("CARGO_PKG_VERSION"), clock::name()], Value::Whole(1))],
    ];
    DESCRIPTORS.iter().zip(series).map(|(descriptor, series)| {
        let sample = |(labels, value)| Sample {
            labels: text::labels(descriptor, labels),
            created: 0,
            value,
            exemplars: Vec::new(),
        };
        Snapshot { descriptor, series: series.into_iter().map(sample).collect() }
    })
}

/// The losses that occurred, and those that every service should watch for.
fn dropped() -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let watched = |signal, reason| {
        matches!(
            (signal, reason),
            (Signal::Logs | Signal::Spans, Reason::QueueFull)
                | (Signal::Spans, Reason::ExportFailed)
                | (Signal::Metrics, Reason::Cardinality)
        )
    };
    loss::all()
        .filter(move |(signal, reason, lost)| *lost != 0 || watched(*signal, *reason))
        .map(|(signal, reason, lost)| (signal.as_str(), reason.as_str(), lost))
}

pub(crate) const fn own(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    unit: Option<&'static str>,
    labels: &'static [LabelDescriptor],
    line: u32,
) -> Descriptor {
    Descriptor { name, kind, help, unit, labels, buckets: &[], ttl: None, file: file!(), line }
}

const fn open(name: &'static str, max: usize) -> LabelDescriptor {
    LabelDescriptor { name, values: None, max }
}
