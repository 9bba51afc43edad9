use super::Pipeline;
use crate::template::fill;

/// A service of the platform, as it runs in the cluster: its API on port 8080, its metrics on 9090.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// The words behind the program's name.
    pub args: &'static [&'static str],
    /// How many of it run.
    pub replicas: u32,
    /// The service account, if it needs more than `default`.
    pub account: Option<&'static str>,
}

/// Something with a disk.
struct Stateful<'a> {
    what: String,
    name: &'a str,
    image: &'a str,
    args: &'a str,
    env: &'a str,
    /// Name and number; the first is asked whether it is ready.
    ports: &'a [(&'a str, u16)],
    ready: &'a str,
    data: &'a str,
    config: &'a str,
    config_at: &'a str,
    mounts: &'a str,
    volumes: &'a str,
    storage: &'a str,
}

impl Pipeline {
    /// The platform's own objects.
    #[must_use]
    pub fn kubernetes_platform(&self) -> String {
        let services: String = self.workloads.iter().map(|workload| self.workload(workload)).collect();
        fill(
            include_str!("../../templates/kubernetes-platform.yaml"),
            &[
                ("namespace", &self.namespace),
                ("agents_namespace", &self.agents_namespace),
                ("services", &services.trim_end()),
            ],
        )
    }

    fn workload(&self, workload: &Workload) -> String {
        fill(
            include_str!("../../templates/kubernetes-service.yaml"),
            &[
                ("name", &workload.name),
                ("service", &self.service),
                ("namespace", &self.namespace),
                ("replicas", &workload.replicas),
                ("account", &workload.account.unwrap_or("default")),
                ("args", &quoted(workload.args)),
            ],
        )
    }

    /// Prometheus with its sidecar of Thanos.
    #[must_use]
    pub fn kubernetes_prometheus(&self) -> String {
        fill(
            include_str!("../../templates/kubernetes-prometheus.yaml"),
            &[("service", &self.service), ("namespace", &self.namespace), ("metrics_days", &self.retention.metrics)],
        )
    }

    /// Alertmanager.
    #[must_use]
    pub fn kubernetes_alertmanager(&self) -> String {
        self.stateful(&Stateful {
            what: "Alertmanager. Keys come from the secret `alertmanager`.".to_owned(),
            name: "alertmanager",
            image: "quay.io/prometheus/alertmanager:v0.28.1",
            args: "--config.file=/etc/alertmanager/alertmanager.yaml, --storage.path=/alertmanager, --cluster.listen-address=",
            env: "",
            ports: &[("http", 9093)],
            ready: "/-/ready",
            data: "/alertmanager",
            config: "alertmanager",
            config_at: "/etc/alertmanager",
            mounts: "\n            - { name: secrets, mountPath: /etc/alertmanager/secrets, readOnly: true }",
            volumes: "\n        - name: secrets\n          secret: { secretName: alertmanager }",
            storage: "1Gi",
        })
    }

    /// Grafana.
    #[must_use]
    pub fn kubernetes_grafana(&self) -> String {
        self.stateful(&Stateful {
            what: "Grafana. The password of `admin` comes from the secret `grafana`.".to_owned(),
            name: "grafana",
            image: "grafana/grafana:12.1.1",
            args: "",
            env: "{ name: GF_ANALYTICS_REPORTING_ENABLED, value: \"false\" }, { name: GF_SECURITY_ADMIN_PASSWORD__FILE, value: \
                  /etc/grafana/secrets/admin-password }",
            ports: &[("http", 3000)],
            ready: "/api/health",
            data: "/var/lib/grafana",
            config: "grafana-provisioning",
            config_at: "/etc/grafana/provisioning/datasources/datasources.yaml, subPath: datasources.yaml",
            mounts: "\n            - { name: grafana-provisioning, mountPath: /etc/grafana/provisioning/dashboards/dashboards.yaml, subPath: \
                     dashboards.yaml }\n            - { name: dashboards, mountPath: /var/lib/grafana/dashboards }\n            - { name: \
                     secrets, mountPath: /etc/grafana/secrets, readOnly: true }",
            volumes: "\n        - name: dashboards\n          configMap: { name: grafana-dashboards }\n        - name: secrets\n          \
                      secret: { secretName: grafana }",
            storage: "1Gi",
        })
    }

    /// Loki.
    #[must_use]
    pub fn kubernetes_loki(&self) -> String {
        self.stateful(&Stateful {
            what: "Loki.".to_owned(),
            name: "loki",
            image: "grafana/loki:3.5.3",
            args: "-config.file=/etc/loki/loki.yaml",
            env: "",
            ports: &[("http", 3100)],
            ready: "/ready",
            data: "/loki",
            config: "loki",
            config_at: "/etc/loki",
            mounts: "",
            volumes: "",
            storage: "100Gi",
        })
    }

    /// Tempo.
    #[must_use]
    pub fn kubernetes_tempo(&self) -> String {
        self.stateful(&Stateful {
            what: format!("Tempo; traces stay {} days.", self.retention.traces),
            name: "tempo",
            image: "grafana/tempo:2.8.2",
            args: "-config.file=/etc/tempo/tempo.yaml",
            env: "",
            ports: &[("http", 3200), ("otlp-grpc", 4317), ("otlp-http", 4318)],
            ready: "/ready",
            data: "/var/tempo",
            config: "tempo",
            config_at: "/etc/tempo",
            mounts: "",
            volumes: "",
            storage: "50Gi",
        })
    }

    /// Jaeger, in the place of Tempo: it answers under Tempo's name for spans.
    #[must_use]
    pub fn kubernetes_jaeger(&self) -> String {
        self.stateful(&Stateful {
            what: format!(
                "Jaeger in the place of Tempo; traces stay {} days. It expects a config map `jaeger` of `jaeger/jaeger.yaml`, and the \
                 collector's `endpoint: jaeger:4317`.",
                self.retention.traces
            ),
            name: "jaeger",
            image: "jaegertracing/jaeger:2.9.0",
            args: "--config=/etc/jaeger/jaeger.yaml",
            env: "",
            ports: &[("http", 16686), ("otlp-grpc", 4317), ("otlp-http", 4318)],
            ready: "/",
            data: "/var/jaeger",
            config: "jaeger",
            config_at: "/etc/jaeger",
            mounts: "",
            volumes: "",
            storage: "50Gi",
        })
    }

    /// The OpenTelemetry collector.
    #[must_use]
    pub fn kubernetes_collector(&self) -> String {
        fill(include_str!("../../templates/kubernetes-collector.yaml"), &[("namespace", &self.namespace)])
    }

    /// Vector on each node.
    #[must_use]
    pub fn kubernetes_vector(&self) -> String {
        fill(
            include_str!("../../templates/kubernetes-vector.yaml"),
            &[("service", &self.service), ("namespace", &self.namespace)],
        )
    }

    /// kube-state-metrics.
    #[must_use]
    pub fn kubernetes_state_metrics(&self) -> String {
        fill(
            include_str!("../../templates/kubernetes-state.yaml"),
            &[("service", &self.service), ("namespace", &self.namespace), ("agents_namespace", &self.agents_namespace)],
        )
    }

    /// What ties them together: the objects, and config maps of the files beside it. `dashboards` are files.
    #[must_use]
    pub fn kustomization(&self, dashboards: &[String]) -> String {
        fill(
            include_str!("../../templates/kustomization.yaml"),
            &[("namespace", &self.namespace), ("dashboards", &dashboards.join(", "))],
        )
    }

    /// The same on one machine.
    #[must_use]
    pub fn compose(&self) -> String {
        let services: String = self.workloads.iter().map(|workload| self.compose_service(workload)).collect();
        let volumes: Vec<String> = self.workloads.iter().map(|workload| format!("  {}: {{}}", workload.name)).collect();
        fill(
            include_str!("../../templates/compose.yaml"),
            &[
                ("service", &self.service),
                ("metrics_days", &self.retention.metrics),
                ("services", &services),
                ("volumes", &volumes.join("\n")),
            ],
        )
    }

    fn compose_service(&self, Workload { name, args, .. }: &Workload) -> String {
        let service = self.service;
        format!(
            "  {name}:\n    image: {service}:latest\n    command: [{}]\n    environment:\n      OBS_SERVICE_NAME: {name}\n      \
             OBS_OTLP_ENDPOINT: http://otel-collector:4317\n    labels:\n      part-of: {service}\n      app.kubernetes.io/name: {name}\n    \
             volumes:\n      - {name}:/var/lib/{service}\n\n",
            quoted(args)
        )
    }

    fn stateful(&self, stateful: &Stateful<'_>) -> String {
        let ports = |key: &str| -> String {
            let port = |(name, port): &(&str, u16)| match key {
                "containerPort" => format!("{{ name: {name}, containerPort: {port} }}"),
                _ => format!("{{ name: {name}, port: {port}, targetPort: {name} }}"),
            };
            stateful.ports.iter().map(port).collect::<Vec<_>>().join(", ")
        };
        fill(
            include_str!("../../templates/kubernetes-stateful.yaml"),
            &[
                ("what", &stateful.what),
                ("name", &stateful.name),
                ("namespace", &self.namespace),
                ("image", &stateful.image),
                ("args", &stateful.args),
                ("env", &stateful.env),
                ("ports", &ports("containerPort")),
                ("service_ports", &ports("port")),
                ("ready", &stateful.ready),
                ("data", &stateful.data),
                ("config", &stateful.config),
                ("config_at", &stateful.config_at),
                ("mounts", &stateful.mounts),
                ("volumes", &stateful.volumes),
                ("storage", &stateful.storage),
            ],
        )
    }
}

fn quoted(args: &[&str]) -> String {
    args.iter().map(|arg| format!("\"{arg}\"")).collect::<Vec<_>>().join(", ")
}
