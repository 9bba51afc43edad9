use std::collections::BTreeMap;
use std::fmt;

use obs_runtime::metrics::Kind;
use serde::{Serialize, Serializer};

use super::slo::Slo;
use crate::catalogue::{Catalogue, CatalogueError, Label, Metric, Origin};
use crate::promql::Query;
use crate::yaml;

/// How soon somebody must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is good to know.
    Info,
    /// In working hours.
    Warning,
    /// Now.
    Critical,
}

impl Severity {
    /// Its word in the label `severity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number of groups: one file of rules.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rules {
    groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, Serialize)]
pub struct RuleGroup {
    /// Its name.
    pub name: String,
    /// How often, if not as often as the server says: `1m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// An alert, or a series that is recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Rule {
    /// It tells somebody.
    Alert(Alert),
    /// It keeps what was computed.
    Record(Record),
}

/// An alert.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// Its name.
    #[serde(rename = "alert")]
    pub name: String,
    /// It is pending while this has a result.
    pub expr: String,
    /// It fires after so long.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Labels of the alert, `severity` among them.
    pub labels: BTreeMap<String, String>,
    /// What a person reads.
    pub annotations: BTreeMap<String, String>,
}

/// A recorded series.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// What it is called.
    #[serde(rename = "record")]
    pub name: String,
    /// What is recorded.
    pub expr: String,
    /// Labels that the rule adds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The labels that the expression leaves.
    #[serde(skip)]
    pub keeps: Vec<Label>,
    /// What it says.
    #[serde(skip)]
    pub help: String,
}

impl Alert {
    /// One of this name, that looks at the result of `expr`.
    pub fn new(name: impl Into<String>, expr: impl Into<String>, severity: Severity) -> Self {
        let labels = BTreeMap::from([("severity".to_owned(), severity.to_string())]);
        Alert { name: name.into(), expr: expr.into(), after: None, labels, annotations: BTreeMap::new() }
    }

    /// It fires after so long: `5m`.
    #[must_use]
    pub fn after(mut self, duration: &str) -> Self {
        self.after = Some(duration.to_owned());
        self
    }

    /// The one line that everybody reads.
    #[must_use]
    pub fn summary(self, text: &str) -> Self {
        self.annotation("summary", text)
    }

    /// What to know and to do.
    #[must_use]
    pub fn description(self, text: &str) -> Self {
        self.annotation("description", text)
    }

    /// Another annotation.
    #[must_use]
    pub fn annotation(mut self, name: &str, text: &str) -> Self {
        self.annotations.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Another label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    fn query(&self) -> Query {
        let query = Query::new(format!("alert `{}`", self.name), &self.expr);
        let mut query = self.annotations.values().fold(query, |query, text| query.shown_by(text));
        // What the alert itself adds need not come out of the expression.
        query.wanted.retain(|label| !self.labels.contains_key(label));
        query
    }
}

impl Record {
    /// `name` records the result of `expr`, which has these labels.
    pub fn new(name: impl Into<String>, expr: impl Into<String>, keeps: Vec<Label>) -> Self {
        Record { name: name.into(), expr: expr.into(), labels: BTreeMap::new(), keeps, help: String::new() }
    }

    /// What it says, for the catalogue.
    #[must_use]
    pub fn help(mut self, help: &str) -> Self {
        help.clone_into(&mut self.help);
        self
    }

    /// With a label that the rule adds.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    fn query(&self) -> Query {
        let mut query = Query::new(format!("recording rule `{}`", self.name), &self.expr);
        query.wanted = self.keeps.iter().map(|label| label.name.clone()).collect();
        query
    }

    fn metric(&self, group: &str) -> Metric {
        let added = self.labels.iter().map(|(name, value)| Label::closed(name, &[value]));
        Metric {
            name: self.name.clone(),
            kind: Kind::Gauge,
            help: self.help.clone(),
            unit: None,
            labels: self.keeps.iter().cloned().chain(added).collect(),
            buckets: Vec::new(),
            origin: Origin::Recorded(group.to_owned()),
            file: String::new(),
        }
    }
}

impl RuleGroup {
    /// An empty one.
    pub fn new(name: impl Into<String>) -> Self {
        RuleGroup { name: name.into(), interval: None, rules: Vec::new() }
    }

    /// With an alert.
    #[must_use]
    pub fn alert(mut self, alert: Alert) -> Self {
        self.rules.push(Rule::Alert(alert));
        self
    }

    /// With a recorded series.
    #[must_use]
    pub fn record(mut self, record: Record) -> Self {
        self.rules.push(Rule::Record(record));
        self
    }
}

impl Rules {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a group.
    #[must_use]
    pub fn with(mut self, group: RuleGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// With the group `name` of what [`slo!`](crate::slo) declares.
    #[must_use]
    pub fn objectives(self, name: &str, objectives: &[Slo]) -> Self {
        let group = objectives.iter().fold(RuleGroup::new(name), |group, slo| slo.record(group));
        self.with(objectives.iter().fold(group, |group, slo| slo.alert(group)))
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &[RuleGroup] {
        &self.groups
    }

    /// The alerts of all groups.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rules().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record(_) => None,
        })
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// `catalogue` with everything that these rules record.
    ///
    /// # Errors
    ///
    /// If another metric of such a name is there.
    pub fn declare(&self, mut catalogue: Catalogue) -> Result<Catalogue, CatalogueError> {
        for group in &self.groups {
            for rule in &group.rules {
                if let Rule::Record(record) = rule {
                    catalogue.add(record.metric(&group.name))?;
                }
            }
        }
        Ok(catalogue)
    }

    /// Every query in them.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let query = |rule: &Rule| match rule {
            Rule::Alert(alert) => alert.query(),
            Rule::Record(record) => record.query(),
        };
        self.rules().map(query).collect()
    }

    /// The file, as Prometheus reads it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::text(self)
    }
}

/// The word of a severity.
impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
