//! Times one call in three dresses, plain, `#[tracing::instrument]` with `fmt().json()`, and `#[observed]`, and prints
//! nanoseconds a call.
//!
//! Each measurement is a process of its own, as a subscriber is global; the processes take turns, so that what else the machine
//! does falls on all of them. Lines go to a sink on both sides. The runtime's lines are written by a thread of its own, which
//! holds the caller back when it cannot keep up (`log_policy = "block"`), so nothing is lost on either side; the processor time
//! of the whole process is printed beside the time of the caller.

use std::hint::black_box;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use obs_runtime::config::{LogPolicy, ObservabilityConfig};
use obs_runtime::{Telemetry, observed};

const ROUNDS: usize = 7;
const CALLS: u32 = 200_000;

const USER: &str = "0af76519-16cd-43dd-8448-eb211c80319c";
const AGENT: &str = "b7ad6b71-6920-4333-8331-0af7651916cd";

fn plain(user_id: &str, agent_id: &str) -> usize {
    black_box(user_id.len() + agent_id.len())
}

#[tracing::instrument(level = "info", skip_all, fields(user_id = user_id, agent_id = agent_id))]
fn instrumented(user_id: &str, agent_id: &str) -> usize {
    plain(user_id, agent_id)
}

#[tracing::instrument(level = "info", skip_all, fields(user_id = user_id, agent_id = agent_id))]
fn instrumented_with_a_line(user_id: &str, agent_id: &str) -> usize {
    tracing::info!(status = "provisioning", "Agent created");
    plain(user_id, agent_id)
}

#[observed(user_id, agent_id)]
fn observed(user_id: &str, agent_id: &str) -> usize {
    plain(user_id, agent_id)
}

#[observed(user_id, agent_id)]
fn observed_with_a_line(user_id: &str, agent_id: &str) -> usize {
    obs_runtime::info!(status = "provisioning", "Agent created");
    plain(user_id, agent_id)
}

/// A measurement: its name, and what does it.
type Case = (&'static str, fn() -> Duration);

const CASES: [Case; 5] = [
    ("plain", || calls(plain)),
    ("instrument + fmt json", || stock(instrumented)),
    ("observed", || ours(observed)),
    ("instrument + fmt json, one line", || stock(instrumented_with_a_line)),
    ("observed, one line", || ours(observed_with_a_line)),
];

fn stock(call: fn(&str, &str) -> usize) -> Duration {
    tracing_subscriber::fmt().json().with_writer(io::sink).init();
    calls(call)
}

fn ours(call: fn(&str, &str) -> usize) -> Duration {
    let config = ObservabilityConfig { log_policy: LogPolicy::Block, ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("benches").config(config).log_writer(io::sink()).start().expect("it starts");
    let time = calls(call);
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(report.lines_lost, 0, "nothing may be lost");
    time
}

fn calls(call: fn(&str, &str) -> usize) -> Duration {
    let run = |calls| {
        let begin = Instant::now();
        for _ in 0..calls {
            black_box(call(black_box(USER), black_box(AGENT)));
        }
        begin.elapsed()
    };
    run(CALLS / 10);
    run(CALLS)
}

/// Processor time of this process so far, all threads, in nanoseconds: fields 14 and 15 of `/proc/self/stat`, in hundredths.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 1e7
}

fn main() {
    if let Some(number) = std::env::args().nth(1) {
        let (_, measure) = CASES[number.parse::<usize>().expect("the number of a case")];
        let time = measure();
        let each = f64::from(CALLS);
        println!("{} {}", time.as_nanos() as f64 / each, processor_time() / (each * 1.1));
        return;
    }
    let mut seen = vec![Vec::new(); CASES.len()];
    for _ in 0..ROUNDS {
        for (number, seen) in seen.iter_mut().enumerate() {
            seen.push(measured(number));
        }
    }
    println!("{:<34} {:>9} {:>9} {:>12}", "ns per call", "median", "minimum", "processor");
    let medians: Vec<f64> = CASES
        .iter()
        .zip(seen)
        .map(|((name, _), seen)| {
            let (mut times, mut processor): (Vec<f64>, Vec<f64>) = seen.into_iter().unzip();
            times.sort_by(f64::total_cmp);
            processor.sort_by(f64::total_cmp);
            println!("{name:<34} {:>9.1} {:>9.1} {:>12.0}", times[ROUNDS / 2], times[0], processor[ROUNDS / 2]);
            times[ROUNDS / 2]
        })
        .collect();
    println!(
        "\ninstrument + fmt json costs {:.1} times what observed costs, with one line {:.1} times",
        medians[1] / medians[2],
        medians[3] / medians[4]
    );
}

/// The time of the caller and of the processor, in nanoseconds a call, of this case in a process of its own.
fn measured(case: usize) -> (f64, f64) {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program).arg(case.to_string()).output().expect("this program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers are ASCII");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    (numbers.next().expect("a time"), numbers.next().expect("a time"))
}
