//! The catalogue for people.

use std::fmt::Write;

use obs_runtime::metrics::Kind;

use super::{Catalogue, Label, Metric, Origin};

impl Catalogue {
    /// Every metric as a page in Markdown: what it says, its labels and their values, its buckets, how many series it can have.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = format!(
            "# Metrics of {}\n\nWritten from the types that publish them. Every scraped series also has {}.\n",
            self.service,
            quoted(self.target_labels())
        );
        let declared: Vec<&Metric> = self.metrics().filter(|metric| metric.origin == Origin::Declared).collect();
        out.push_str("\n| Metric | Kind | Labels | What it says |\n|---|---|---|---|\n");
        for Metric { name, kind, labels, help, .. } in &declared {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{}`", label.name)).collect();
            let _ = writeln!(out, "| [`{name}`](#{name}) | {kind} | {} | {} |", labels.join(", "), cell(help));
        }
        for metric in declared {
            describe(&mut out, metric);
        }
        self.table(&mut out, "Recorded", "Series that Prometheus computes by rules, as those of its file.", |origin| {
            match origin {
                Origin::Recorded(group) => Some(group),
                _ => None,
            }
        });
        self.table(
            &mut out,
            "Of others",
            "What alerts and panels ask that this platform does not publish itself.",
            |origin| match origin {
                Origin::External(whose) => Some(whose),
                _ => None,
            },
        );
        out
    }

    fn table(&self, out: &mut String, title: &str, words: &str, whose: impl Fn(&Origin) -> Option<&String>) {
        let metrics: Vec<_> = self.metrics().filter_map(|metric| Some((metric, whose(&metric.origin)?))).collect();
        if metrics.is_empty() {
            return;
        }
        let _ = write!(out, "\n## {title}\n\n{words}\n\n| Series | Of | Labels | What it says |\n|---|---|---|---|\n");
        for (Metric { name, labels, help, .. }, whose) in metrics {
            let labels = quoted(labels.iter().map(|label| label.name.as_str()));
            let _ = writeln!(out, "| `{name}` | {whose} | {labels} | {} |", cell(help));
        }
    }
}

fn describe(out: &mut String, metric: &Metric) {
    let Metric { name, kind, help, unit, labels, buckets, file, .. } = metric;
    let _ = write!(out, "\n## {name}\n\n{help} A {kind}");
    if let Some(unit) = unit {
        let _ = write!(out, " of {unit}");
    }
    let _ = write!(out, ", declared in `{file}`.");
    match metric.series() {
        Some(1) => out.push_str(" One series a process.\n"),
        Some(series) => {
            let _ = writeln!(out, " At most {series} series a process.");
        }
        None => out.push_str(" As many series as there are callsites in the program.\n"),
    }
    if !labels.is_empty() {
        out.push_str("\n| Label | Values |\n|---|---|\n");
        for label in labels {
            let _ = writeln!(out, "| `{}` | {} |", label.name, values(label));
        }
    }
    if *kind == Kind::Histogram {
        let bounds: Vec<String> = buckets.iter().map(f64::to_string).collect();
        let _ = writeln!(out, "\nBuckets end at {}.", bounds.join(", "));
    }
}

fn values(label: &Label) -> String {
    match (&label.values, label.max) {
        (Some(values), _) => quoted(values.iter().map(String::as_str)),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "those of the program's text".to_owned(),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
