use crate::template::fill;

/// The data sources of `service`, for Grafana's provisioning, at the URLs of Prometheus (or Thanos), Tempo and Loki.
#[must_use]
pub fn data_sources(service: &str, prometheus: &str, tempo: &str, loki: &str) -> String {
    fill(
        include_str!("../../templates/grafana-datasources.yaml"),
        &[("service", &service), ("prometheus", &prometheus), ("tempo", &tempo), ("loki", &loki)],
    )
}

/// Where Grafana finds the dashboards of `service`.
#[must_use]
pub fn dashboard_provider(service: &str, directory: &str) -> String {
    format!(
        "apiVersion: 1\nproviders:\n  - name: {service}\n    folder: {service}\n    type: file\n    allowUiUpdates: false\n    \
         options:\n      path: {directory}\n"
    )
}
