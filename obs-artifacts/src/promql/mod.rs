//! Queries, and whether what they name exists.
//!
//! [`read`] finds the selectors of a query, [`judge`] judges one by the metrics that there are. `judge` is a `const fn` over
//! borrowed data, so that the same rules can run while a program is compiled; [`check`] joins the two over a [`Catalogue`].
//!
//! ```
//! use obs_artifacts::{Catalogue, Query, promql};
//! use obs_runtime::{Counter, LabelSet, LabelValue, MetricSet};
//!
//! #[derive(MetricSet)]
//! struct Parcels {
//!     /// Parcels that were handed over.
//!     handovers_total: Counter<By>,
//! }
//!
//! #[derive(LabelSet)]
//! struct By {
//!     service: Service,
//! }
//!
//! #[derive(LabelValue)]
//! enum Service {
//!     Standard,
//!     NextDay,
//! }
//!
//! let catalogue = Catalogue::new("parcels").describe(Parcels::DESCRIPTORS)?;
//! let query = Query::new("panel `Handovers`", r#"rate(handovers_total{service="next_week"}[5m])"#);
//! let mistakes = promql::check(&catalogue, &[query]).unwrap_err();
//! assert_eq!(
//!     mistakes.to_string(),
//!     "panel `Handovers`: `service` of `handovers_total` is never `next_week`; it is `standard` or `next_day`\n  in `rate(handovers_total{service=\"next_week\"}[5m])`"
//! );
//! # Ok::<(), obs_artifacts::CatalogueError>(())
//! ```

mod fault;
mod read;
mod rules;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::read::{Misread, read};
pub use self::rules::{Fault, Faults, Labels, Matcher, Seen, Use, judge};
pub use self::text::is_bucket;
use crate::Catalogue;

/// A query that something asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// What asks it: ``alert `HighErrorRate` ``.
    pub place: String,
    /// Its text.
    pub text: String,
    /// The labels that its result must have, since the text of the alert or the legend of the panel names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
}

impl Query {
    /// What `place` asks.
    pub fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Query { place: place.into(), text: text.into(), wanted: Vec::new() }
    }

    /// The same where `template` is written with labels of the result: `{{ $labels.pod }}` in an alert, `{{pod}}` in a legend.
    #[must_use]
    pub fn shown_by(mut self, template: &str) -> Self {
        for part in template.split("{{").skip(1).filter_map(|part| part.split_once("}}")) {
            let name = part.0.trim();
            let label = name.strip_prefix("$labels.").unwrap_or(name);
            let is_label = label.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') && !label.is_empty();
            if is_label && !self.wanted.iter().any(|has| has == label) {
                self.wanted.push(label.to_owned());
            }
        }
        self
    }
}

/// A mistake in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// What asks the query.
    pub place: String,
    /// The query.
    pub query: String,
    /// What is wrong, and what there is instead.
    pub what: String,
}

/// All mistakes in a number of queries, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { place, query, what }) in self.0.iter().enumerate() {
            let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
            write!(f, "{}{place}: {what}\n  in `{query}`", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Judges every name in `queries` by what `catalogue` has.
///
/// # Errors
///
/// All mistakes of all queries.
pub fn check(catalogue: &Catalogue, queries: &[Query]) -> Result<(), Mistakes> {
    let seen = catalogue.seen();
    let always: Vec<&str> = catalogue.target_labels().collect();
    let mut mistakes = Vec::new();
    for Query { place, text, wanted } in queries {
        let mut found: Vec<String> = Vec::new();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let misread = read(text, &wanted, &mut |used| {
            found.extend(judge(used, &seen, &always).iter().map(|fault| fault::tell(&fault, &seen, &always)));
        });
        found.extend(misread.iter().map(ToString::to_string));
        found.dedup();
        mistakes.extend(found.into_iter().map(|what| Mistake { place: place.clone(), query: text.clone(), what }));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
}
