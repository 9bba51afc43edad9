//! Sets of metrics: what `#[derive(MetricSet)]` writes an `impl` for.

use std::sync::{Arc, OnceLock};

use crate::metrics::descriptor::{Descriptor, Kind, LabelDescriptor};
use crate::metrics::family::AnyFamily;
use crate::metrics::registry::{self, RegisterError};

/// Metrics that are declared together: `#[derive(MetricSet)]`.
///
/// ```
/// use obs_runtime::{Counter, Histogram, LabelSet, Method, MetricSet, Registry, Route};
///
/// #[derive(MetricSet)]
/// #[metric_set(prefix = "http")]
/// pub struct HttpMetrics {
///     /// Total HTTP requests.
///     pub requests_total: Counter<HttpLabels>,
///     /// HTTP request duration.
///     #[metric(buckets = [0.001, 0.01, 0.1, 1.0])]
///     pub request_duration_seconds: Histogram,
/// }
///
/// #[derive(LabelSet)]
/// pub struct HttpLabels {
///     method: Method,
///     path: Route,
/// }
///
/// let metrics = HttpMetrics::new();
/// metrics.requests_total.with(HttpLabels { method: Method::Get, path: Route::new("/v1/agents") }).inc();
///
/// let registry = Registry::new();
/// registry.register(&metrics)?;
/// assert!(registry.encode().contains("http_requests_total{method=\"GET\",path=\"/v1/agents\"} 1"));
/// # Ok::<(), obs_runtime::RegisterError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of metrics",
    label = "a struct with `#[derive(MetricSet)]`, whose fields are the metrics"
)]
pub trait MetricSet: Sized + Send + Sync + 'static {
    /// What is known of each metric before the program runs.
    const DESCRIPTORS: &'static [Descriptor];

    /// An instance of its own, whose numbers nobody sees until it is registered.
    #[must_use]
    fn new() -> Self;

    /// The process's instance. It is in the process's text from its first use on. If a name in it is taken, the set is
    /// left out of the text and an error event says which two places declare it.
    fn global() -> &'static Self {
        Self::slot().get(true)
    }

    /// Where the process's instance is.
    #[doc(hidden)]
    fn slot() -> &'static Global<Self>;

    /// Adds its metrics to `families`.
    #[doc(hidden)]
    fn add_to(&self, families: &mut Families);
}

/// A metric that can be a field of a [`MetricSet`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a metric",
    label = "one of `Counter`, `Gauge`, `Histogram`, `Info`, `ObservedCounter`, `ObservedGauge`"
)]
pub trait Metric {
    #[doc(hidden)]
    const KIND: Kind;
    #[doc(hidden)]
    const LABELS: &'static [LabelDescriptor];

    #[doc(hidden)]
    fn make(descriptor: &'static Descriptor) -> Self;

    #[doc(hidden)]
    fn add_to(&self, families: &mut Families);
}

/// Storage of metrics, of any kind.
#[derive(Default)]
pub struct Families(pub(crate) Vec<Arc<dyn AnyFamily>>);

impl Families {
    pub(crate) fn push(&mut self, family: Arc<dyn AnyFamily>) {
        self.0.push(family);
    }

    pub(crate) fn of<T: MetricSet>(set: &T) -> Self {
        let mut families = Families::default();
        set.add_to(&mut families);
        families
    }
}

/// The process's instance of a set, and what came of registering it.
pub struct Global<T>(OnceLock<(T, Result<(), RegisterError>)>);

impl<T> Global<T> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Global(OnceLock::new())
    }
}

impl<T> Default for Global<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: MetricSet> Global<T> {
    fn get(&'static self, tell: bool) -> &'static T {
        if let Some((set, _)) = self.0.get() {
            return set;
        }
        self.make(tell).0
    }

    #[cold]
    fn make(&'static self, tell: bool) -> (&'static T, &'static Result<(), RegisterError>) {
        let mut mistake = None;
        let (set, registered) = self.0.get_or_init(|| {
            let set = T::new();
            let registered = registry::process().register(&set);
            mistake = registered.as_ref().err().map(ToString::to_string);
            (set, registered)
        });
        // Told when the slot is filled: whoever writes the event may well count something in this very set.
        if let Some(mistake) = mistake.filter(|_| tell) {
            tracing::error!(target: "obs_runtime::metrics", "{mistake}");
        }
        (set, registered)
    }
}

/// Registers the process's instance of a set, for a caller who can be told what went wrong.
///
/// # Errors
///
/// If one of its names is taken.
pub(crate) fn register<T: MetricSet>() -> Result<(), RegisterError> {
    T::slot().make(false).1.clone()
}
