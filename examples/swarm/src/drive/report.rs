//! What a person reads at the end, and what a program reads instead.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::evidence::Evidence;
use super::platform::{LogLine, Platform};
use super::terminal::Palette;
use super::workload::{Conversation, Exchange, LogsRead, Sent, Workload};
use crate::collect::tree;

/// What every line has and a reader in a hurry does not need.
const LEFT_OUT: [&str; 8] = ["timestamp", "level", "target", "message", "trace_id", "span_id", "file", "line"];

/// Spans, log lines and samples, each as it is, one JSON object a line.
pub(super) fn raw(evidence: &Evidence) {
    for span in evidence.spans.iter().chain(&evidence.session_spans) {
        say(json!({ "span": span }));
    }
    for line in evidence.lines.iter().chain(&evidence.session_lines).chain(&evidence.errors) {
        say(&line.raw);
    }
    for metric in &evidence.metrics {
        let labels: serde_json::Map<_, _> =
            metric.labels.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        let (service, name, value) = (metric.service, metric.name, metric.value);
        say(json!({ "metric": name, "service": service, "labels": labels, "value": value }));
    }
}

/// The story of the run.
pub(super) fn readable(workload: &Workload, evidence: &Evidence) {
    let palette = Palette::detect();
    let answered = |range: std::ops::Range<u16>| {
        workload.sent.iter().filter(|sent| sent.status.is_some_and(|status| range.contains(&status))).count()
    };
    say(format_args!(
        "Three users sent {} requests: {} were done, {} refused, {} failed, 1 client went away.",
        workload.sent.len(),
        answered(100..300),
        answered(400..500),
        answered(500..600),
    ));
    request(palette, &workload.created, evidence);
    session(palette, &workload.session, evidence);
    failure(palette, &workload.failed, evidence);
    logs(palette, &workload.logs);
    metrics(palette, evidence);
    summary(palette, workload, evidence);
}

fn request(palette: Palette, sent: &Sent, evidence: &Evidence) {
    let services: BTreeSet<_> = evidence.spans.iter().map(|span| span.service.as_str()).collect();
    heading(palette, &format!("{} {} by {}", sent.method, sent.path, sent.user_id));
    say(format_args!("request {}", sent.request_id));
    if let Some(span) = evidence.spans.first() {
        say(format_args!("trace   {}: {} spans of {} services\n", span.trace_id, evidence.spans.len(), services.len()));
    }
    say(tree::render(&evidence.spans).trim_end());
    heading(palette, &format!("its {} log lines", evidence.lines.len()));
    for line in &evidence.lines {
        say(log_line(palette, line));
    }
}

/// Its first message, from the request down to the agent, and the lines that name it.
fn session(palette: Palette, conversation: &Conversation, evidence: &Evidence) {
    let Conversation { request, session_id, messages } = conversation;
    let Some(Exchange { message_id, text, answer }) = messages.first() else { return };
    heading(palette, &format!("a session of {} with the agent", request.user_id));
    say(format_args!("request {}\nsession {session_id}\nmessage {message_id}", request.request_id));
    say(format_args!("{} > {text}\nagent > {answer}\n", request.user_id));
    say(tree::render(&tree::branch(&evidence.session_spans, "message_id", message_id)).trim_end());
    say("");
    let lines = evidence.session_lines.iter().filter(|line| line.text("message_id") == Some(message_id));
    lines.for_each(|line| say(log_line(palette, line)));
}

fn failure(palette: Palette, sent: &Sent, evidence: &Evidence) {
    let status = sent.status.unwrap_or_default();
    heading(palette, &format!("{} {} by {} was answered {status}: why?", sent.method, sent.path, sent.user_id));
    for line in &evidence.errors {
        say(log_line(palette, line));
        let (file, line_number) = (line.text("file").unwrap_or("?"), line.fields.get("line").unwrap_or(&Value::Null));
        let (target, trace_id) = (line.text("target").unwrap_or("?"), line.text("trace_id").unwrap_or("?"));
        say(palette.dim(format_args!("in {target}, {file}:{line_number}, trace {trace_id}")));
    }
}

fn logs(palette: Palette, reads: &[LogsRead]) {
    for read in reads {
        heading(palette, &format!("GET /v1/agents/{}/logs by {}: {}", read.agent_id, read.user_id, read.status));
        let answer: Value = serde_json::from_str(&read.answer).unwrap_or_default();
        match answer["logs"].as_array() {
            Some(logs) => logs.iter().for_each(|entry| {
                let text = |key: &str| entry[key].as_str().unwrap_or_default();
                say(format_args!("{} {:5} {}", text("timestamp"), text("level"), text("message")));
            }),
            None => say(answer["detail"].as_str().unwrap_or_default()),
        }
    }
}

fn metrics(palette: Palette, evidence: &Evidence) {
    heading(palette, "metrics");
    for metric in &evidence.metrics {
        let labels: Vec<_> = metric.labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let series = format!("{}{labels}", metric.name);
        say(format_args!("{} {:>6}  {series}", palette.dim(format_args!("{:<16}", metric.service)), metric.value));
    }
}

fn summary(palette: Palette, workload: &Workload, evidence: &Evidence) {
    let services: BTreeSet<_> = evidence.spans.iter().map(|span| span.service.as_str()).collect();
    let lines = evidence.session_lines.iter().filter(|line| line.fields.contains_key("message_id"));
    heading(palette, "in short");
    say(format_args!(
        "one request   {} spans of {} services in one tree, {} log lines that name it",
        evidence.spans.len(),
        services.len(),
        evidence.lines.len(),
    ));
    say(format_args!(
        "one session   {} messages; {} log lines name trace, request, session and message",
        workload.session.messages.len(),
        lines.count(),
    ));
    say(format_args!("one failure   {} error line, where it began", evidence.errors.len()));
    say(format_args!("one goodbye   {} spans ended as cancelled, no error", evidence.abandoned.len()));
    match evidence.missing.len() {
        0 => say("everything that telemetry should know is there"),
        missing => say(format_args!("{missing} things that telemetry should know are missing")),
    }
}

/// `10:30:00.123 info  control     Agent created  agent_id=…`
fn log_line(palette: Palette, line: &LogLine) -> String {
    let time = line.text("timestamp").and_then(|text| text.get(11..23)).unwrap_or_default();
    let service = line.file.split('-').next().unwrap_or_default();
    let fields = line.fields.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
    let fields: Vec<_> = fields.map(|(key, value)| format!("{key}={}", plain(value))).collect();
    format!(
        "{} {} {service:<9} {}  {}",
        palette.dim(time),
        palette.level(line.text("level").unwrap_or_default()),
        line.text("message").unwrap_or_default(),
        palette.dim(fields.join(" ")),
    )
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where everything is, for who stays.
pub(super) async fn urls(platform: &Platform, directory: &Path) {
    say(format_args!("\ngateway    {}/v1/agents (header x-user-id)", platform.gateway()));
    say(format_args!("traces     {}/traces (trees), /traces/{{trace_id}}, /spans (JSON)", platform.collector()));
    for said in platform.announcements() {
        let service = said.service.trim_start_matches("swarm-");
        say(format_args!("{service:<10} http://{}/metrics, /healthz, /readyz", said.metrics.as_deref().unwrap_or("-")));
    }
    for pod in platform.pods().await.unwrap_or_default() {
        say(format_args!(
            "agent      http://{}/metrics ({})",
            pod.metrics_address.as_deref().unwrap_or("-"),
            pod.agent_id
        ));
    }
    say(format_args!("files      {}", directory.display()));
    say(format_args!("ctrl-c stops everything"));
}

fn heading(palette: Palette, text: &str) {
    say(format_args!("\n{}", palette.bold(format_args!("── {text} "))));
}

fn say(text: impl Display) {
    // A reader that had enough, as `head` has, is no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
}
