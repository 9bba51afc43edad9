//! `operation_duration_seconds` and `operations_in_flight`: the cells of one observed callsite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::scope::Scope;
use crate::metrics::text::{Series, Snapshot, Value};
use crate::names;
use crate::outcome::Ended;

/// The upper bounds of `operation_duration_seconds`, in seconds: one layout for the whole family.
pub(crate) const BUCKETS: [f64; 15] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The same in nanoseconds: what is measured is compared as it is.
const NANOS: [u64; BUCKETS.len()] = [
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// What `#[observed]` counts, whatever it is on: the metrics of every service that uses it.
pub const OPERATION_DESCRIPTORS: &[Descriptor] = &[
    Descriptor {
        name: "operation_duration_seconds",
        kind: Kind::Histogram,
        help: "How long operations took, by how they ended.",
        unit: Some("seconds"),
        labels: &[OPERATION, TARGET, LabelDescriptor::closed(names::OUTCOME, &OUTCOMES)],
        buckets: &BUCKETS,
        file: file!(),
        line: line!(),
    },
    Descriptor {
        name: "operations_in_flight",
        kind: Kind::Gauge,
        help: "Operations that have begun and not ended.",
        unit: None,
        labels: &[OPERATION, TARGET],
        buckets: &[],
        file: file!(),
        line: line!(),
    },
];

// As many as there are callsites in the program: bounded by its text.
const OPERATION: LabelDescriptor = LabelDescriptor { name: "operation", values: None, max: usize::MAX };
const TARGET: LabelDescriptor = LabelDescriptor { name: "target", values: None, max: usize::MAX };
const OUTCOMES: [&str; Ended::ALL.len()] = {
    let mut texts = [""; Ended::ALL.len()];
    let mut at = 0;
    while at < texts.len() {
        texts[at] = Ended::ALL[at].as_str();
        at += 1;
    }
    texts
};

/// The cells of one callsite. It lives in a static and joins the process's list at its first use.
pub(crate) struct Operation {
    name: &'static str,
    target: &'static str,
    joined: AtomicBool,
    cells: Cells,
}

/// Every callsite that was used.
static USED: Mutex<Vec<&'static Operation>> = Mutex::new(Vec::new());

impl Operation {
    /// Cells for the operation `name` of `target`.
    pub(crate) const fn new(name: &'static str, target: &'static str) -> Self {
        Operation { name, target, joined: AtomicBool::new(false), cells: Cells::new() }
    }

    /// A call has begun: one more in flight.
    #[inline]
    pub(crate) fn begin(&'static self, scope: Option<&Arc<Scope>>) {
        self.cells(scope, |cells| {
            cells.in_flight.fetch_add(1, Relaxed);
        });
    }

    /// A call has ended: one less in flight, one more observation.
    #[inline]
    pub(crate) fn end(&'static self, scope: Option<&Arc<Scope>>, outcome: Ended, nanos: u64) {
        self.cells(scope, |cells| {
            cells.in_flight.fetch_sub(1, Relaxed);
            cells.ended[outcome as usize].observe(nanos);
        });
    }

    #[inline]
    fn cells(&'static self, scope: Option<&Arc<Scope>>, update: impl FnOnce(&Cells)) {
        if let Some(scope) = scope {
            return update(&scope.operation(self));
        }
        if !self.joined.load(Relaxed) {
            self.join();
        }
        update(&self.cells);
    }

    #[cold]
    fn join(&'static self) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.joined.swap(true, Relaxed) {
            used.push(self);
        }
    }
}

/// The numbers of one callsite.
#[derive(Default)]
pub(crate) struct Cells {
    in_flight: AtomicI64,
    ended: [Durations; Ended::ALL.len()],
}

#[derive(Default)]
struct Durations {
    counts: [AtomicU64; NANOS.len() + 1],
    nanos: AtomicU64,
}

impl Cells {
    const fn new() -> Self {
        Cells { in_flight: AtomicI64::new(0), ended: [const { Durations::new() }; Ended::ALL.len()] }
    }
}

impl Durations {
    const fn new() -> Self {
        Durations { counts: [const { AtomicU64::new(0) }; NANOS.len() + 1], nanos: AtomicU64::new(0) }
    }

    #[inline]
    fn observe(&self, nanos: u64) {
        let at = NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(NANOS.len());
        self.counts[at].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }
}

/// What the process's callsites are at now.
pub(crate) fn of_process() -> Vec<Snapshot> {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    snapshots(used.into_iter().map(|operation| (operation, &operation.cells)))
}

/// The sums of the cells of one operation.
#[derive(Default)]
struct Sums {
    in_flight: i64,
    ended: [([u64; NANOS.len() + 1], u64); Ended::ALL.len()],
}

/// The two metrics of these callsites. Those that agree in operation and target are one.
pub(crate) fn snapshots<'a>(callsites: impl Iterator<Item = (&'static Operation, &'a Cells)>) -> Vec<Snapshot> {
    let mut operations: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for (operation, cells) in callsites {
        let sums = operations.entry((operation.name, operation.target)).or_default();
        sums.in_flight += cells.in_flight.load(Relaxed);
        for ((counts, nanos), ended) in sums.ended.iter_mut().zip(&cells.ended) {
            counts.iter_mut().zip(&ended.counts).for_each(|(sum, count)| *sum += count.load(Relaxed));
            *nanos = nanos.wrapping_add(ended.nanos.load(Relaxed));
        }
    }
    let mut durations = Snapshot { descriptor: &OPERATION_DESCRIPTORS[0], series: Vec::new() };
    let mut in_flight = Snapshot { descriptor: &OPERATION_DESCRIPTORS[1], series: Vec::new() };
    for ((operation, target), sums) in operations {
        let labels = vec![operation.to_owned(), target.to_owned()];
        for (outcome, (counts, nanos)) in Ended::ALL.iter().zip(sums.ended) {
            if counts.iter().any(|count| *count != 0) {
                let labels = labels.iter().cloned().chain([outcome.as_str().to_owned()]).collect();
                let sum = nanos as f64 / 1e9;
                let value = Value::Histogram { bounds: &BUCKETS, counts: counts.to_vec(), sum };
                durations.series.push(Series { labels, value });
            }
        }
        in_flight.series.push(Series { labels, value: Value::Number(sums.in_flight as f64) });
    }
    vec![durations, in_flight]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::text;

    #[test]
    fn the_bounds_are_the_same_in_seconds_and_in_nanoseconds() {
        for (seconds, nanos) in BUCKETS.iter().zip(NANOS) {
            assert_eq!((seconds * 1e9).round() as u64, nanos);
        }
    }

    #[test]
    fn callsites_of_one_name_and_target_are_one_series() {
        static FIRST: Operation = Operation::new("merge", "operations::tests");
        static SECOND: Operation = Operation::new("merge", "operations::tests");
        let scope = Scope::new();
        for operation in [&FIRST, &SECOND] {
            operation.begin(Some(&scope));
            operation.end(Some(&scope), Ended::Ok, 2_000_000);
        }
        FIRST.begin(Some(&scope));
        let labels = [("operation", "merge")];
        assert_eq!(scope.value("operation_duration_seconds_count", &labels), Some(2.0));
        assert_eq!(scope.value("operation_duration_seconds_sum", &labels), Some(0.004));
        assert_eq!(scope.value("operations_in_flight", &labels), Some(1.0));
        assert_eq!(scope.value("operation_duration_seconds_count", &[("outcome", "error")]), None);
    }

    #[test]
    fn a_callsite_is_in_the_text_of_the_process_once_used_and_only_with_outcomes_that_occurred() {
        static CALLSITE: Operation = Operation::new("joins", "operations::tests");
        for outcome in [Ended::Ok, Ended::Cancelled] {
            CALLSITE.begin(None);
            CALLSITE.end(None, outcome, 100_000);
        }
        let text = text::encode(of_process());
        let line = |outcome: &str| {
            format!(
                "operation_duration_seconds_bucket{{operation=\"joins\",target=\"operations::tests\",\
                 outcome=\"{outcome}\",le=\"0.0001\"}} 1\n"
            )
        };
        assert!(text.contains(&line("ok")), "{text}");
        assert!(text.contains(&line("cancelled")), "{text}");
        assert!(!text.contains("operation=\"joins\",target=\"operations::tests\",outcome=\"error\""), "{text}");
        assert!(text.contains("operations_in_flight{operation=\"joins\",target=\"operations::tests\"} 0\n"), "{text}");
    }
}
