use serde_json::{Value, json};

use super::panel::{LOGS, METRICS, Panel};
use crate::promql::Query;

/// A dashboard: variables at the top, then rows of panels, which are laid out from left to right.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// What its address ends in.
    pub uid: String,
    /// What stands over it.
    pub title: String,
    variables: Vec<Variable>,
    rows: Vec<(String, Vec<Panel>)>,
    tag: String,
}

/// A variable that is chosen from the values of a label.
#[derive(Clone, Debug)]
pub struct Variable {
    name: String,
    label: String,
    metric: String,
    all: bool,
}

impl Variable {
    /// `$label`, one or several of the values that the label has on `metric`; at first all of them.
    pub fn values_of(label: &str, metric: &str) -> Self {
        Variable { name: label.to_owned(), label: label.to_owned(), metric: metric.to_owned(), all: true }
    }

    /// Called so instead of like the label.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Exactly one value.
    #[must_use]
    pub fn one(mut self) -> Self {
        self.all = false;
        self
    }

    fn to_json(&self) -> Value {
        let Variable { name, label, metric, all } = self;
        let query = format!("label_values({metric}, {label})");
        json!({
            "type": "query",
            "name": name,
            "label": name,
            "datasource": { "type": METRICS.0, "uid": METRICS.1 },
            "definition": query,
            "query": { "query": query, "refId": name },
            "includeAll": all,
            "multi": all,
            "refresh": 2,
            "sort": 1,
            "current": if *all { json!({ "text": "All", "value": "$__all" }) } else { json!({}) },
        })
    }
}

impl Dashboard {
    /// An empty one. Its data sources are variables: `datasource` of Prometheus and `logs` of Loki.
    pub fn new(uid: impl Into<String>, title: impl Into<String>) -> Self {
        let uid = uid.into();
        let tag = uid.split('-').next().unwrap_or_default().to_owned();
        Dashboard { uid, title: title.into(), variables: Vec::new(), rows: Vec::new(), tag }
    }

    /// With a variable.
    #[must_use]
    pub fn variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }

    /// With a row of panels below a title. Those that have no room go on in the next line.
    #[must_use]
    pub fn row(mut self, title: &str, panels: impl IntoIterator<Item = Panel>) -> Self {
        self.rows.push((title.to_owned(), panels.into_iter().collect()));
        self
    }

    /// Every query for Prometheus in it.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let variables = self.variables.iter().map(|Variable { name, label, metric, .. }| {
            let mut query = Query::new(format!("variable `{name}` of `{}`", self.title), metric);
            query.wanted.push(label.clone());
            query
        });
        variables
            .chain(self.rows.iter().flat_map(|(_, row)| row).flat_map(|panel| panel.queries(&self.title)))
            .collect()
    }

    /// The file, as Grafana reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.value()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn value(&self) -> Value {
        let source = |name: &str, title: &str, kind: &str| json!({ "type": "datasource", "name": name, "label": title, "query": kind });
        let mut variables = vec![source("datasource", "Metrics", METRICS.0), source("logs", "Logs", LOGS.0)];
        variables.extend(self.variables.iter().map(Variable::to_json));
        json!({
            "uid": self.uid,
            "title": self.title,
            "tags": [self.tag],
            "schemaVersion": 39,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "",
            "links": [{
                "type": "dashboards",
                "title": "Dashboards",
                "tags": [self.tag],
                "asDropdown": true,
                "includeVars": true,
                "keepTime": true,
            }],
            "templating": { "list": variables },
            "annotations": { "list": [self.alerts()] },
            "panels": self.panels(),
        })
    }

    /// Alerts that fire are marked in every panel.
    fn alerts(&self) -> Value {
        json!({
            "name": "Alerts",
            "enable": true,
            "datasource": { "type": METRICS.0, "uid": METRICS.1 },
            "expr": "ALERTS{alertstate=\"firing\"}",
            "titleFormat": "{{alertname}}",
            "iconColor": "red",
        })
    }

    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut id, mut y) = (Vec::new(), 0, 0);
        let mut next = || {
            id += 1;
            id
        };
        for (title, row) in &self.rows {
            panels.push(json!({
                "id": next(),
                "type": "row",
                "title": title,
                "collapsed": false,
                "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 },
                "panels": [],
            }));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in row {
                if x + panel.width > 24 {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                panels.push(panel.to_json(next(), x, y));
                (x, tallest) = (x + panel.width, tallest.max(panel.height));
            }
            y += tallest;
        }
        panels
    }
}
