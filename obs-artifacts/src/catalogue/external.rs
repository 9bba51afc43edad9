//! Metrics of others, as far as our queries name them.

use obs_runtime::metrics::Kind;

use super::{Label, Metric, Origin};

/// Metrics that somebody else publishes.
#[derive(Clone, Copy, Debug)]
pub struct External {
    /// Who.
    pub name: &'static str,
    /// What.
    pub series: &'static [Series],
}

/// A metric of an [`External`].
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// Its labels, each with its values; with none where they are not known.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

impl External {
    pub(super) fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.series.iter().map(|series| {
            let labels = series.labels.iter().map(|(name, values)| Label {
                values: (!values.is_empty()).then(|| values.iter().map(|value| (*value).to_owned()).collect()),
                max: (!values.is_empty()).then_some(values.len()),
                ..Label::open(name)
            });
            Metric {
                name: series.name.to_owned(),
                kind: series.kind,
                help: series.help.to_owned(),
                unit: None,
                labels: labels.collect(),
                buckets: Vec::new(),
                origin: Origin::External(self.name.to_owned()),
                file: String::new(),
            }
        })
    }
}

/// What Prometheus itself says of each target.
pub const PROMETHEUS: External = External {
    name: "Prometheus",
    series: &[
        Series { name: "up", kind: Kind::Gauge, help: "1 if the target could be scraped, 0 if not.", labels: &[] },
        Series {
            name: "scrape_samples_scraped",
            kind: Kind::Gauge,
            help: "Samples that the target exposed.",
            labels: &[],
        },
    ],
};

/// A part of kube-state-metrics 2: pods.
pub const KUBE_STATE_METRICS: External = External {
    name: "kube-state-metrics",
    series: &[
        Series {
            name: "kube_pod_status_ready",
            kind: Kind::Gauge,
            help: "Whether the pod is ready to serve requests.",
            labels: &[("namespace", &[]), ("pod", &[]), ("uid", &[]), ("condition", &["true", "false", "unknown"])],
        },
        Series {
            name: "kube_pod_status_phase",
            kind: Kind::Gauge,
            help: "The phase that the pod is in.",
            labels: &[
                ("namespace", &[]),
                ("pod", &[]),
                ("uid", &[]),
                ("phase", &["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
            ],
        },
        Series {
            name: "kube_pod_container_status_restarts_total",
            kind: Kind::Counter,
            help: "Restarts of the container.",
            labels: &[("namespace", &[]), ("pod", &[]), ("uid", &[]), ("container", &[])],
        },
    ],
};
