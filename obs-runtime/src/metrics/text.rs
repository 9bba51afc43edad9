//! The texts of metrics: Prometheus' exposition format 0.0.4, and OpenMetrics 1.0.

use std::fmt::Write;

use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::exemplar::Exemplar;
use crate::metrics::series::Shown;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// The value of one series at one moment.
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

/// Where a text goes, piece by piece. It says whether more is wanted.
pub(crate) type Flush<'a> = &'a mut dyn FnMut(&mut String) -> bool;

/// So much of a text is held at a time.
const PIECE: usize = 64 * 1024;

/// Writes metrics.
pub(crate) struct Encoder<'a> {
    format: Format,
    /// Other writers of the same format may write to it too.
    pub(crate) out: String,
    flush: Flush<'a>,
    wanted: bool,
}

/// What is the same in every line of a metric.
pub(crate) struct Head {
    descriptor: &'static Descriptor,
    /// Whether a header was written.
    begun: bool,
    /// The name that the samples of histograms begin with.
    name: &'static str,
    /// How the samples of all others begin, up to the labels.
    sample: String,
    /// The name and the word of the TYPE line.
    family: (&'static str, &'static str),
    /// How the lines of the buckets go on after the labels, up to the count; the infinite bound is the last.
    bounds: Vec<String>,
    /// How they begin, of the series that is written.
    bucket: String,
}

impl Head {
    pub(crate) fn new(descriptor: &'static Descriptor, format: Format) -> Self {
        let name = descriptor.name;
        let base = descriptor.base();
        let (name, family, suffix) = match (format, descriptor.kind) {
            (Format::Text, Kind::Info) => (name, (name, "gauge"), ""),
            (Format::Text, kind) => (name, (name, kind.as_str()), ""),
            // A published name that breaks the conventions stays as it is: OpenMetrics has no counter without `_total`.
            (_, Kind::Counter | Kind::Info) if base == name => (name, (name, "unknown"), ""),
            (_, Kind::Counter) => (base, (base, "counter"), "_total"),
            (_, Kind::Info) => (base, (base, "info"), "_info"),
            (_, kind) => (name, (name, kind.as_str()), ""),
        };
        let bounds = descriptor.buckets.iter().chain([&f64::INFINITY]);
        let bounds = bounds.map(|bound| format!("le=\"{}\"}} ", le(*bound, format))).collect();
        let sample = format!("{name}{suffix}{}", if descriptor.labels.is_empty() { "" } else { "{" });
        Head { descriptor, begun: false, name, sample, family, bounds, bucket: String::new() }
    }

    /// OpenMetrics has the moment of birth of what only grows.
    fn is_born(&self, format: Format) -> bool {
        format == Format::OpenMetrics && matches!(self.family.1, "counter" | "histogram")
    }
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(format: Format, flush: Flush<'a>) -> Self {
        Encoder { format, out: String::with_capacity(PIECE + PIECE / 8), flush, wanted: true }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether somebody still reads.
    pub(crate) const fn wanted(&self) -> bool {
        self.wanted
    }

    /// Hands on what is there, if it is enough. Nothing may be locked: it may take as long as the reader takes.
    pub(crate) fn pause(&mut self) {
        if self.out.len() >= PIECE {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if self.wanted && !self.out.is_empty() {
            self.wanted = (self.flush)(&mut self.out);
        }
        self.out.clear();
    }

    /// Ends the text.
    pub(crate) fn finish(mut self) {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.hand_on();
    }

    pub(crate) fn series(&mut self, head: &mut Head, shown: &Shown<'_>) {
        if !std::mem::replace(&mut head.begun, true) {
            let Descriptor { help, unit, .. } = head.descriptor;
            self.header(head.family.0, head.family.1, *unit, help);
        }
        let labels = shown.labels;
        match &shown.value {
            Value::Whole(value) => {
                self.sample(&head.sample, labels);
                self.whole(*value);
            }
            Value::Number(value) => {
                self.sample(&head.sample, labels);
                self.number(*value);
            }
            Value::Histogram { counts, sum, .. } => {
                let mut total = 0;
                let Head { bucket, bounds, .. } = head;
                bucket.clear();
                for part in [head.name, "_bucket{", labels, if labels.is_empty() { "" } else { "," }] {
                    bucket.push_str(part);
                }
                for (at, (count, le)) in counts.iter().zip(bounds).enumerate() {
                    total += count;
                    self.out.push_str(bucket);
                    self.out.push_str(le);
                    self.digits(total);
                    if self.format == Format::OpenMetrics
                        && let Some((_, exemplar)) = shown.exemplars.iter().find(|(bucket, _)| *bucket == at)
                    {
                        self.exemplar(exemplar);
                    }
                    self.out.push('\n');
                }
                self.name(head.name, "_sum", labels);
                self.number(*sum);
                self.name(head.name, "_count", labels);
                self.whole(total);
            }
        }
        if shown.created != 0 && head.is_born(self.format) {
            self.name(head.name, "_created", labels);
            self.millis(shown.created);
            self.out.push('\n');
        }
    }

    /// The lines over a metric.
    pub(crate) fn header(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let quotes = self.format == Format::OpenMetrics;
        let help_line = |out: &mut String| {
            let _ = write!(out, "# HELP {name} ");
            escape(out, help, quotes);
            out.push('\n');
        };
        match self.format {
            Format::Text => {
                help_line(&mut self.out);
                let _ = writeln!(self.out, "# TYPE {name} {kind}");
            }
            Format::OpenMetrics => {
                let _ = writeln!(self.out, "# TYPE {name} {kind}");
                let ends = |unit: &&str| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
                if let Some(unit) = unit.filter(ends).filter(|_| kind != "info") {
                    let _ = writeln!(self.out, "# UNIT {name} {unit}");
                }
                help_line(&mut self.out);
            }
        }
    }

    /// The name and labels of a sample.
    pub(crate) fn name(&mut self, name: &str, suffix: &str, labels: &str) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        if labels.is_empty() {
            self.out.push(' ');
        } else {
            self.out.push('{');
            self.out.push_str(labels);
            self.out.push_str("} ");
        }
    }

    #[inline]
    fn sample(&mut self, begin: &str, labels: &str) {
        self.out.push_str(begin);
        if labels.is_empty() {
            return self.out.push(' ');
        }
        self.out.push_str(labels);
        self.out.push_str("} ");
    }

    fn digits(&mut self, value: u64) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    pub(crate) fn whole(&mut self, value: u64) {
        self.digits(value);
        self.out.push('\n');
    }

    pub(crate) fn number(&mut self, value: f64) {
        number(&mut self.out, value);
        self.out.push('\n');
    }

    /// Milliseconds as seconds.
    fn millis(&mut self, millis: u64) {
        let _ = write!(self.out, "{}.{:03}", millis / 1_000, millis % 1_000);
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        let _ = write!(self.out, " # {{trace_id=\"{}\"", exemplar.trace_id);
        if let Some(span_id) = exemplar.span_id {
            let _ = write!(self.out, ",span_id=\"{span_id}\"");
        }
        self.out.push_str("} ");
        number(&mut self.out, exemplar.value);
        self.out.push(' ');
        self.millis(exemplar.at);
    }
}

/// Labels as both formats write them, without the braces.
pub(crate) fn labels<'a>(descriptor: &'static Descriptor, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (label, value) in descriptor.labels.iter().zip(values) {
        if !out.is_empty() {
            out.push(',');
        }
        pair(&mut out, label.name, value);
    }
    out
}

pub(crate) fn pair(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push('"');
}

/// The values of labels that were written by [`labels`].
pub(crate) fn values(labels: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut chars = labels.chars();
    while chars.any(|char| char == '"') {
        let mut value = String::new();
        while let Some(char) = chars.next().filter(|char| *char != '"') {
            match char {
                '\\' => value.extend(chars.next().map(|char| if char == 'n' { '\n' } else { char })),
                char => value.push(char),
            }
        }
        values.push(value);
    }
    values
}

/// A number as the formats spell it.
pub(crate) fn number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < 9e15 {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        let _ = write!(out, "{value}");
    }
}

/// An upper bound. OpenMetrics asks for the spelling of Go, so that buckets are the same whoever writes them.
pub(crate) fn le(bound: f64, format: Format) -> String {
    let mut out = String::new();
    let exponent = if bound == 0.0 { 0 } else { bound.abs().log10().floor() as i32 };
    match format {
        Format::OpenMetrics if bound.is_finite() && !(-4..6).contains(&exponent) => {
            let text = format!("{bound:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
        }
        Format::OpenMetrics if bound.is_finite() && bound.fract() == 0.0 => {
            let _ = write!(out, "{bound:.1}");
        }
        _ => number(&mut out, bound),
    }
    out
}

/// HELP texts escape the backslash and the end of a line, values of labels the double quote too.
pub(crate) fn escape(out: &mut String, text: &str, quotes: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(|char| matches!(char, '\\' | '\n') || (char == '"' && quotes)) {
        let (before, special) = rest.split_at(at);
        out.push_str(before);
        out.push_str(match special.as_bytes().first() {
            Some(b'\\') => "\\\\",
            Some(b'\n') => "\\n",
            _ => "\\\"",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_spelled_as_go_does_in_openmetrics() {
        let cases = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.5, "0.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000_025, "2.5e-05"),
            (86_400.0, "86400.0"),
            (1_000_000.0, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (-2.0, "-2.0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (bound, spelled) in cases {
            assert_eq!(le(bound, Format::OpenMetrics), spelled);
        }
        assert_eq!(le(1.0, Format::Text), "1");
    }

    #[test]
    fn values_of_labels_can_be_read_back() {
        let mut written = String::new();
        let values = ["a\"b", "c\\n\n", "", "é,x=\"y\""];
        values.iter().for_each(|value| pair(&mut written, "l", value));
        assert_eq!(super::values(&written), values);
    }
}
