//! Which metrics a text is made of.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::loss::{self, Reason, Signal};
use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::family::AnyFamily;
use crate::metrics::foreign;
use crate::metrics::operations::{self, OPERATION_DESCRIPTORS};
use crate::metrics::set::{Families, MetricSet};
use crate::metrics::text::{self, Series, Snapshot, Value};

/// Sets of metrics, and their text.
#[derive(Default)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    families: Vec<Arc<dyn AnyFamily>>,
    /// Every name that a line begins with, and who writes it: a histogram takes four.
    names: BTreeMap<String, &'static Descriptor>,
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Registry::default()
    }

    /// Takes the metrics of `set` into the text. They stay in it also when `set` is dropped.
    ///
    /// # Errors
    ///
    /// If a name is there already; then nothing of `set` is taken.
    pub fn register<T: MetricSet>(&self, set: &T) -> Result<(), RegisterError> {
        let families = Families::of(set).0;
        let mut inner = self.lock();
        let mut names = inner.names.clone();
        for family in &families {
            claim(&mut names, family.descriptor())?;
        }
        inner.names = names;
        inner.families.extend(families);
        Ok(())
    }

    /// The text of every metric, in the order of their names: exposition format 0.0.4.
    #[must_use]
    pub fn encode(&self) -> String {
        text::encode(self.snapshots())
    }

    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        // The lock is free while callbacks are asked.
        let families = self.lock().families.clone();
        families.iter().map(|family| family.snapshot()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("names", &self.lock().names.keys()).finish_non_exhaustive()
    }
}

fn claim(
    names: &mut BTreeMap<String, &'static Descriptor>,
    descriptor: &'static Descriptor,
) -> Result<(), RegisterError> {
    for suffix in suffixes(descriptor.kind) {
        let name = format!("{}{suffix}", descriptor.name);
        if let Some(first) = names.get(&name) {
            return Err(RegisterError {
                name,
                first: (first.file, first.line),
                second: (descriptor.file, descriptor.line),
            });
        }
        names.insert(name, descriptor);
    }
    Ok(())
}

fn suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter | Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_sum", "_count"],
    }
}

/// A name was registered twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterError {
    /// The name.
    pub name: String,
    /// File and line of who has it.
    pub first: (&'static str, u32),
    /// File and line of who wanted it too.
    pub second: (&'static str, u32),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegisterError { name, first, second } = self;
        write!(f, "metric `{name}` is registered twice: at {}:{} and at {}:{}", first.0, first.1, second.0, second.1)
    }
}

impl Error for RegisterError {}

/// The process's registry. The names of the runtime's own metrics are taken in it.
pub(crate) fn process() -> &'static Registry {
    static PROCESS: LazyLock<Registry> = LazyLock::new(|| {
        let mut names = BTreeMap::new();
        for descriptor in OPERATION_DESCRIPTORS.iter().chain([&DROPPED]) {
            // They differ from each other, so this cannot fail.
            let _ = claim(&mut names, descriptor);
        }
        Registry { inner: Mutex::new(Inner { families: Vec::new(), names }) }
    });
    &PROCESS
}

static DROPPED: Descriptor = Descriptor {
    name: "obs_dropped_total",
    kind: Kind::Counter,
    help: "Telemetry that was lost, by signal and reason.",
    unit: None,
    labels: &[
        LabelDescriptor { name: "signal", values: None, max: Signal::ALL.len() },
        LabelDescriptor { name: "reason", values: None, max: Reason::ALL.len() },
    ],
    buckets: &[],
    file: file!(),
    line: line!(),
};

/// The losses that occurred, and those that every service should watch for: a rate needs a zero to start from.
fn dropped() -> Snapshot {
    let watched = |signal, reason| {
        matches!(
            (signal, reason),
            (Signal::Logs | Signal::Spans, Reason::QueueFull)
                | (Signal::Spans, Reason::ExportFailed)
                | (Signal::Metrics, Reason::Cardinality)
        )
    };
    let series = loss::all()
        .filter(|(signal, reason, lost)| *lost != 0 || watched(*signal, *reason))
        .map(|(signal, reason, lost)| Series {
            labels: vec![signal.as_str().to_owned(), reason.as_str().to_owned()],
            value: Value::Whole(lost),
        })
        .collect();
    Snapshot { descriptor: &DROPPED, series }
}

/// The text of the process's metrics: operations, losses, registered sets and, with the feature `prometheus`, what
/// foreign collectors have. Exposition format 0.0.4, whose content type is [`CONTENT_TYPE`].
#[must_use]
pub fn encode() -> String {
    let mut snapshots = operations::of_process();
    snapshots.push(dropped());
    snapshots.extend(process().snapshots());
    let mut text = text::encode(snapshots);
    foreign::encode(&mut text, |name| process().lock().names.contains_key(name));
    text
}

/// The content type of [`encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
