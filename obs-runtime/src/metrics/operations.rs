//! `operation_duration_seconds` and `operations_in_flight`: the cells of one observed callsite.

use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::{SpanId, TraceId};
use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::exemplar::{Exemplar, Exemplars};
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::scope::Scope;
use crate::metrics::series;
use crate::metrics::snapshot::{Sample, Snapshot};
use crate::metrics::text::{self, Value};
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
        ttl: None,
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
        ttl: None,
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

/// How many words one way to end has: a count for each bucket, and the sum of nanoseconds.
const ENDED: usize = NANOS.len() + 2;

/// How many words a callsite has: one for what is in flight, then those of each way to end.
const WIDTH: usize = 1 + ENDED * Ended::ALL.len();

/// The cells of one callsite. It lives in a static and joins the process's list at its first use.
pub(crate) struct Operation {
    name: &'static str,
    target: &'static str,
    /// Its place in the lanes of the process; 0 before its first use.
    place: AtomicU64,
    /// Milliseconds since the Unix epoch of its first use.
    created: AtomicU64,
    exemplars: Exemplars,
    /// When the exemplar of each bucket was put there: seconds since the Unix epoch.
    exemplified: [[AtomicU32; NANOS.len() + 1]; Ended::ALL.len()],
}

/// Every callsite that was used.
static USED: Mutex<Vec<&'static Operation>> = Mutex::new(Vec::new());

impl Operation {
    /// Cells for the operation `name` of `target`.
    pub(crate) const fn new(name: &'static str, target: &'static str) -> Self {
        let (place, created) = (AtomicU64::new(0), AtomicU64::new(0));
        let exemplified = [const { [const { AtomicU32::new(0) }; NANOS.len() + 1] }; Ended::ALL.len()];
        Operation { name, target, place, created, exemplars: Exemplars::new(), exemplified }
    }

    /// A call has begun: one more in flight.
    #[inline]
    pub(crate) fn begin(&'static self, scope: Option<&Arc<Scope>>) {
        if let Some(place) = self.place(scope) {
            place.add(WIDTH, 0, 1);
        }
    }

    /// A call has ended: one less in flight, one more observation.
    #[inline]
    pub(crate) fn end(&'static self, scope: Option<&Arc<Scope>>, outcome: Ended, nanos: u64) {
        let Some(place) = self.place(scope) else { return };
        let first = 1 + outcome as usize * ENDED;
        let bucket = bucket(nanos);
        place.write(WIDTH, move |words| {
            // It may have begun on another thread: what this lane has wraps, the sum of all does not.
            if let Some(in_flight) = words.first() {
                lanes::add(in_flight, u64::MAX);
            }
            if let Some(ended) = words.get(first..first + ENDED) {
                lanes::add(&ended[bucket], 1);
                lanes::add(&ended[ENDED - 1], nanos);
            }
        });
    }

    /// A call of a trace that is kept has ended so, at `unix_nanos`: it becomes the exemplar of its bucket, if the one that
    /// is there is a second old.
    #[inline]
    pub(crate) fn exemplify(
        &'static self,
        outcome: Ended,
        nanos: u64,
        (trace_id, span_id): (TraceId, SpanId),
        unix_nanos: u64,
    ) {
        let (outcome, bucket) = (outcome as usize, bucket(nanos));
        let seconds = (unix_nanos / 1_000_000_000) as u32;
        let last = &self.exemplified[outcome][bucket];
        if last.load(Relaxed) != seconds {
            last.store(seconds, Relaxed);
            let (value, at) = (nanos as f64 / 1e9, unix_nanos / 1_000_000);
            self.exemplars.put(outcome as u64, bucket, Exemplar { trace_id, span_id: Some(span_id), value, at });
        }
    }

    #[inline]
    fn place(&'static self, scope: Option<&Arc<Scope>>) -> Option<Place> {
        if let Some(scope) = scope {
            return scope.operation(self);
        }
        match self.place.load(Acquire) {
            0 => self.join(),
            place => Some(Place::unpack(place)),
        }
    }

    #[cold]
    fn join(&'static self) -> Option<Place> {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.place.load(Relaxed);
        if place != 0 {
            return Some(Place::unpack(place));
        }
        let place = lanes::take(WIDTH)?;
        self.created.store(series::now(), Relaxed);
        self.place.store(place.pack(), Release);
        used.push(self);
        Some(place)
    }
}

#[inline]
fn bucket(nanos: u64) -> usize {
    NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(NANOS.len())
}

/// A place for the numbers of one callsite in one scope.
pub(crate) struct Scoped(Option<Place>);

impl Scoped {
    pub(crate) fn new() -> Self {
        Scoped(lanes::take(WIDTH))
    }

    pub(crate) const fn place(&self) -> Option<Place> {
        self.0
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            lanes::give_back(place, WIDTH);
        }
    }
}

/// What the process's callsites are at now.
pub(crate) fn of_process(reading: &Reading) -> [Snapshot; 2] {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let callsites = used.into_iter().map(|operation| (operation, Place::unpack(operation.place.load(Acquire))));
    snapshots(callsites, reading)
}

/// The sums of the cells of one operation.
struct Sums {
    words: [u64; WIDTH],
    created: u64,
    exemplars: [Vec<(usize, Exemplar)>; Ended::ALL.len()],
}

/// The two metrics of these callsites. Those that agree in operation and target are one.
pub(crate) fn snapshots(
    callsites: impl Iterator<Item = (&'static Operation, Place)>,
    reading: &Reading,
) -> [Snapshot; 2] {
    let mut operations: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for (operation, place) in callsites {
        let created = operation.created.load(Relaxed);
        let sums = operations.entry((operation.name, operation.target)).or_insert_with(|| Sums {
            words: [0; WIDTH],
            created,
            exemplars: Default::default(),
        });
        sums.created = sums.created.min(created);
        let words = reading.totals::<WIDTH>(place);
        sums.words.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        for (outcome, exemplars) in sums.exemplars.iter_mut().enumerate() {
            // Of several callsites any one is as good.
            if exemplars.is_empty() {
                *exemplars = operation.exemplars.of(outcome as u64);
            }
        }
    }
    let [durations, in_flight] = [&OPERATION_DESCRIPTORS[0], &OPERATION_DESCRIPTORS[1]];
    let (mut ended, mut begun) = (Vec::new(), Vec::new());
    for ((operation, target), sums) in operations {
        let Sums { words: [now, words @ ..], created, exemplars } = sums;
        for ((outcome, words), exemplars) in Ended::ALL.iter().zip(words.chunks(ENDED)).zip(exemplars) {
            let Some((nanos, counts)) = words.split_last() else { continue };
            if counts.iter().any(|count| *count != 0) {
                let labels = text::labels(durations, [operation, target, outcome.as_str()]);
                let value = Value::Histogram { bounds: &BUCKETS, counts: counts.to_vec(), sum: *nanos as f64 / 1e9 };
                ended.push(Sample { labels, created, value, exemplars });
            }
        }
        let labels = text::labels(in_flight, [operation, target]);
        let value = Value::Number(now.cast_signed() as f64);
        begun.push(Sample { labels, created, value, exemplars: Vec::new() });
    }
    [Snapshot { descriptor: durations, series: ended }, Snapshot { descriptor: in_flight, series: begun }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::snapshot;

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
        let text = snapshot::encode(of_process(&Reading::now()).into());
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
