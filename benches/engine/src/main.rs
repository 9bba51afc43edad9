//! What a span, a line and an observed call cost, beside the peers, in one run: `cargo run --release -p bench-engine`; with
//! words, only the cases whose row or name has one of them; `--case` with a number and threads measures that one here.
//!
//! Each measurement is a process of its own, as a subscriber is global; the processes take turns, so that what else the
//! machine does falls on all of them. Calls come in bursts of a thousand with a pause between, so that the threads behind the
//! caller keep up on all sides and nothing is dropped. Spans are sampled and reach an exporter that forgets them; lines go to a
//! sink. Figures are nanoseconds a call of the caller, the loop around it included.

mod measure;
mod ours;
mod peers;
mod work;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::measure::{Case, Figures, Load};

const ROUNDS: usize = 7;

/// The rows of the table.
pub mod rows {
    pub const SAMPLED: &str = "a call with two fields: span and histogram, sampled";
    pub const NOT_SAMPLED: &str = "a call with two fields: span and histogram, not sampled";
    pub const SPAN: &str = "a span with two fields, entered and closed";
    pub const LAYER: &str = "the engine as a layer over a registry, sampled";
    pub const POLL: &str = "one more poll";
    pub const IDLE: &str = "a call with no runtime started";
    pub const LINE: &str = "a line in two nested spans";
    pub const FILE: &str = "a line in two nested spans, to a file, until it is written";
}

/// What is promised: nanoseconds of a case, beyond those of another one where that is named.
const PROMISES: [(&str, &str, f64, Option<&str>); 8] = [
    (rows::SAMPLED, "observed, text", 100.0, None),
    (rows::NOT_SAMPLED, "observed, text", 80.0, None),
    (rows::SPAN, "info_span!", 150.0, None),
    (rows::POLL, "observed", 10.0, Some("bare")),
    (rows::IDLE, "observed", 5.0, None),
    (rows::LINE, "info! in info_span!", 110.0, None),
    (rows::LINE, "info! in observed", 110.0, None),
    (rows::FILE, "info! in info_span!", 300.0, None),
];

/// How many times less than a peer's case one of ours takes.
const RATIOS: [(&str, &str, &str, f64); 3] = [
    (rows::SAMPLED, "observed, text", "instrument + fmt json + opentelemetry + prometheus", 15.0),
    (rows::SAMPLED, "observed, text", "fastrace + prometheus", 4.0),
    (rows::LINE, "info! in info_span!", "info! in info_span!, fmt json", 15.0),
];

pub fn scratch(name: &str) -> PathBuf {
    env::temp_dir().join(format!("bench-engine-{name}.log"))
}

fn cases() -> Vec<Case> {
    ours::cases().into_iter().chain(peers::cases()).collect()
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, number, threads] = &arguments[..]
        && flag == "--case"
    {
        let case = &cases()[number.parse::<usize>().expect("the number of a case")];
        measure::measure(case, threads.parse().expect("a number of threads")).print();
        return;
    }
    let wanted = |case: &Case| {
        arguments.is_empty() || arguments.iter().any(|word| case.row.contains(word) || case.name.contains(word))
    };
    let mut cases: Vec<(usize, Case)> = cases().into_iter().enumerate().filter(|(_, case)| wanted(case)).collect();
    let mut seen = vec![[Vec::new(), Vec::new()]; cases.len()];
    for _ in 0..ROUNDS {
        for ((number, case), seen) in cases.iter().zip(&mut seen) {
            for threads in [1, 2] {
                if threads == 1 || matches!(case.load, Load::Bursts(_)) {
                    seen[threads - 1].push(measured(*number, threads));
                }
            }
        }
    }
    let mut all: Vec<(Case, [Summary; 2])> =
        cases.drain(..).zip(seen).map(|((_, case), seen)| (case, seen.map(|figures| Summary::of(&figures)))).collect();
    all.sort_by_key(|(case, _)| case.row);
    print(&all);
    let find = |row: &str, name: &str| {
        all.iter().find(|(case, _)| case.row == row && case.name == name).map(|(_, [one, two])| (one, two))
    };
    println!();
    for (row, name, target, beyond) in PROMISES {
        let Some((one, _)) = find(row, name) else { continue };
        let less = beyond.map_or(0.0, |other| find(row, other).map_or(0.0, |(one, _)| one.minimum));
        let (minimum, median) = (one.minimum - less, one.median - less);
        let verdict = if median <= target {
            "met"
        } else if minimum <= target {
            "met by the minimum"
        } else {
            "missed"
        };
        println!("{row}: {name}: {minimum:.1} ({median:.1}) of {target:.0} ns: {verdict}");
    }
    for (row, name, peer, target) in RATIOS {
        let (Some((own, own_two)), Some((peers, peers_two))) = (find(row, name), find(row, peer)) else { continue };
        let (minima, medians) = (peers.minimum / own.minimum, peers.median / own.median);
        let two = peers_two.minimum / own_two.minimum;
        let verdict = if minima.max(medians) >= target { "met" } else { "missed" };
        println!(
            "{row}: {peer}: {minima:.1} times (medians {medians:.1}, two threads {two:.1}) of {target:.0}: {verdict}"
        );
    }
}

/// What all rounds say together.
#[derive(Clone, Copy)]
struct Summary {
    minimum: f64,
    /// The median of the medians.
    median: f64,
    processor: f64,
    allocations: f64,
    arrived: f64,
}

impl Summary {
    fn of(figures: &[Figures]) -> Self {
        let sorted = |of: fn(&Figures) -> f64| {
            let mut all: Vec<f64> = figures.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let first = |all: Vec<f64>| all.first().copied().unwrap_or(f64::NAN);
        let middle = |all: Vec<f64>| all.get(all.len() / 2).copied().unwrap_or(f64::NAN);
        Summary {
            minimum: first(sorted(|figures| figures.minimum)),
            median: middle(sorted(|figures| figures.median)),
            processor: first(sorted(|figures| figures.processor)),
            allocations: first(sorted(|figures| figures.allocations)),
            arrived: first(sorted(|figures| figures.arrived)),
        }
    }
}

fn print(all: &[(Case, [Summary; 2])]) {
    let number =
        |number: f64, digits: usize| if number.is_nan() { String::new() } else { format!("{number:.digits$}") };
    let mut row = "";
    for (case, [one, two]) in all {
        if row != case.row {
            row = case.row;
            println!(
                "\n| {row} | 1 thread, ns minimum (median) | 2 threads | processor | allocations | spans arrived |"
            );
            println!("|---|---:|---:|---:|---:|---:|");
        }
        let time = |summary: &Summary| match summary.minimum.is_nan() {
            true => String::new(),
            false => format!("{:.1} ({:.1})", summary.minimum, summary.median),
        };
        let arrived = if one.arrived.is_nan() { String::new() } else { format!("{:.0} %", one.arrived * 100.0) };
        println!(
            "| {} | {} | {} | {} | {} | {arrived} |",
            case.name,
            time(one),
            time(two),
            number(one.processor, 0),
            number(one.allocations, 1)
        );
    }
}

/// This case, in a process of its own.
fn measured(case: usize, threads: usize) -> Figures {
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args(["--case", &case.to_string(), &threads.to_string()])
        .output()
        .expect("this program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Figures::read(&String::from_utf8(output.stdout).expect("numbers are ASCII"))
}
