//! The catalogue for machines, with who asks what, and how two of them differ.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Catalogue, CatalogueError, Metric, Origin};
use crate::promql::{Query, check};

/// What a version of a platform publishes, and every query that its rules and dashboards ask: the file `catalogue.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Whose it is.
    pub service: String,
    /// The labels that every scraped series has.
    pub target_labels: Vec<String>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// What is asked.
    pub queries: Vec<Query>,
}

/// A difference between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What is different.
    pub what: String,
    /// Whether those who ask today may get no answer tomorrow.
    pub breaking: bool,
    /// The alerts, rules, panels and variables of the old version that break.
    pub breaks: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.breaking { "breaking: " } else { "" }, self.what)?;
        self.breaks.iter().try_for_each(|place| write!(f, "\n  breaks {place}"))
    }
}

impl Published {
    /// What `catalogue` has and `queries` ask.
    #[must_use]
    pub fn new(catalogue: &Catalogue, queries: &[Query]) -> Self {
        Published {
            service: catalogue.service().to_owned(),
            target_labels: catalogue.target_labels().map(str::to_owned).collect(),
            metrics: catalogue.metrics().cloned().collect(),
            queries: queries.to_vec(),
        }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it is no such file.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// How `new` differs from this. A metric that is gone or has another kind, and a label that is gone, are breaking; so is everything else
    /// that a query of this version stumbles over.
    ///
    /// # Errors
    ///
    /// If one of the files has two metrics of one name.
    pub fn changes(&self, new: &Published) -> Result<Vec<Change>, CatalogueError> {
        let (old_catalogue, new_catalogue) = (self.catalogue()?, new.catalogue()?);
        let mut changes = Vec::new();
        let mut renamed = BTreeSet::new();
        for old in &self.metrics {
            let now = new_catalogue.get(&old.name);
            let mut told = match now {
                Some(now) => differences(old, now),
                None => {
                    let fresh = new.metrics.iter().filter(|metric| old_catalogue.get(&metric.name).is_none());
                    let successor =
                        fresh.filter(|metric| is_same(old, metric)).find(|metric| !renamed.contains(&metric.name));
                    vec![(true, gone(old, successor.inspect(|metric| _ = renamed.insert(metric.name.clone()))))]
                }
            };
            if told.is_empty() {
                continue;
            }
            let breaks = self.broken_by(&old_catalogue, &old.name, now);
            // What broke is told with what broke it: with the first breaking difference, else with the first.
            let at = told.iter().position(|(breaking, _)| *breaking).unwrap_or(0);
            if !breaks.is_empty() {
                told[at].0 = true;
            }
            changes.extend(told.into_iter().enumerate().map(|(which, (breaking, what))| Change {
                what,
                breaking,
                breaks: if which == at { breaks.clone() } else { Vec::new() },
            }));
        }
        let fresh = new
            .metrics
            .iter()
            .filter(|metric| old_catalogue.get(&metric.name).is_none() && !renamed.contains(&metric.name));
        changes.extend(fresh.map(|Metric { name, kind, .. }| Change {
            what: format!("`{name}` is new, a {kind}"),
            breaking: false,
            breaks: Vec::new(),
        }));
        Ok(changes)
    }

    fn catalogue(&self) -> Result<Catalogue, CatalogueError> {
        let mut catalogue = Catalogue::new(&self.service);
        catalogue.target_labels.clone_from(&self.target_labels);
        for metric in &self.metrics {
            catalogue.add(metric.clone())?;
        }
        Ok(catalogue)
    }

    /// Who asks in vain once `name` is what `now` says, and nothing else has changed. What is recorded by a rule that breaks is gone as well.
    fn broken_by(&self, catalogue: &Catalogue, name: &str, now: Option<&Metric>) -> Vec<String> {
        let mut catalogue = catalogue.clone();
        catalogue.metrics.remove(name);
        catalogue.metrics.extend(now.map(|metric| (name.to_owned(), metric.clone())));
        let mut broken = BTreeSet::new();
        loop {
            let before = broken.len();
            if let Err(mistakes) = check(&catalogue, &self.queries) {
                broken.extend(mistakes.0.into_iter().map(|mistake| mistake.place));
            }
            if broken.len() == before {
                return broken.into_iter().collect();
            }
            catalogue.metrics.retain(|name, metric| {
                !matches!(metric.origin, Origin::Recorded(_)) || !broken.contains(&format!("recording rule `{name}`"))
            });
        }
    }
}

fn gone(old: &Metric, successor: Option<&Metric>) -> String {
    match successor {
        Some(new) => format!("`{}` is called `{}`", old.name, new.name),
        None => format!("`{}` is gone", old.name),
    }
}

/// Whether a metric of another name is the same one: it says the same, or is built the same and called nearly so.
fn is_same(old: &Metric, new: &Metric) -> bool {
    let near = strsim::normalized_damerau_levenshtein(&old.name, &new.name) > 0.6;
    old.kind == new.kind && old.labels == new.labels && (near || (!old.help.is_empty() && old.help == new.help))
}

/// Each with whether it is breaking by itself.
fn differences(old: &Metric, new: &Metric) -> Vec<(bool, String)> {
    let name = &old.name;
    let mut told = Vec::new();
    if old.kind != new.kind {
        told.push((true, format!("`{name}` was a {}, is a {}", old.kind, new.kind)));
    }
    for label in &old.labels {
        match new.labels.iter().find(|now| now.name == label.name) {
            None => told.push((true, format!("`{name}` has lost its label `{}`", label.name))),
            Some(now) => {
                if let (Some(before), Some(after)) = (&label.values, &now.values) {
                    let lost = before.iter().filter(|value| !after.contains(value));
                    told.extend(
                        lost.map(|value| (false, format!("`{}` of `{name}` is never `{value}` any more", label.name))),
                    );
                }
            }
        }
    }
    let added = new.labels.iter().filter(|now| !old.labels.iter().any(|label| label.name == now.name));
    told.extend(added.map(|label| (false, format!("`{name}` has a new label `{}`", label.name))));
    if old.buckets != new.buckets {
        let lost: Vec<String> =
            old.buckets.iter().filter(|bound| !new.buckets.contains(bound)).map(f64::to_string).collect();
        let lost = if lost.is_empty() { "more".to_owned() } else { format!("none that end at {}", lost.join(", ")) };
        told.push((false, format!("`{name}` has other buckets: {lost}")));
    }
    told
}
