//! What metrics there are: of the program's own types, of others, and of recording rules.

mod external;
mod markdown;
mod published;
mod semconv;

use std::collections::BTreeMap;
use std::fmt;

use obs_runtime::Descriptor;
use obs_runtime::metrics::Kind;
use serde::{Deserialize, Serialize};

pub use self::external::{External, KUBE_STATE_METRICS, PROMETHEUS, Series};
pub use self::published::{Change, Published};
use crate::promql::{Labels, Seen};

/// Everything that a query can name.
///
/// ```
/// use obs_artifacts::Catalogue;
/// use obs_artifacts::catalogue::{KUBE_STATE_METRICS, PROMETHEUS};
/// use obs_runtime::OPERATION_DESCRIPTORS;
///
/// let catalogue = Catalogue::new("shop")
///     .describe(OPERATION_DESCRIPTORS)?
///     .external(&KUBE_STATE_METRICS)?
///     .external(&PROMETHEUS)?
///     .on_every_series(["namespace", "pod"]);
/// assert!(catalogue.get("operations_in_flight").is_some());
/// # Ok::<(), obs_artifacts::CatalogueError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue {
    service: String,
    metrics: BTreeMap<String, Metric>,
    target_labels: Vec<String>,
}

/// A metric of a [`Catalogue`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its kind.
    #[serde(with = "kind")]
    pub kind: Kind,
    /// Its HELP text.
    pub help: String,
    /// The unit of its values, if its name has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its labels, without those that every scraped series has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The upper bounds of a histogram, without `+Inf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<f64>,
    /// Who publishes it.
    pub origin: Origin,
    /// The file that declares it, where it is a type of the program.
    #[serde(skip)]
    pub file: String,
}

/// Who publishes a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The program, by a type of its own.
    Declared,
    /// Somebody else, as [`External`] says.
    External(String),
    /// A recording rule of this group.
    Recorded(String),
}

/// A label of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Every value that it can have, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// How many values it has at most, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
}

impl Label {
    /// A label of these values only.
    #[must_use]
    pub fn closed(name: &str, values: &[&str]) -> Self {
        let max = Some(values.len());
        Label { name: name.to_owned(), values: Some(values.iter().map(|value| (*value).to_owned()).collect()), max }
    }

    /// A label of any value.
    #[must_use]
    pub fn open(name: &str) -> Self {
        Label { name: name.to_owned(), values: None, max: None }
    }
}

/// Two metrics of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogueError {
    /// The name.
    pub name: String,
    /// Where each of them is declared.
    pub places: [String; 2],
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.places;
        write!(f, "two different metrics are called `{}`: one of {first}, one of {second}", self.name)
    }
}

impl std::error::Error for CatalogueError {}

impl Catalogue {
    /// An empty one, of `service`. Every scraped series has the labels `job` and `instance`.
    pub fn new(service: impl Into<String>) -> Self {
        let target_labels = vec!["job".to_owned(), "instance".to_owned()];
        Catalogue { service: service.into(), metrics: BTreeMap::new(), target_labels }
    }

    /// With the metrics of a set, a state machine, or `OPERATION_DESCRIPTORS`. The same set twice is one.
    ///
    /// # Errors
    ///
    /// If another metric of such a name is there.
    pub fn describe(mut self, descriptors: &[Descriptor]) -> Result<Self, CatalogueError> {
        for descriptor in descriptors {
            self.add(Metric::of(descriptor))?;
        }
        Ok(self)
    }

    /// With what others publish.
    ///
    /// # Errors
    ///
    /// If another metric of such a name is there.
    pub fn external(mut self, external: &External) -> Result<Self, CatalogueError> {
        for metric in external.metrics() {
            self.add(metric)?;
        }
        Ok(self)
    }

    /// With labels that the scrape configuration puts on every series.
    #[must_use]
    pub fn on_every_series<'a>(mut self, labels: impl IntoIterator<Item = &'a str>) -> Self {
        self.target_labels.extend(labels.into_iter().map(str::to_owned));
        self
    }

    /// Adds one metric.
    ///
    /// # Errors
    ///
    /// If another metric of the name is there.
    pub fn add(&mut self, metric: Metric) -> Result<(), CatalogueError> {
        match self.metrics.get_mut(&metric.name) {
            Some(there) if *there == metric => Ok(()),
            Some(Metric { origin: Origin::Recorded(group), labels, .. })
                if metric.origin == Origin::Recorded(group.clone()) && labels.len() == metric.labels.len() =>
            {
                metric.labels.iter().for_each(|more| merge(labels, more));
                Ok(())
            }
            Some(there) => Err(CatalogueError { places: [there.place(), metric.place()], name: metric.name }),
            None => {
                self.metrics.insert(metric.name.clone(), metric);
                Ok(())
            }
        }
    }

    /// Whose metrics these are.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The metric called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// All of them, by name.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.values()
    }

    /// The labels that every scraped series has.
    pub fn target_labels(&self) -> impl Iterator<Item = &str> {
        self.target_labels.iter().map(String::as_str)
    }

    pub(crate) fn seen(&self) -> Vec<Seen<'_>> {
        self.metrics.values().map(Metric::seen).collect()
    }
}

impl Metric {
    /// That of a descriptor.
    #[must_use]
    pub fn of(descriptor: &Descriptor) -> Self {
        let labels = descriptor.labels.iter().map(|label| Label {
            name: label.name.to_owned(),
            values: label.values.map(|values| values.iter().map(|value| (*value).to_owned()).collect()),
            max: (label.max != usize::MAX).then_some(label.max),
        });
        Metric {
            name: descriptor.name.to_owned(),
            kind: descriptor.kind,
            help: descriptor.help.to_owned(),
            unit: descriptor.unit.map(str::to_owned),
            labels: labels.collect(),
            buckets: descriptor.buckets.to_vec(),
            origin: Origin::Declared,
            file: descriptor.file.to_owned(),
        }
    }

    /// How many series it can have in one process: `None` if a label of it is not bounded.
    #[must_use]
    pub fn series(&self) -> Option<usize> {
        let tuples = self.labels.iter().try_fold(1_usize, |all, label| Some(all.saturating_mul(label.max?)))?;
        Some(match self.kind {
            Kind::Histogram => tuples.saturating_mul(self.buckets.len() + 3),
            _ => tuples,
        })
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            name: &self.name,
            kind: self.kind,
            labels: Labels::Listed(&self.labels),
            buckets: &self.buckets,
            scraped: !matches!(self.origin, Origin::Recorded(_)),
        }
    }

    fn place(&self) -> String {
        match &self.origin {
            Origin::Declared => self.file.clone(),
            Origin::External(whose) => whose.clone(),
            Origin::Recorded(group) => format!("the rule group `{group}`"),
        }
    }
}

/// Several rules of a group record one name, each with values of its own in the labels.
fn merge(labels: &mut [Label], more: &Label) {
    let Some(label) = labels.iter_mut().find(|label| label.name == more.name) else { return };
    match (&mut label.values, &more.values) {
        (Some(values), Some(more)) => {
            values.extend(more.iter().filter(|value| !values.contains(value)).cloned().collect::<Vec<_>>());
            label.max = Some(values.len());
        }
        _ => *label = Label::open(&label.name),
    }
}

/// A kind is its word.
mod kind {
    use obs_runtime::metrics::Kind;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let word = String::deserialize(deserializer)?;
        let kinds = [Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Info];
        let known = kinds.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or_else(|| de::Error::unknown_variant(&word, &["counter", "gauge", "histogram", "info"]))
    }
}
