//! `bench-traces`: what each choice adds to an observed call, each in a process of its own, in turn, several rounds.
//! `bench-traces down SECONDS`: memory and calls while the collector is down, at 40,000 calls a second; `up`: the same with one
//! that takes all.

mod down;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use obs_runtime::config::{ObservabilityConfig, SpanEvents};
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{Telemetry, observed, warn};
use opentelemetry::trace::TraceContextExt;

/// An exporter that takes all and does nothing.
struct Null;

impl Exporter for Null {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        Delivery::all(&spans)
    }
}

#[observed(user_id)]
fn call(user_id: &str) {
    black_box(user_id);
}

#[observed(user_id)]
fn call_with_line(user_id: &str) {
    warn!(attempts = 2, "no room on the first node");
    black_box(user_id);
}

#[observed(user_id)]
fn call_that_looks(user_id: &str) {
    black_box(user_id);
    black_box(opentelemetry::Context::current().span().span_context().clone());
}

const USER: &str = "0af7651916cd43dd8448eb211c80319c-abc";

struct Row {
    name: &'static str,
    config: fn(&mut ObservabilityConfig),
    mirrored: bool,
    call: fn(&str),
}

const ROWS: [Row; 8] = [
    Row { name: "sampled", config: |_| (), mirrored: false, call },
    Row { name: "not sampled", config: |config| config.trace_sample_rate = 0.0, mirrored: false, call },
    Row {
        name: "not sampled, tail sampling",
        config: |config| (config.trace_sample_rate, config.tail_sampling) = (0.0, true),
        mirrored: false,
        call,
    },
    Row {
        name: "sampled, one warning, no events",
        config: |config| config.span_events = SpanEvents::Off,
        mirrored: false,
        call: call_with_line,
    },
    Row { name: "sampled, one warning, an event", config: |_| (), mirrored: false, call: call_with_line },
    Row { name: "sampled, as OpenTelemetry's context", config: |_| (), mirrored: true, call },
    Row { name: "sampled, which is looked at, not mirrored", config: |_| (), mirrored: false, call: call_that_looks },
    Row { name: "sampled, which is looked at", config: |_| (), mirrored: true, call: call_that_looks },
];

const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["row", name] => row(ROWS.iter().find(|row| row.name == name).expect("a row")),
        ["down", seconds] => down::run(number(seconds), false),
        ["up", seconds] => down::run(number(seconds), true),
        _ => rows(),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn rows() {
    let mut found: BTreeMap<&str, Vec<[f64; 2]>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for row in &ROWS {
            let own = std::env::current_exe().expect("a program has a path");
            let output = Command::new(own).args(["row", row.name]).output().expect("it runs");
            let text = String::from_utf8(output.stdout).expect("numbers");
            let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
            found.entry(row.name).or_default().push([(); 2].map(|()| numbers.next().expect("two numbers")));
        }
    }
    println!("| ns a call | minimum | median | processor, all threads |\n|---|---:|---:|---:|");
    for row in &ROWS {
        let column = |at: usize| {
            let mut values: Vec<f64> = found[row.name].iter().map(|round| round[at]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (wall, processor) = (column(0), column(1));
        println!("| {} | {:.0} | {:.0} | {:.0} |", row.name, wall[0], wall[ROUNDS / 2], processor[0]);
    }
}

/// Prints the best nanoseconds of a call on its thread, and those of the processor for a call on all threads.
fn row(row: &Row) {
    const CALLS: u32 = 5_000;
    let mut config = ObservabilityConfig::default();
    (row.config)(&mut config);
    let builder = Telemetry::builder("bench").config(config).log_writer(std::io::sink()).exporter(Null);
    let builder = if row.mirrored { builder.opentelemetry_context() } else { builder };
    let telemetry = builder.start().expect("it starts");
    let (begin, before) = (Instant::now(), processor());
    let (mut best, mut calls) = (Duration::MAX, 0);
    while begin.elapsed() < Duration::from_millis(600) {
        let round = Instant::now();
        (0..CALLS).for_each(|_| (row.call)(black_box(USER)));
        best = best.min(round.elapsed());
        calls += CALLS;
    }
    telemetry.flush(Duration::from_secs(5));
    let processor = (processor() - before).as_nanos() as f64 / f64::from(calls);
    println!("{} {processor}", best.as_nanos() as f64 / f64::from(CALLS));
}

/// How long this process has worked, on all its threads: ticks of ten milliseconds.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
