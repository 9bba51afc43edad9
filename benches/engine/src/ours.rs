//! The cases of obs-runtime.

use std::fs::File;
use std::io;
use std::time::Duration;

use obs_runtime::config::{LogPolicy, ObservabilityConfig};
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::tracing::info_span;
use obs_runtime::{Telemetry, info, observed};
use tracing_subscriber::prelude::*;

use crate::measure::{Case, End, Load};
use crate::work::{Id, Pending, body, drive, each, each_status};
use crate::{rows, scratch};

/// Takes every span and forgets it.
struct Forgets;

impl Exporter for Forgets {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        Delivery::all(&spans)
    }
}

fn started(rate: f64) -> End {
    let config = ObservabilityConfig { trace_sample_rate: rate, ..ObservabilityConfig::default() };
    let telemetry =
        Telemetry::builder("bench").config(config).log_writer(io::sink()).exporter(Forgets).start().expect("it starts");
    ended(telemetry)
}

fn ended(telemetry: Telemetry) -> End {
    Box::new(move || {
        let report = telemetry.shutdown(Duration::from_secs(10));
        assert_eq!((report.lines_lost, report.spans_lost), (0, 0), "nothing may be lost");
        let text = obs_runtime::metrics::encode();
        assert!(!text.lines().any(|line| line.starts_with("obs_dropped_total") && !line.ends_with(" 0")), "{text}");
        Some(report.spans_sent)
    })
}

fn sampled() -> End {
    started(1.0)
}

/// The engine as one layer among others of a registry.
fn layered() -> End {
    let telemetry =
        Telemetry::builder("bench").log_writer(io::sink()).exporter(Forgets).start_layer().expect("it starts");
    tracing_subscriber::registry().with(telemetry.layer()).init();
    ended(telemetry)
}

fn not_sampled() -> End {
    let end = started(0.0);
    Box::new(|| {
        end();
        None
    })
}

fn lines() -> End {
    not_sampled()
}

fn to_a_file() -> End {
    let config = ObservabilityConfig { log_policy: LogPolicy::Block, ..ObservabilityConfig::default() };
    let file = File::create(scratch("ours")).expect("a file");
    let end = ended(Telemetry::builder("bench").config(config).log_writer(file).start().expect("it starts"));
    Box::new(|| {
        end();
        None
    })
}

fn nothing() -> End {
    Box::new(|| None)
}

#[inline(never)]
#[observed(agent_id = agent_id.0, user_id = user_id.0)]
fn by_text(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
#[observed(agent_id, user_id)]
fn by_display(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
#[observed(agent_id, user_id)]
async fn in_async(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
#[observed]
fn without_fields(agent_id: &Id, user_id: &Id) -> usize {
    body(agent_id, user_id)
}

#[inline(never)]
fn span(agent_id: &Id, user_id: &Id) -> usize {
    let span = info_span!("span", agent_id = %agent_id, user_id = %user_id);
    let _entered = span.enter();
    body(agent_id, user_id)
}

#[observed]
async fn waits(polls: u32) {
    Pending(polls).await;
}

#[inline(never)]
fn line(status: &'static str) {
    info!(status, "Agent created");
}

fn lines_in_spans(calls: u32) {
    let outer = info_span!("handle", agent_id = "3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b01");
    let _outer = outer.enter();
    let inner = info_span!("create", user_id = "3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b02");
    let _inner = inner.enter();
    each_status(calls, line);
}

#[observed(agent_id)]
fn outer(agent_id: &str, calls: u32) {
    inner("3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b02", calls);
}

#[observed(user_id)]
fn inner(user_id: &str, calls: u32) {
    each_status(calls, line);
}

fn lines_in_calls(calls: u32) {
    outer("3f2b8c1e-9d4a-4e7b-8a61-0c5d7e9f2b01", calls);
}

fn call(row: &'static str, name: &'static str, begin: fn() -> End, run: fn(u32)) -> Case {
    Case { row, name, load: Load::Bursts(1_000), begin, run }
}

pub fn cases() -> Vec<Case> {
    let many = |case: Case| Case { load: Load::Bursts(100_000), ..case };
    vec![
        call(rows::SAMPLED, "observed, text", sampled, |calls| each(calls, by_text)),
        call(rows::SAMPLED, "observed, Display", sampled, |calls| each(calls, by_display)),
        call(rows::SAMPLED, "observed, async, polled once", sampled, |calls| {
            each(calls, |agent_id, user_id| drive(in_async(agent_id, user_id)));
        }),
        call(rows::SAMPLED, "observed, no fields", sampled, |calls| each(calls, without_fields)),
        call(rows::NOT_SAMPLED, "observed, text", not_sampled, |calls| each(calls, by_text)),
        call(rows::NOT_SAMPLED, "observed, Display", not_sampled, |calls| each(calls, by_display)),
        call(rows::SPAN, "info_span!", sampled, |calls| each(calls, span)),
        many(call(rows::POLL, "observed", not_sampled, |calls| drive(waits(calls)))),
        many(call(rows::IDLE, "observed", nothing, |calls| each(calls, by_text))),
        call(rows::LAYER, "observed, text", layered, |calls| each(calls, by_text)),
        call(rows::LAYER, "info_span!", layered, |calls| each(calls, span)),
        call(rows::LAYER, "info! in info_span!", layered, lines_in_spans),
        call(rows::LINE, "info! in info_span!", lines, lines_in_spans),
        call(rows::LINE, "info! in observed", lines, lines_in_calls),
        call(rows::LINE, "info! in no span", lines, |calls| each_status(calls, line)),
        Case { load: Load::Steady(400_000), ..call(rows::FILE, "info! in info_span!", to_a_file, lines_in_spans) },
    ]
}
