use obs_artifacts::prometheus::{Alert, Quantiles, RuleGroup, Rules, Severity, Slo};
use obs_artifacts::{Catalogue, slo};

/// What users are promised: creating an agent places a pod, the rest reads or writes a record.
const OBJECTIVES: &[Slo] = slo![
    { name: "create-agent", operation: "control.create_agent", latency: 5.0, objective: 0.995 },
    { name: "list-agents", operation: "control.list_agents", latency: 0.1, objective: 0.999 },
];

const OVERVIEW: &str = "/d/swarm-overview";

pub(super) fn rules(catalogue: &Catalogue) -> Rules {
    Rules::new()
        .with(platform())
        .with(telemetry())
        .with(quantiles(catalogue))
        .objectives("swarm-objectives", OBJECTIVES)
}

fn platform() -> RuleGroup {
    let errors = "sum(rate(http_requests_total{status=~\"5..\"}[5m]))\n/\nsum(rate(http_requests_total[5m]))\n> 0.05";
    let unhealthy = r#"kube_pod_status_ready{namespace="swarm-agents",condition="false"} == 1"#;
    let slow = "histogram_quantile(0.99, sum by (le) (rate(rocksdb_get_latency_seconds_bucket[5m]))) > 0.1";
    RuleGroup::new("swarm-platform")
        .alert(
            Alert::new("HighErrorRate", errors, Severity::Critical)
                .after("5m")
                .summary("High error rate detected")
                .description("{{ $value | humanizePercentage }} of all requests of the last five minutes failed (5xx).")
                .annotation("dashboard", OVERVIEW),
        )
        .alert(
            Alert::new("AgentUnhealthy", unhealthy, Severity::Warning)
                .after("5m")
                .summary("Agent pod unhealthy: {{ $labels.pod }}")
                .description("The pod has not been ready for five minutes.")
                .annotation("dashboard", "/d/swarm-agent"),
        )
        .alert(
            Alert::new("HighDatabaseLatency", slow, Severity::Warning)
                .after("5m")
                .summary("High RocksDB latency")
                .description("99 % of reads took up to {{ $value | humanizeDuration }} over the last five minutes.")
                .annotation("dashboard", OVERVIEW),
        )
}

/// Alerts on what the others stand on: a service that is not scraped has no errors either.
fn telemetry() -> RuleGroup {
    let lost = "sum by (job, signal, reason) (rate(obs_dropped_total[5m])) > 0";
    RuleGroup::new("swarm-telemetry")
        .alert(
            Alert::new("TargetDown", "up == 0", Severity::Warning)
                .after("5m")
                .summary("{{ $labels.job }} cannot be scraped")
                .description("{{ $labels.instance }} has not answered for five minutes; its other alerts are blind."),
        )
        .alert(
            Alert::new("TelemetryLost", lost, Severity::Info)
                .after("15m")
                .summary("{{ $labels.job }} loses {{ $labels.signal }}: {{ $labels.reason }}")
                .description("{{ $value | humanize }} a second are dropped so that the service goes on."),
        )
}

fn quantiles(catalogue: &Catalogue) -> RuleGroup {
    [
        Quantiles::of("http_request_duration_seconds"),
        Quantiles::of("session_duration_seconds"),
        Quantiles::of("rocksdb_get_latency_seconds"),
        Quantiles::of("rocksdb_put_latency_seconds"),
        Quantiles::of("operation_duration_seconds").without("outcome"),
        Quantiles::of("agent_state_duration_seconds"),
    ]
    .into_iter()
    .fold(RuleGroup::new("swarm-quantiles"), |group, quantiles| quantiles.add_to(group, catalogue))
}
