use super::Pipeline;
use crate::grafana;
use crate::template::fill;

/// Where Alertmanager, Grafana, Loki and the rest are: in the cluster, or on one machine.
impl Pipeline {
    /// Prometheus in the cluster: every pod's port `metrics`.
    #[must_use]
    pub fn prometheus(&self) -> String {
        fill(
            include_str!("../../templates/prometheus-kubernetes.yaml"),
            &[
                ("service", &self.service),
                ("namespace", &self.namespace),
                ("agents_namespace", &self.agents_namespace),
                ("metrics_days", &self.retention.metrics),
            ],
        )
    }

    /// Prometheus beside the compose file.
    #[must_use]
    pub fn prometheus_of_compose(&self) -> String {
        let job = |name| format!("  - job_name: {name}\n    static_configs:\n      - targets: ['{name}:9090']\n");
        let jobs: String = self.workloads.iter().map(|workload| job(workload.name)).collect();
        fill(
            include_str!("../../templates/prometheus-compose.yaml"),
            &[("service", &self.service), ("metrics_days", &self.retention.metrics), ("jobs", &jobs)],
        )
    }

    /// The objects of Thanos: compactor, store, query.
    #[must_use]
    pub fn thanos(&self) -> String {
        fill(
            include_str!("../../templates/thanos.yaml"),
            &[
                ("namespace", &self.namespace),
                ("metrics_days", &self.retention.metrics),
                ("downsampled_days", &self.retention.downsampled_metrics),
            ],
        )
    }

    /// An example of the secret that says where Thanos keeps blocks.
    #[must_use]
    pub fn thanos_bucket(&self) -> String {
        fill(
            include_str!("../../templates/thanos-objstore.yaml"),
            &[("service", &self.service), ("metrics_days", &self.retention.metrics)],
        )
    }

    /// Loki, with a retention for each stream.
    #[must_use]
    pub fn loki(&self) -> String {
        let retention = self.retention;
        fill(
            include_str!("../../templates/loki.yaml"),
            &[
                ("platform_days", &retention.platform_logs),
                ("agent_days", &retention.agent_logs),
                ("audit_days", &retention.audit_logs),
                ("platform_hours", &(retention.platform_logs * 24)),
                ("agent_hours", &(retention.agent_logs * 24)),
                ("audit_hours", &(retention.audit_logs * 24)),
            ],
        )
    }

    /// The log groups of CloudWatch, for CloudFormation. CloudWatch knows only some numbers of days; 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180
    /// and 365 are among them.
    #[must_use]
    pub fn cloudwatch(&self) -> String {
        let retention = self.retention;
        fill(
            include_str!("../../templates/cloudwatch.yaml"),
            &[
                ("service", &self.service),
                ("platform_days", &retention.platform_logs),
                ("agent_days", &retention.agent_logs),
                ("audit_days", &retention.audit_logs),
            ],
        )
    }

    /// Tempo.
    #[must_use]
    pub fn tempo(&self) -> String {
        self.traces(include_str!("../../templates/tempo.yaml"))
    }

    /// Jaeger, in the place of Tempo.
    #[must_use]
    pub fn jaeger(&self) -> String {
        self.traces(include_str!("../../templates/jaeger.yaml"))
    }

    fn traces(&self, template: &str) -> String {
        let days = self.retention.traces;
        fill(template, &[("traces_days", &days), ("traces_hours", &(days * 24))])
    }

    /// The OpenTelemetry collector, which hands spans on to `traces`: `tempo:4317`.
    #[must_use]
    pub fn collector(&self, traces: &str) -> String {
        fill(include_str!("../../templates/collector.yaml"), &[("traces_endpoint", &traces)])
    }

    /// Vector's source in the cluster.
    #[must_use]
    pub fn vector_of_kubernetes(&self) -> String {
        fill(include_str!("../../templates/vector-kubernetes.yaml"), &[("service", &self.service)])
    }

    /// Vector's source beside the compose file.
    #[must_use]
    pub fn vector_of_compose(&self) -> String {
        fill(include_str!("../../templates/vector-compose.yaml"), &[("service", &self.service)])
    }

    /// What Vector makes of a line: its stream, its labels, its metadata. An agent's pod says whose it is in its labels `agent_id` and `user_id`.
    #[must_use]
    pub fn vector(&self) -> String {
        let remap: String = self.remap().lines().map(|line| format!("      {line}\n")).collect();
        // An empty line has no spaces in it.
        let remap = remap.replace("      \n", "\n");
        fill(include_str!("../../templates/vector-pipeline.yaml"), &[("remap", &remap.trim_end())])
    }

    /// The program of [`Pipeline::vector`], in Vector's remap language.
    #[must_use]
    pub fn remap(&self) -> String {
        fill(include_str!("../../templates/vector-lines.vrl"), &[("agents_namespace", &self.agents_namespace)])
    }

    /// Vector to Loki at this URL.
    #[must_use]
    pub fn vector_to_loki(&self, url: &str) -> String {
        fill(include_str!("../../templates/vector-loki.yaml"), &[("loki", &url)])
    }

    /// Vector to CloudWatch.
    #[must_use]
    pub fn vector_to_cloudwatch(&self) -> String {
        fill(include_str!("../../templates/vector-cloudwatch.yaml"), &[("service", &self.service)])
    }

    /// Grafana's data sources in the cluster.
    #[must_use]
    pub fn data_sources(&self) -> String {
        let at = |name: &str, port: u16| format!("http://{name}.{}.svc:{port}", self.namespace);
        grafana::data_sources(self.service, &at("thanos-query", 9090), &at("tempo", 3200), &at("loki", 3100))
    }

    /// Grafana's data sources beside the compose file.
    #[must_use]
    pub fn data_sources_of_compose(&self) -> String {
        grafana::data_sources(self.service, "http://prometheus:9090", "http://tempo:3200", "http://loki:3100")
    }
}
