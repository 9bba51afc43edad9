//! What telemetry could not keep, counted by signal and reason: nothing is lost in silence.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Which signal lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Logs,
    Spans,
    Metrics,
    Context,
}

/// Why it was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A bounded queue had no room.
    QueueFull,
    /// The receiver refused it, or was not there until the last retry.
    ExportFailed,
    /// The deadline of the shutdown came first.
    Shutdown,
    /// It could not be written: a full disk, a closed pipe.
    WriteFailed,
    /// The thread, or its storage, was already going away.
    ThreadEnding,
    /// There was no span to put it on.
    NoSpan,
    /// A bound on the number of series was reached.
    Cardinality,
    /// It came from outside and was not well formed.
    Malformed,
    /// Its callsite had written as much as it may.
    RateLimited,
    /// Its trace was not decided by tail sampling when there was no more memory for that.
    TailBudget,
}

impl Signal {
    pub(crate) const ALL: [Signal; 4] = [Signal::Logs, Signal::Spans, Signal::Metrics, Signal::Context];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Spans => "spans",
            Signal::Metrics => "metrics",
            Signal::Context => "context",
        }
    }
}

impl Reason {
    pub(crate) const ALL: [Reason; 10] = [
        Reason::QueueFull,
        Reason::ExportFailed,
        Reason::Shutdown,
        Reason::WriteFailed,
        Reason::ThreadEnding,
        Reason::NoSpan,
        Reason::Cardinality,
        Reason::Malformed,
        Reason::RateLimited,
        Reason::TailBudget,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::ExportFailed => "export_failed",
            Reason::Shutdown => "shutdown",
            Reason::WriteFailed => "write_failed",
            Reason::ThreadEnding => "thread_ending",
            Reason::NoSpan => "no_span",
            Reason::Cardinality => "cardinality",
            Reason::Malformed => "malformed",
            Reason::RateLimited => "rate_limited",
            Reason::TailBudget => "tail_budget",
        }
    }
}

static LOST: [[AtomicU64; Reason::ALL.len()]; Signal::ALL.len()] =
    [const { [const { AtomicU64::new(0) }; Reason::ALL.len()] }; Signal::ALL.len()];

/// Counts `n` losses.
pub(crate) fn lost(signal: Signal, reason: Reason, n: u64) {
    LOST[signal as usize][reason as usize].fetch_add(n, Relaxed);
}

/// Everything lost since the process began, as `(signal, reason, count)`.
pub(crate) fn all() -> impl Iterator<Item = (Signal, Reason, u64)> {
    Signal::ALL.into_iter().flat_map(|signal| {
        Reason::ALL
            .into_iter()
            .map(move |reason| (signal, reason, LOST[signal as usize][reason as usize].load(Relaxed)))
    })
}
