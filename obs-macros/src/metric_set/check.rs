use super::{Field, Kind, Metric, MetricSet, naming};
use crate::diag::Diag;

pub(super) fn metric_set(set: &MetricSet, diag: &mut Diag) {
    let metrics: Vec<&Metric> = set
        .fields
        .iter()
        .filter_map(|field| match field {
            Field::Metric(metric) => Some(&**metric),
            Field::Flatten { .. } => None,
        })
        .collect();
    for (at, metric) in metrics.iter().enumerate() {
        if let Some(first) = metrics[..at].iter().find(|first| first.name == metric.name) {
            let message = format!(
                "`{}` and `{}` are both called `{}`; rename one: `#[metric(name = \"…\")]`",
                first.ident, metric.ident, metric.name
            );
            diag.error(&metric.ident, message);
        }
        self::metric(metric, diag);
    }
}

fn metric(metric: &Metric, diag: &mut Diag) {
    let Metric { ident, name, kind, .. } = metric;
    if !naming::is_grammatical(name) {
        diag.error(ident, format!("`{name}` cannot be the name of a metric: use ASCII letters, digits and `_`"));
    } else if name.starts_with("__") {
        diag.error(ident, format!("`{name}` is reserved: names that begin with `__` are Prometheus' own"));
    } else if !metric.allow_naming
        && let Some(mistake) = naming::mistake(name, *kind, metric.unit.as_deref())
    {
        let advice = "a published name may stay with `#[metric(allow(naming))]`";
        match &metric.unit_given {
            Some(unit) => diag.error(unit, format!("`{name}`: {mistake}; {advice}")),
            None => diag.error(ident, format!("`{name}`: {mistake}; {advice}")),
        }
    }
    match (kind, &metric.buckets) {
        (Kind::Histogram, None) if metric.unit.as_deref() != Some("seconds") => {
            diag.error(ident, "only a histogram of `seconds` has buckets of its own; write `#[metric(buckets = […])]`");
        }
        (Kind::Counter | Kind::Gauge | Kind::Info, Some(buckets)) => {
            diag.error(buckets, "only a `Histogram` has buckets; leave `buckets` out");
        }
        _ => {}
    }
    if let Some((ttl, _)) = &metric.ttl
        && (metric.observed || *kind == Kind::Info)
    {
        diag.error(ttl, "only what is updated can be left alone: `ttl` is for a `Counter`, `Gauge` or `Histogram`");
    }
}
