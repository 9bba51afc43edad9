use super::rules::{Record, RuleGroup};
use crate::catalogue::{Catalogue, Label, Metric};

/// Recorded quantiles of a histogram: `http_request_duration_seconds:p99`, from the rate over five minutes, by all its labels and
/// `job`.
#[derive(Clone, Debug)]
pub struct Quantiles {
    histogram: &'static str,
    dropped: Vec<&'static str>,
}

/// Which are recorded, and what they are called.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

impl Quantiles {
    /// Those of this histogram.
    #[must_use]
    pub fn of(histogram: &'static str) -> Self {
        Quantiles { histogram, dropped: Vec::new() }
    }

    /// Over all values of this label together.
    #[must_use]
    pub fn without(mut self, label: &'static str) -> Self {
        self.dropped.push(label);
        self
    }

    /// The group that records them. One that is not in the catalogue has no labels there, and its rules do not pass the check.
    #[must_use]
    pub fn group(self, name: &str, catalogue: &Catalogue) -> RuleGroup {
        self.add_to(RuleGroup::new(name), catalogue)
    }

    /// The same as more rules of `group`.
    #[must_use]
    pub fn add_to(self, group: RuleGroup, catalogue: &Catalogue) -> RuleGroup {
        let labels = catalogue.get(self.histogram).map_or(&[][..], |Metric { labels, .. }| labels);
        let kept = labels.iter().filter(|label| !self.dropped.contains(&label.name.as_str())).cloned();
        let keeps: Vec<Label> = std::iter::once(Label::open("job")).chain(kept).collect();
        let by: Vec<&str> = keeps.iter().map(|label| label.name.as_str()).collect();
        let (histogram, by) = (self.histogram, by.join(", "));
        QUANTILES.iter().fold(group, |group, (quantile, suffix)| {
            let expr = format!("histogram_quantile({quantile}, sum by (le, {by}) (rate({histogram}_bucket[5m])))");
            let help = format!("{quantile} quantile of {histogram} over five minutes.");
            group.record(Record::new(format!("{histogram}:{suffix}"), expr, keeps.clone()).help(&help))
        })
    }
}
