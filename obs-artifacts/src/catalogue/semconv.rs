//! The catalogue as a registry of semantic conventions, as OpenTelemetry's tools (weaver) read it.

use std::collections::BTreeMap;

use obs_runtime::metrics::Kind;
use serde::Serialize;

use super::{Catalogue, Label, Metric, Origin};
use crate::yaml;

#[derive(Serialize)]
struct Registry {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_name: Option<String>,
    brief: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    stability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Attribute {
    Defined {
        id: String,
        #[serde(rename = "type")]
        kind: Type,
        brief: String,
        stability: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        examples: Vec<&'static str>,
    },
    Used {
        r#ref: String,
        requirement_level: &'static str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Type {
    Text(&'static str),
    Members { members: Vec<Member> },
}

#[derive(Serialize)]
struct Member {
    id: String,
    value: String,
    brief: String,
    stability: &'static str,
}

const STABILITY: &str = "development";

impl Catalogue {
    /// The metrics that the program declares, as a registry of semantic conventions in YAML. A label that has the same values wherever it
    /// stands is one attribute; one that differs is an attribute of each metric, called `metric.label`.
    #[must_use]
    pub fn to_semantic_conventions(&self) -> String {
        let metrics: Vec<&Metric> = self.metrics().filter(|metric| metric.origin == Origin::Declared).collect();
        let mut meanings: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
        for label in metrics.iter().flat_map(|metric| &metric.labels) {
            let known = meanings.entry(&label.name).or_default();
            if !known.iter().any(|known| known.values == label.values) {
                known.push(label);
            }
        }
        let shared = |label: &Label| meanings.get(label.name.as_str()).is_none_or(|known| known.len() == 1);
        let mut defined = Vec::new();
        for (name, labels) in &meanings {
            if let [label] = labels.as_slice() {
                defined.push(define((*name).to_owned(), label));
            }
        }
        let of_metrics = metrics.iter().flat_map(|metric| metric.labels.iter().map(move |label| (metric, label)));
        defined.extend(
            of_metrics
                .filter(|(_, label)| !shared(label))
                .map(|(metric, label)| define(format!("{}.{}", metric.name, label.name), label)),
        );
        let mut groups = vec![Group {
            id: format!("registry.{}", self.service),
            kind: "attribute_group",
            metric_name: None,
            brief: format!("Labels of the metrics of {}.", self.service),
            instrument: None,
            unit: None,
            stability: STABILITY,
            attributes: defined,
        }];
        groups.extend(metrics.iter().map(|metric| group(metric, &shared)));
        yaml::text(&Registry { groups })
    }
}

fn group(metric: &Metric, shared: &dyn Fn(&Label) -> bool) -> Group {
    let used = metric.labels.iter().map(|label| Attribute::Used {
        r#ref: if shared(label) { label.name.clone() } else { format!("{}.{}", metric.name, label.name) },
        requirement_level: "required",
    });
    Group {
        id: format!("metric.{}", metric.name),
        kind: "metric",
        metric_name: Some(metric.name.clone()),
        brief: metric.help.clone(),
        instrument: Some(match metric.kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            // An info is a gauge that is 1.
            _ => "gauge",
        }),
        unit: Some(match metric.unit.as_deref() {
            Some("seconds") => "s",
            Some("bytes") => "By",
            _ => "1",
        }),
        stability: STABILITY,
        attributes: used.collect(),
    }
}

fn define(id: String, label: &Label) -> Attribute {
    let member = |value: &String| Member {
        id: value.trim_matches('_').to_lowercase(),
        value: value.clone(),
        brief: format!("`{value}`."),
        stability: STABILITY,
    };
    let (kind, examples) = match &label.values {
        Some(values) => (Type::Members { members: values.iter().map(member).collect() }, Vec::new()),
        None => (Type::Text("string"), vec!["a1b2c3d4"]),
    };
    let brief = match label.max {
        Some(max) if label.values.is_none() => format!("The label `{}`, of at most {max} values.", label.name),
        _ => format!("The label `{}`.", label.name),
    };
    Attribute::Defined { id, kind, brief, stability: STABILITY, examples }
}
