//! What telemetry knows of a workload, and what it should know but does not.

use std::collections::BTreeSet;
use std::time::Duration;

use obs_runtime::names::{MESSAGE_ID, REQUEST_ID, SESSION_ID};
use tokio::time::Instant;

use super::platform::{LogLine, Platform, Scrape};
use super::workload::{Conversation, Sent, Workload};
use crate::collect::span::Span;
use crate::collect::tree;
use crate::service::BoxError;

/// How often to look again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The services that one creation of an agent goes through.
const SERVICES: [&str; 4] = ["swarm-gateway", "swarm-control", "swarm-scheduler", "swarm-agent"];
/// What `obs-http` calls a session.
const SESSION_SPAN: &str = "websocket session";
/// The least that must be known of it.
const LEAST_SPANS: usize = 6;
const LEAST_LINES: usize = 8;

/// Names of labels with their values.
type Labels = &'static [(&'static str, &'static str)];

/// The metrics that are shown: whose, which, and with which labels.
const METRICS: [(&str, &str, Labels); 10] = [
    ("swarm-gateway", "http_requests_total", &[("method", "POST"), ("path", "/v1/agents"), ("status", "201")]),
    ("swarm-gateway", "user_api_requests_total", &[("user_id", "ana"), ("outcome", "ok")]),
    ("swarm-gateway", "websocket_messages_total", &[("direction", "inbound")]),
    ("swarm-gateway", "session_duration_seconds_count", &[]),
    ("swarm-control", "agents_total", &[("status", "running")]),
    ("swarm-control", "agent_state_transitions_total", &[("from", "provisioning"), ("to", "running")]),
    ("swarm-control", "user_agents_count", &[("user_id", "ana")]),
    ("swarm-control", "agent_sessions_total", &[]),
    ("swarm-scheduler", "operation_duration_seconds_count", &[("operation", "choose_node"), ("outcome", "error")]),
    ("swarm-agent", "agent_model_tokens_total", &[("direction", "output")]),
];

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The spans of the request that created an agent.
    pub spans: Vec<Span>,
    /// Its log lines, by time.
    pub lines: Vec<LogLine>,
    /// The spans of the session, from the request that asked for it to the answers of the agent.
    pub session_spans: Vec<Span>,
    /// Its log lines, by time.
    pub session_lines: Vec<LogLine>,
    /// The error lines of the request that failed.
    pub errors: Vec<LogLine>,
    /// The cancelled spans of the request whose client went away.
    pub abandoned: Vec<Span>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// What should be there and is not.
    pub missing: Vec<String>,
}

/// A metric with its value, summed over the processes of the service.
#[derive(Clone, Debug)]
pub struct Metric {
    pub service: &'static str,
    pub name: &'static str,
    pub labels: Labels,
    pub value: f64,
}

impl Evidence {
    /// Looks until everything is there, or until the time is over.
    pub async fn gather(platform: &Platform, workload: &Workload, within: Duration) -> Result<Self, BoxError> {
        let until = Instant::now() + within;
        loop {
            let evidence = Evidence::look(platform, workload).await?;
            if evidence.missing.is_empty() || Instant::now() >= until {
                return Ok(evidence);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(platform: &Platform, workload: &Workload) -> Result<Self, BoxError> {
        let (lines, spans, scrapes) = (platform.log_lines()?, platform.spans().await?, platform.scrapes().await?);
        let mut evidence = Evidence::default();
        // Every span and every line below a request names it.
        let spans_of = |sent: &Sent| -> Vec<Span> {
            spans.iter().filter(|span| span.text(REQUEST_ID) == Some(&sent.request_id)).cloned().collect()
        };
        let lines_of = |sent: &Sent| -> Vec<LogLine> {
            lines.iter().filter(|line| line.text(REQUEST_ID) == Some(&sent.request_id)).cloned().collect()
        };

        evidence.errors = lines_of(&workload.failed);
        evidence.errors.retain(|line| line.text("level") == Some("error"));
        evidence.expect(evidence.errors.len() == 1, || {
            "one error line of the request that failed, where it began".to_owned()
        });
        evidence.abandoned = spans_of(&workload.abandoned);
        evidence.abandoned.retain(|span| span.text("outcome") == Some("cancelled"));
        evidence.judge_abandoned();
        evidence.session_spans = spans_of(&workload.session.request);
        evidence.session_lines = lines_of(&workload.session.request);
        evidence.judge_session(&workload.session);
        evidence.spans = spans_of(&workload.created);
        evidence.lines = lines_of(&workload.created);
        evidence.judge_request();
        evidence.read_metrics(&scrapes);
        Ok(evidence)
    }

    fn judge_abandoned(&mut self) {
        let services: BTreeSet<_> = self.abandoned.iter().map(|span| span.service.as_str()).collect();
        let absent: Vec<_> = SERVICES[..3].iter().filter(|service| !services.contains(*service)).copied().collect();
        self.expect(absent.is_empty(), || {
            format!("spans with the outcome `cancelled` of {}, whose client went away", absent.join(", "))
        });
    }

    fn judge_request(&mut self) {
        let services: BTreeSet<_> = self.spans.iter().map(|span| span.service.as_str()).collect();
        let absent: Vec<_> = SERVICES.into_iter().filter(|service| !services.contains(service)).collect();
        let (spans, roots, lines) = (self.spans.len(), tree::roots(&self.spans).len(), self.lines.len());
        self.expect(absent.is_empty(), || format!("spans of {}", absent.join(", ")));
        self.expect(spans >= LEAST_SPANS, || format!("{LEAST_SPANS} spans of the request, not {spans}"));
        self.expect(roots == 1, || format!("one root of its trace, not {roots}"));
        self.expect(lines >= LEAST_LINES, || format!("{LEAST_LINES} log lines of the request, not {lines}"));
    }

    fn judge_session(&mut self, session: &Conversation) {
        let roots = tree::roots(&self.session_spans).len();
        self.expect(roots == 1, || format!("one root of the session's trace, not {roots}"));
        let ended = self.session_spans.iter().any(|span| span.name == SESSION_SPAN);
        self.expect(ended, || format!("a span `{SESSION_SPAN}`"));
        let closed =
            self.session_spans.iter().any(|span| span.service == "swarm-control" && span.name == "end_session");
        self.expect(closed, || "control's span of the session's end".to_owned());
        for message in &session.messages {
            let ids = [
                (REQUEST_ID, session.request.request_id.as_str()),
                (SESSION_ID, session.session_id.as_str()),
                (MESSAGE_ID, message.message_id.as_str()),
            ];
            let branch = tree::branch(&self.session_spans, MESSAGE_ID, &message.message_id);
            for service in ["gateway", "agent"] {
                let mut lines = self.session_lines.iter().filter(|line| line.file.starts_with(service));
                let told = lines.any(|line| ids.iter().all(|(key, id)| line.text(key) == Some(id)));
                self.expect(told, || format!("a log line of {service} with {ids:?}"));
                let seen = branch.iter().any(|span| span.service.ends_with(service));
                self.expect(seen, || format!("a span of {service} for message {}", message.message_id));
            }
        }
    }

    fn read_metrics(&mut self, scrapes: &[Scrape]) {
        for (service, name, labels) in METRICS {
            let of_service = scrapes.iter().filter(|scrape| scrape.service == service);
            let value = of_service.filter_map(|scrape| scrape.samples.sum(name, labels)).reduce(|a, b| a + b);
            self.metrics.extend(value.map(|value| Metric { service, name, labels, value }));
            self.expect(value.is_some_and(|value| value > 0.0), || format!("metric `{name}` {labels:?} of {service}"));
        }
    }

    fn expect(&mut self, there: bool, what: impl FnOnce() -> String) {
        if !there {
            self.missing.push(what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let mut evidence = Evidence::default();
        evidence.judge_request();
        evidence.read_metrics(&[]);
        let told = evidence.missing.join("\n");
        for name in ["spans of swarm-gateway", "6 spans", "one root", "8 log lines", "metric `agents_total`"] {
            assert!(told.contains(name), "{name} is not among what is missing:\n{told}");
        }
    }
}
