use serde_json::{Value, json};

use crate::promql::Query;

/// One panel of a dashboard.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What stands over it.
    pub title: String,
    /// What it says, and what is bad; behind the small `i`.
    pub description: String,
    /// Its columns, of 24.
    pub width: u32,
    /// Its rows.
    pub height: u32,
    form: Form,
    unit: Unit,
    queries: Vec<Asked>,
    links: Vec<(String, String)>,
    stacked: bool,
}

/// How a panel looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    Bars,
    Stat,
    States,
    Heatmap,
    Logs,
}

/// What the numbers of a panel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Requests a second.
    RequestsPerSecond,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share from 0 to 1.
    Share,
    /// Percent, from 0 to 100.
    Percent,
}

impl Unit {
    /// Grafana's word for it.
    const fn as_str(self) -> &'static str {
        match self {
            Unit::Count => "short",
            Unit::PerSecond => "cps",
            Unit::RequestsPerSecond => "reqps",
            Unit::Seconds => "s",
            Unit::Bytes => "bytes",
            Unit::Share => "percentunit",
            Unit::Percent => "percent",
        }
    }
}

#[derive(Clone, Debug)]
struct Asked {
    text: String,
    legend: String,
}

impl Panel {
    /// Lines over time.
    pub fn lines(title: impl Into<String>, unit: Unit) -> Self {
        Self::new(title, Form::Lines, unit)
    }

    /// Bars over time.
    pub fn bars(title: impl Into<String>, unit: Unit) -> Self {
        Self::new(title, Form::Bars, unit)
    }

    /// One number, and its course in small.
    pub fn stat(title: impl Into<String>, unit: Unit) -> Self {
        let panel = Self::new(title, Form::Stat, unit);
        Panel { width: 6, ..panel }
    }

    /// A band for each series that is coloured while the series is 1.
    pub fn states(title: impl Into<String>) -> Self {
        let panel = Self::new(title, Form::States, Unit::Count);
        Panel { width: 24, ..panel }
    }

    /// The buckets of a histogram over time, with its exemplars as points that lead to their traces.
    pub fn heatmap(title: impl Into<String>, unit: Unit) -> Self {
        Self::new(title, Form::Heatmap, unit)
    }

    /// Log lines. Its queries are LogQL, and are not checked.
    pub fn logs(title: impl Into<String>) -> Self {
        let panel = Self::new(title, Form::Logs, Unit::Count);
        Panel { width: 24, height: 10, ..panel }
    }

    fn new(title: impl Into<String>, form: Form, unit: Unit) -> Self {
        Panel {
            title: title.into(),
            description: String::new(),
            width: 12,
            height: 8,
            form,
            unit,
            queries: Vec::new(),
            links: Vec::new(),
            stacked: false,
        }
    }

    /// With a query, and what its series are called: `{{path}}`.
    #[must_use]
    pub fn query(mut self, text: &str, legend: &str) -> Self {
        self.queries.push(Asked { text: text.to_owned(), legend: legend.to_owned() });
        self
    }

    /// With words on what it says.
    #[must_use]
    pub fn describe(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// As many columns of 24 as this.
    #[must_use]
    pub fn wide(mut self, columns: u32) -> Self {
        self.width = columns.clamp(1, 24);
        self
    }

    /// The series stand on each other.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// With a link from every point: to another dashboard, or to Explore.
    #[must_use]
    pub fn link(mut self, title: &str, url: &str) -> Self {
        self.links.push((title.to_owned(), url.to_owned()));
        self
    }

    pub(super) fn queries(&self, dashboard: &str) -> impl Iterator<Item = Query> {
        let place = format!("panel `{}` of `{dashboard}`", self.title);
        let metrics = self.form != Form::Logs;
        let asked = self.queries.iter().filter(move |_| metrics);
        asked.map(move |Asked { text, legend }| Query::new(place.clone(), text).shown_by(legend))
    }

    pub(super) fn to_json(&self, id: u32, x: u32, y: u32) -> Value {
        let Panel { title, description, width, height, form, .. } = self;
        let (kind, source) = match form {
            Form::Lines | Form::Bars => ("timeseries", METRICS),
            Form::Stat => ("stat", METRICS),
            Form::States => ("state-timeline", METRICS),
            Form::Heatmap => ("heatmap", METRICS),
            Form::Logs => ("logs", LOGS),
        };
        let source = json!({ "type": source.0, "uid": source.1 });
        let targets: Vec<Value> =
            ('A'..).zip(&self.queries).map(|(id, asked)| self.target(id, asked, &source)).collect();
        json!({
            "id": id,
            "type": kind,
            "title": title,
            "description": description,
            "datasource": source,
            "gridPos": { "x": x, "y": y, "w": width, "h": height },
            "targets": targets,
            "fieldConfig": { "defaults": self.defaults(), "overrides": [] },
            "options": self.options(),
        })
    }

    fn target(&self, id: char, Asked { text, legend }: &Asked, source: &Value) -> Value {
        if self.form == Form::Logs {
            return json!({ "refId": id.to_string(), "datasource": source, "expr": text, "queryType": "range" });
        }
        json!({
            "refId": id.to_string(),
            "datasource": source,
            "expr": text,
            "legendFormat": legend,
            "format": if self.form == Form::Heatmap { "heatmap" } else { "time_series" },
            "instant": false,
            "range": true,
            // Only selectors of buckets and counters have some; the others cost nothing.
            "exemplar": matches!(self.form, Form::Lines | Form::Heatmap),
        })
    }

    fn defaults(&self) -> Value {
        let links: Vec<Value> =
            self.links.iter().map(|(title, url)| json!({ "title": title, "url": url, "targetBlank": true })).collect();
        let custom = match self.form {
            Form::Lines => json!({
                "drawStyle": "line",
                "fillOpacity": if self.stacked { 30 } else { 8 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": { "mode": if self.stacked { "normal" } else { "none" } },
            }),
            Form::Bars => json!({ "drawStyle": "bars", "fillOpacity": 60, "stacking": { "mode": "normal" } }),
            Form::States => json!({ "fillOpacity": 80, "lineWidth": 0 }),
            Form::Stat | Form::Heatmap | Form::Logs => json!({}),
        };
        let mut defaults = json!({ "unit": self.unit.as_str(), "min": 0, "custom": custom, "links": links });
        if self.unit == Unit::Share {
            defaults["max"] = json!(1);
        }
        if self.form == Form::States {
            defaults["mappings"] = json!([{
                "type": "value",
                "options": {
                    "0": { "text": " ", "color": "transparent", "index": 0 },
                    "1": { "text": "in this state", "color": "green", "index": 1 },
                },
            }]);
        }
        defaults
    }

    fn options(&self) -> Value {
        match self.form {
            Form::Lines | Form::Bars => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Form::Stat => json!({
                "colorMode": "value",
                "graphMode": "area",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            }),
            Form::States => json!({ "mergeValues": true, "showValue": "never", "rowHeight": 0.9 }),
            Form::Heatmap => json!({
                "calculate": false,
                "color": { "mode": "scheme", "scheme": "Oranges" },
                "exemplars": { "color": "rgba(31, 120, 193, 0.9)" },
                "yAxis": { "unit": self.unit.as_str() },
            }),
            Form::Logs => {
                json!({ "showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "sortOrder": "Descending" })
            }
        }
    }
}

/// Type and variable of the data sources.
pub(super) const METRICS: (&str, &str) = ("prometheus", "${datasource}");
pub(super) const LOGS: (&str, &str) = ("loki", "${logs}");
