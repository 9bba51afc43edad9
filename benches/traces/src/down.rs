use std::thread;
use std::time::{Duration, Instant};

use obs_runtime::{ObservabilityConfig, Telemetry};

use crate::{Null, USER, call};

const CALLS_A_SECOND: u64 = 40_000;

/// Calls at a steady pace while nobody listens where spans are sent, or, to compare, somebody takes them: every ten seconds
/// how much memory there is, and how long calls took.
pub(crate) fn run(seconds: u64, taken: bool) {
    // Bound and dropped: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let otlp_endpoint = (!taken).then(|| format!("http://{address}"));
    let config = ObservabilityConfig { otlp_endpoint, ..Default::default() };
    let builder = Telemetry::builder("down").config(config).log_writer(std::io::sink());
    let telemetry = if taken { builder.exporter(Null) } else { builder }.start().expect("it starts");
    let mut took: Vec<u32> = Vec::with_capacity((CALLS_A_SECOND * 11) as usize);
    let begin = Instant::now();
    let mut calls = 0;
    println!(
        "| second | resident, MiB | a call, median ns | 99 of 100, ns | 999 of 1,000, ns |\n|---:|---:|---:|---:|---:|"
    );
    for report in 1..=seconds.div_ceil(10) {
        took.clear();
        let until = begin + Duration::from_secs((report * 10).min(seconds));
        while Instant::now() < until {
            let due = begin.elapsed().as_micros() as u64 * CALLS_A_SECOND / 1_000_000;
            while calls < due {
                let one = Instant::now();
                call(USER);
                took.push(one.elapsed().as_nanos() as u32);
                calls += 1;
            }
            thread::sleep(Duration::from_millis(1));
        }
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        let second = begin.elapsed().as_secs();
        println!("| {second} | {:.1} | {} | {} | {} |", resident(), at(0.5), at(0.99), at(0.999));
    }
    let begin = Instant::now();
    let report = telemetry.shutdown(Duration::from_millis(500));
    println!(
        "{calls} calls; {} spans sent, {} lost; the shutdown with 500 ms took {} ms",
        report.spans_sent,
        report.spans_lost,
        begin.elapsed().as_millis()
    );
}

/// Memory of this process, in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096.0 / (1 << 20) as f64
}
