//! What is wrong, in words, with what there is instead.

use std::fmt;

use obs_runtime::metrics::Kind;

use super::read::Misread;
use super::rules::{Fault, Labels, Seen};

/// So many names are listed where nothing is near.
const LISTED: usize = 12;

/// `fault` in words.
pub(super) fn tell(fault: &Fault<'_>, metrics: &[Seen<'_>], always: &[&str]) -> String {
    match fault {
        Fault::NoMetric { name } => no_metric(name, metrics),
        Fault::Bare { metric: Seen { name, .. } } => {
            format!(
                "the histogram `{name}` has no series of its own; write `{name}_bucket`, `{name}_sum` or `{name}_count`"
            )
        }
        Fault::NoLabel { metric, label } => {
            let names = names(metric.labels);
            let has = if names.is_empty() { "none of its own".to_owned() } else { listed(&names, "and") };
            let instead = instead(label, names.iter().chain(always).copied(), &format!("it has {has}"));
            format!("`{}` has no label `{label}`; {instead}", metric.name)
        }
        Fault::NoValue { metric, label, value } => {
            let values: Vec<&str> =
                (0..metric.labels.values(*label).unwrap_or(0)).map(|at| metric.labels.value(*label, at)).collect();
            let instead = instead(value, values.iter().copied(), &format!("it is {}", listed(&values, "or")));
            format!("`{}` of `{}` is never `{value}`; {instead}", metric.labels.name(*label), metric.name)
        }
        Fault::NoEdge { metric, value } => {
            let bounds: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
            format!("no bucket of `{}` ends at `{value}`; they end at {}", metric.name, bounds.join(", "))
        }
        Fault::RateOfGauge { metric, function } => format!(
            "`{function}` over `{}`, which is {}; write `delta`, `deriv` or an `_over_time`",
            metric.name,
            article(metric.kind)
        ),
        Fault::DeltaOfCounter { metric, function } => format!(
            "`{function}` over `{}`, which only grows ({}); write `rate` or `increase`",
            metric.name,
            metric.kind.as_str()
        ),
        Fault::NoRate { metric: Seen { name, .. } } => {
            format!("`histogram_quantile` over all time; write `rate({name}_bucket[5m])` below it")
        }
        Fault::NoHistogram { metric, name } => match metric.kind {
            Kind::Histogram => format!("`histogram_quantile` of `{name}`; write `{}_bucket`", metric.name),
            kind => format!("`histogram_quantile` of `{name}`, which is {} and has no buckets", article(kind)),
        },
    }
}

fn no_metric(name: &str, metrics: &[Seen<'_>]) -> String {
    for suffix in ["_bucket", "_sum", "_count"] {
        let base = name.strip_suffix(suffix).and_then(|base| metrics.iter().find(|metric| metric.name == base));
        if let Some(Seen { name: base, kind, .. }) = base {
            return format!("no `{name}`: `{base}` is {} and has no `{suffix}`", article(*kind));
        }
    }
    let series: Vec<String> = metrics.iter().flat_map(series).collect();
    match nearest(name, series.iter().map(String::as_str)) {
        Some(meant) => format!("no metric `{name}`; did you mean `{meant}`?"),
        None => {
            let names: Vec<&str> = metrics.iter().map(|metric| metric.name).collect();
            format!("no metric `{name}`; there are {}", listed(&names, "and"))
        }
    }
}

/// The names that can be selected of a metric.
fn series(metric: &Seen<'_>) -> Vec<String> {
    match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", metric.name)).to_vec(),
        _ => vec![metric.name.to_owned()],
    }
}

/// What was meant, if something is near, and in any case what there is.
fn instead<'a>(name: &str, names: impl Iterator<Item = &'a str>, rest: &str) -> String {
    nearest(name, names).map_or_else(|| rest.to_owned(), |meant| format!("did you mean `{meant}`? {rest}"))
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(near, _)| *near > 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

fn names(labels: Labels<'_>) -> Vec<&str> {
    (0..labels.len()).map(|at| labels.name(at)).collect()
}

/// `` `a`, `b` and `c` ``.
fn listed(names: &[&str], and: &str) -> String {
    let quoted: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(LISTED);
    match quoted.split_last() {
        _ if rest > 0 => format!("{} {and} {rest} more", quoted.join(", ")),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} {and} {last}", first.join(", ")),
        None => "none".to_owned(),
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "a counter",
        Kind::Gauge => "a gauge",
        Kind::Histogram => "a histogram",
        _ => "an info",
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misread::Syntax(reason) => write!(f, "not PromQL: {reason}"),
            Misread::Nameless(selector) => write!(f, "`{selector}` does not name its metric"),
            Misread::Lost { label, within } => write!(f, "`{within}` leaves no label `{label}` for what is around it"),
        }
    }
}
