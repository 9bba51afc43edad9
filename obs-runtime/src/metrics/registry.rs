//! Which metrics a text is made of.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::copies;
use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::exemplar;
use crate::metrics::family::AnyFamily;
use crate::metrics::lanes::Reading;
use crate::metrics::operations::{self, OPERATION_DESCRIPTORS};
use crate::metrics::series::{Cursor, Shown, Viewer};
use crate::metrics::set::{Families, MetricSet};
use crate::metrics::snapshot::Snapshot;
use crate::metrics::text::{Encoder, Flush, Format, Head};
use crate::metrics::{check, foreign, own, process, tokio};

/// What every runtime publishes of itself beside [`OPERATION_DESCRIPTORS`]: its own metrics (`obs_*`), those of the process and,
/// with the feature `tokio`, those of the tokio runtime.
pub const RUNTIME_DESCRIPTORS: &[Descriptor] = &check::flatten::<{ check::count(OF_RUNTIME) }>(OF_RUNTIME);

const OF_RUNTIME: &[&[Descriptor]] = &[own::DESCRIPTORS, process::DESCRIPTORS, tokio::DESCRIPTORS];

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
        let mut out = String::new();
        self.encode_to(&mut |piece| {
            out.push_str(piece);
            true
        });
        out
    }

    /// The same piece by piece, of 64 KiB or so, until `take` says that it wants no more. Nothing is locked while it runs.
    pub fn encode_to(&self, take: &mut dyn FnMut(&str) -> bool) {
        let mut flush = |piece: &mut String| take(piece);
        let mut encoder = Encoder::new(Format::Text, &mut flush);
        write(self.families().into_iter().map(Source::Family).collect(), &Reading::now(), &mut encoder);
        encoder.finish();
    }

    pub(crate) fn families(&self) -> Vec<Arc<dyn AnyFamily>> {
        self.lock().families.clone()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().names.contains_key(name)
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
        Kind::Counter | Kind::Gauge | Kind::Info => &[""],
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

/// What is written.
enum Source {
    Family(Arc<dyn AnyFamily>),
    Ready(Snapshot),
}

impl Source {
    fn name(&self) -> &'static str {
        match self {
            Source::Family(family) => family.descriptor().name,
            Source::Ready(snapshot) => snapshot.descriptor.name,
        }
    }
}

/// Writes metrics in the order of their names. Nothing is locked while a piece is handed on.
fn write(mut sources: Vec<Source>, reading: &Reading, encoder: &mut Encoder<'_>) {
    sources.sort_by_key(Source::name);
    for source in sources {
        match source {
            Source::Ready(snapshot) => snapshot.write(encoder),
            Source::Family(family) => {
                family.expire(reading);
                let mut head = Head::new(family.descriptor(), encoder.format());
                let mut cursor = Cursor::default();
                let births = encoder.format() == Format::OpenMetrics;
                let mut more = true;
                while more && encoder.wanted() {
                    let mut show = |shown: &Shown<'_>| encoder.series(&mut head, shown);
                    more = family.page(&mut cursor, &mut Viewer { reading, births, show: &mut show });
                    encoder.pause();
                }
            }
        }
        encoder.pause();
        if !encoder.wanted() {
            return;
        }
    }
}

/// The process's registry. The names of the runtime's own metrics are taken in it.
pub(crate) fn process() -> &'static Registry {
    static PROCESS: LazyLock<Registry> = LazyLock::new(|| {
        copies::announce();
        let mut names = BTreeMap::new();
        for descriptor in OPERATION_DESCRIPTORS.iter().chain(RUNTIME_DESCRIPTORS) {
            // They differ from each other, so this cannot fail.
            let _ = claim(&mut names, descriptor);
        }
        Registry { inner: Mutex::new(Inner { families: Vec::new(), names }) }
    });
    &PROCESS
}

/// Writes the metrics of the process: operations, the runtime's own, registered sets and, with the feature `prometheus`,
/// what foreign collectors have.
pub(crate) fn write_process(format: Format, flush: Flush<'_>) {
    if format == Format::OpenMetrics {
        exemplar::want();
    }
    let reading = Reading::now();
    let ready = operations::of_process(&reading).into_iter().chain(own::snapshots(&reading));
    let ready = ready.chain(process::snapshots()).chain(tokio::snapshots());
    let families = process().families().into_iter().map(Source::Family);
    let mut encoder = Encoder::new(format, flush);
    write(ready.map(Source::Ready).chain(families).collect(), &reading, &mut encoder);
    if encoder.wanted() {
        foreign::write(&mut encoder, |name| process().has(name));
    }
    encoder.finish();
}

/// The text of the process's metrics: operations, the runtime's own, registered sets and, with the feature `prometheus`,
/// what foreign collectors have. Exposition format 0.0.4, whose content type is [`CONTENT_TYPE`].
#[must_use]
pub fn encode() -> String {
    let mut out = String::new();
    write_process(Format::Text, &mut |piece| {
        out.push_str(piece);
        true
    });
    out
}

/// The same in OpenMetrics 1.0, whose content type is [`OPENMETRICS_CONTENT_TYPE`].
#[must_use]
pub fn encode_openmetrics() -> String {
    let mut out = String::new();
    write_process(Format::OpenMetrics, &mut |piece| {
        out.push_str(piece);
        true
    });
    out
}

/// The content type of [`encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of [`encode_openmetrics`].
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
