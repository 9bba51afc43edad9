//! What watches the platform, out of what it publishes: `swarm artifacts write deploy/`.
//!
//! [`rules`] and [`dashboards`] are declared here and checked against [`metrics::CATALOGUE`](crate::metrics::CATALOGUE) before a file is
//! made of them.

mod dashboards;
mod rules;

use std::path::Path;

use obs_artifacts::alertmanager::Channels;
use obs_artifacts::catalogue::{KUBE_STATE_METRICS, PROMETHEUS, Published};
use obs_artifacts::grafana::{Dashboard, dashboard_provider};
use obs_artifacts::pipeline::{Pipeline, Retention, Workload};
use obs_artifacts::prometheus::Rules;
use obs_artifacts::{Catalogue, Files, promql};

use crate::cli::ArtifactsCommand;
use crate::metrics::CATALOGUE;
use crate::service::{BoxError, Failure};

/// Where the platform runs, and how long what it says is kept.
pub const PIPELINE: Pipeline = Pipeline {
    service: "swarm",
    namespace: "swarm",
    agents_namespace: "swarm-agents",
    workloads: &[
        Workload {
            name: "gateway",
            args: &["gateway", "--listen", "0.0.0.0:8080", "--control", "http://control:8080"],
            replicas: 2,
            account: None,
        },
        // One: its database is a file.
        Workload {
            name: "control",
            args: &[
                "control",
                "--listen",
                "0.0.0.0:8080",
                "--scheduler",
                "http://scheduler:8080",
                "--database",
                "/var/lib/swarm/control.redb",
            ],
            replicas: 1,
            account: None,
        },
        Workload {
            name: "scheduler",
            args: &["scheduler", "--listen", "0.0.0.0:8080", "--directory", "/var/lib/swarm"],
            replicas: 1,
            account: Some("scheduler"),
        },
    ],
    retention: Retention {
        platform_logs: 30,
        agent_logs: 7,
        audit_logs: 90,
        metrics: 15,
        downsampled_metrics: 365,
        traces: 7,
    },
};

/// `swarm artifacts`.
///
/// # Errors
///
/// A query that names what does not exist; and those of the file system.
pub fn run(command: ArtifactsCommand) -> Result<(), Failure> {
    let files = files()?;
    match command {
        ArtifactsCommand::Write { directory } => Ok(files.write(&directory)?),
        ArtifactsCommand::Check { directory } => check(&files, &directory),
    }
}

fn check(files: &Files, directory: &Path) -> Result<(), Failure> {
    let differences = files.differences(directory)?;
    if differences.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    Err(format!("{}\nwrite them again: swarm artifacts write {}", told.join("\n"), directory.display()).into())
}

/// The alerts, the recorded series and the objectives.
///
/// # Errors
///
/// If two metrics have one name.
pub fn rules() -> Result<(Catalogue, Rules), BoxError> {
    let mut catalogue = Catalogue::new(PIPELINE.service).on_every_series(["namespace", "pod"]);
    for set in CATALOGUE {
        catalogue = catalogue.describe(set)?;
    }
    let catalogue = catalogue.external(&KUBE_STATE_METRICS)?.external(&PROMETHEUS)?;
    let rules = rules::rules(&catalogue);
    Ok((rules.declare(catalogue)?, rules))
}

/// The dashboards.
#[must_use]
pub fn dashboards() -> [Dashboard; 3] {
    [dashboards::overview(), dashboards::agent(), dashboards::user()]
}

/// Every file, checked.
///
/// # Errors
///
/// All mistakes of all queries: a metric, a label or a value that does not exist, a function that does not fit.
pub fn files() -> Result<Files, BoxError> {
    let (catalogue, rules) = rules()?;
    let dashboards = dashboards();
    let mut queries = rules.queries();
    queries.extend(dashboards.iter().flat_map(Dashboard::queries));
    promql::check(&catalogue, &queries)?;

    let path = |dashboard: &Dashboard| format!("grafana/dashboards/{}.json", dashboard.uid);
    let paths: Vec<String> = dashboards.iter().map(path).collect();
    let files = Files::new()
        .with("README.md", include_str!("README.md"))
        .with("METRICS.md", catalogue.to_markdown())
        .with("catalogue.json", Published::new(&catalogue, &queries).to_json())
        .with("semantic-conventions/registry.yaml", catalogue.to_semantic_conventions())
        .with("prometheus/rules.yaml", rules.to_yaml())
        .with("prometheus/prometheus.yaml", PIPELINE.prometheus())
        .with("prometheus/compose.yaml", PIPELINE.prometheus_of_compose())
        .with("alertmanager/alertmanager.yaml", Channels::of(PIPELINE.service).to_yaml())
        .with("grafana/datasources.yaml", PIPELINE.data_sources())
        .with("grafana/compose-datasources.yaml", PIPELINE.data_sources_of_compose())
        .with("grafana/dashboards.yaml", dashboard_provider(PIPELINE.service, "/var/lib/grafana/dashboards"))
        .with("loki/loki.yaml", PIPELINE.loki())
        .with("cloudwatch/log-groups.yaml", PIPELINE.cloudwatch())
        .with("thanos/objstore.example.yaml", PIPELINE.thanos_bucket())
        .with("tempo/tempo.yaml", PIPELINE.tempo())
        .with("jaeger/jaeger.yaml", PIPELINE.jaeger())
        .with("otel-collector/config.yaml", PIPELINE.collector("tempo:4317"))
        .with("vector/source-kubernetes.yaml", PIPELINE.vector_of_kubernetes())
        .with("vector/source-compose.yaml", PIPELINE.vector_of_compose())
        .with("vector/pipeline.yaml", PIPELINE.vector())
        .with("vector/sink-loki.yaml", PIPELINE.vector_to_loki("http://loki:3100"))
        .with("vector/sink-cloudwatch.yaml", PIPELINE.vector_to_cloudwatch())
        .with("kubernetes/platform.yaml", PIPELINE.kubernetes_platform())
        .with("kubernetes/prometheus.yaml", PIPELINE.kubernetes_prometheus())
        .with("kubernetes/thanos.yaml", PIPELINE.thanos())
        .with("kubernetes/alertmanager.yaml", PIPELINE.kubernetes_alertmanager())
        .with("kubernetes/grafana.yaml", PIPELINE.kubernetes_grafana())
        .with("kubernetes/loki.yaml", PIPELINE.kubernetes_loki())
        .with("kubernetes/tempo.yaml", PIPELINE.kubernetes_tempo())
        .with("kubernetes/choice-jaeger.yaml", PIPELINE.kubernetes_jaeger())
        .with("kubernetes/otel-collector.yaml", PIPELINE.kubernetes_collector())
        .with("kubernetes/vector.yaml", PIPELINE.kubernetes_vector())
        .with("kubernetes/kube-state-metrics.yaml", PIPELINE.kubernetes_state_metrics())
        .with("kustomization.yaml", PIPELINE.kustomization(&paths))
        .with("compose.yaml", PIPELINE.compose());
    Ok(dashboards.iter().fold(files, |files, dashboard| files.with(path(dashboard), dashboard.to_json())))
}
