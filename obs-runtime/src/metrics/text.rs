//! What the metrics are at one moment, and its text: Prometheus' exposition format 0.0.4.

use std::fmt::Write;

use crate::metrics::descriptor::Descriptor;

/// A metric at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) series: Vec<Series>,
}

/// One series at one moment.
#[derive(Debug)]
pub(crate) struct Series {
    /// The values of the labels, in the order of the descriptor.
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Whole(u64),
    Number(f64),
    Histogram {
        bounds: &'static [f64],
        /// Not cumulative: one a bound, and one for what is above them all.
        counts: Vec<u64>,
        sum: f64,
    },
}

/// One line of the text.
pub(crate) struct Sample<'a> {
    suffix: &'static str,
    descriptor: &'static Descriptor,
    labels: &'a [String],
    le: Option<String>,
    /// As it is written: whole numbers stay whole.
    text: String,
    pub(crate) value: f64,
}

impl Sample<'_> {
    pub(crate) fn is(&self, name: &str) -> bool {
        name.strip_prefix(self.descriptor.name).is_some_and(|suffix| suffix == self.suffix)
    }

    /// The value of the label `name`.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let of_le = self.le.as_deref().filter(|_| name == "le");
        of_le.or_else(|| self.pairs().find(|(label, _)| *label == name).map(|(_, value)| value))
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.descriptor.labels.iter().map(|label| label.name).zip(self.labels.iter().map(String::as_str))
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.descriptor.name);
        out.push_str(self.suffix);
        let mut before = '{';
        for (name, value) in self.pairs().chain(self.le.as_deref().map(|le| ("le", le))) {
            out.push(before);
            out.push_str(name);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
            before = ',';
        }
        if before == ',' {
            out.push('}');
        }
        out.push(' ');
        out.push_str(&self.text);
        out.push('\n');
    }
}

impl Snapshot {
    /// Shows every line of the metric, in order.
    pub(crate) fn samples(&self, mut visit: impl FnMut(&Sample<'_>)) {
        let descriptor = self.descriptor;
        for Series { labels, value } in &self.series {
            let sample = |suffix, le, text, value| Sample { suffix, descriptor, labels, le, text, value };
            match value {
                Value::Whole(value) => visit(&sample("", None, value.to_string(), *value as f64)),
                Value::Number(value) => visit(&sample("", None, number(*value), *value)),
                Value::Histogram { bounds, counts, sum } => {
                    let mut total = 0;
                    for (at, count) in counts.iter().enumerate() {
                        total += count;
                        let le = bounds.get(at).map_or_else(|| number(f64::INFINITY), |bound| number(*bound));
                        visit(&sample("_bucket", Some(le), total.to_string(), total as f64));
                    }
                    visit(&sample("_sum", None, number(*sum), *sum));
                    visit(&sample("_count", None, total.to_string(), total as f64));
                }
            }
        }
    }

    /// Sorts the series, so that two scrapes of the same numbers are the same text.
    pub(crate) fn sorted(mut self) -> Self {
        self.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        self
    }
}

/// Writes the metrics in the order of their names. One without series writes nothing.
pub(crate) fn encode(mut snapshots: Vec<Snapshot>) -> String {
    snapshots.sort_by_key(|snapshot| snapshot.descriptor.name);
    let mut out = String::new();
    for snapshot in snapshots.into_iter().map(Snapshot::sorted).filter(|snapshot| !snapshot.series.is_empty()) {
        let Descriptor { name, help, kind, .. } = snapshot.descriptor;
        let _ = write!(out, "# HELP {name} ");
        escape(&mut out, help, false);
        let _ = writeln!(out, "\n# TYPE {name} {kind}");
        snapshot.samples(|sample| sample.write(&mut out));
    }
    out
}

/// The sum of the lines called `name` that bear all of `labels`; `None` if there is none.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) fn value(snapshots: &[Snapshot], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut sum = None;
    for snapshot in snapshots {
        snapshot.samples(|sample| {
            if sample.is(name) && labels.iter().all(|(label, value)| sample.label(label) == Some(value)) {
                sum = Some(sum.unwrap_or(0.0) + sample.value);
            }
        });
    }
    sum
}

/// A number as the format spells it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

/// HELP texts escape the backslash and the end of a line, values of labels the double quote too.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            char => out.push(char),
        }
    }
}
