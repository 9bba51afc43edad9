//! Alertmanager: critical to PagerDuty and Slack, warnings to Slack, infos to Slack where somebody wants them.

use std::fmt::Write;

use crate::template::fill;

/// Where alerts go.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The file that holds PagerDuty's routing key.
    pub pagerduty_key_file: String,
    /// Where PagerDuty takes events.
    pub pagerduty_url: String,
    /// The file that holds the URL of Slack's incoming webhook.
    pub slack_url_file: String,
    /// The channel of critical alerts: `#oncall`.
    pub critical: String,
    /// The channel of warnings.
    pub warning: String,
    /// The channel of infos; `None` tells them to nobody.
    pub info: Option<String>,
    /// Where Grafana is, for people: what stands before an alert's annotation `dashboard`.
    pub grafana_url: String,
    /// How long alerts that belong together are awaited before the first is told.
    pub group_wait: String,
    /// How long until more of the same group are told.
    pub group_interval: String,
}

impl Channels {
    /// The channels of `service`, with the secrets where [`Pipeline`](crate::pipeline::Pipeline) mounts them, and Grafana where a forwarded port puts it.
    #[must_use]
    pub fn of(service: &str) -> Self {
        Channels {
            pagerduty_key_file: "/etc/alertmanager/secrets/pagerduty-routing-key".to_owned(),
            pagerduty_url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
            slack_url_file: "/etc/alertmanager/secrets/slack-webhook-url".to_owned(),
            critical: format!("#{service}-oncall"),
            warning: format!("#{service}-alerts"),
            info: Some(format!("#{service}-info")),
            grafana_url: "http://localhost:3000".to_owned(),
            group_wait: "30s".to_owned(),
            group_interval: "5m".to_owned(),
        }
    }

    /// The configuration, as Alertmanager reads it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let info = match &self.info {
            Some(channel) => format!("  - name: info\n    slack_configs:\n{}", self.slack(channel, "#439fe0")),
            None => "  # Nobody is told of infos.\n  - name: info".to_owned(),
        };
        fill(
            include_str!("../templates/alertmanager.yaml"),
            &[
                ("group_wait", &self.group_wait),
                ("group_interval", &self.group_interval),
                ("pagerduty_key_file", &self.pagerduty_key_file),
                ("pagerduty_url", &self.pagerduty_url),
                ("grafana_url", &self.grafana_url),
                ("slack_critical", &self.slack(&self.critical, "danger")),
                ("slack_warning", &self.slack(&self.warning, "warning")),
                ("info", &info),
            ],
        )
    }

    /// One entry of `slack_configs`.
    fn slack(&self, channel: &str, color: &str) -> String {
        let file = &self.slack_url_file;
        let mut out = String::new();
        let _ = writeln!(out, "      - api_url_file: {file}");
        let _ = writeln!(out, "        channel: '{channel}'");
        let _ = writeln!(out, "        send_resolved: true");
        let _ =
            writeln!(out, "        color: '{{{{ if eq .Status \"firing\" }}}}{color}{{{{ else }}}}good{{{{ end }}}}'");
        out.push_str(MESSAGE);
        out.replace("GRAFANA", &self.grafana_url)
    }
}

/// What a person reads in Slack.
const MESSAGE: &str = r#"        title: '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}{{ else }}RESOLVED{{ end }}: {{ .CommonLabels.alertname }}'
        title_link: '{{ with .CommonAnnotations.dashboard }}GRAFANA{{ . }}{{ end }}'
        text: |-
          {{ range .Alerts }}{{ .Annotations.summary }}{{ if .Annotations.description }}
          {{ .Annotations.description }}{{ end }}
          {{ end }}"#;
