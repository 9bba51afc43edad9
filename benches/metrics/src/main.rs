//! What an update and a scrape cost, beside the peers, in one run: `cargo run --release -p bench-metrics`.
//!
//! Updates pick one of 160 series (4 x 8 x 5) at random; every figure is of one thread's time, with one thread and with
//! two at once. Rounds go through all peers in turn, so that what disturbs the machine disturbs them alike.

mod by_hand;
mod ours;
mod peers;
mod scrape;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Updates in one measurement.
const UPDATES: usize = 40_000;
const ROUNDS: usize = 61;

pub static PATHS: [&str; 8] = [
    "/v1/agents",
    "/v1/agents/{agent_id}",
    "/v1/agents/{agent_id}/logs",
    "/v1/sessions",
    "/v1/sessions/{session_id}",
    "/v1/users/{user_id}",
    "/healthz",
    "/readyz",
];
pub static METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
pub static STATUSES: [&str; 5] = ["200", "201", "400", "404", "500"];
pub const BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// Which series, and how long it took.
#[derive(Clone, Copy)]
pub struct Pick {
    pub method: u8,
    pub path: u8,
    pub status: u8,
    pub seconds: f64,
}

pub fn picks() -> Vec<Pick> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..4_096)
        .map(|_| Pick {
            method: (random() % 4) as u8,
            path: (random() % 8) as u8,
            status: (random() % 5) as u8,
            seconds: (random() % 10_000) as f64 / 5_000.0,
        })
        .collect()
}

/// One thing to measure.
pub struct Case {
    pub table: &'static str,
    pub name: &'static str,
    pub update: Box<Update>,
}

type Update = dyn Fn(&[Pick], usize) + Send + Sync;

impl Case {
    pub fn new(table: &'static str, name: &'static str, update: impl Fn(&Pick) + Send + Sync + 'static) -> Self {
        let update = Box::new(move |picks: &[Pick], updates: usize| {
            // Loop by loop, so that it is the same few instructions around whatever is measured.
            let mut left = updates;
            while left > 0 {
                let round = &picks[..left.min(picks.len())];
                round.iter().for_each(|pick| update(black_box(pick)));
                left -= round.len();
            }
        });
        Case { table, name, update }
    }
}

/// Nanoseconds an update, of one thread among `threads`.
fn measure(case: &Case, picks: &[Pick], threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let times: Vec<f64> = std::thread::scope(|scope| {
        let run = || {
            (case.update)(picks, 4_096);
            barrier.wait();
            let begun = Instant::now();
            (case.update)(picks, UPDATES);
            begun.elapsed().as_nanos() as f64 / UPDATES as f64
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it measures")).collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}

fn main() {
    let only = std::env::args().nth(1);
    let picks = picks();
    let mut cases: Vec<Case> = ours::cases().into_iter().chain([by_hand::case()]).chain(peers::cases()).collect();
    if let Some(only) = only.as_deref().filter(|only| *only != "scrape") {
        cases.retain(|case| format!("{}: {}", case.table, case.name).starts_with(only));
    }
    let mut times = vec![[Vec::new(), Vec::new()]; cases.len()];
    if only.as_deref() != Some("scrape") {
        for _ in 0..ROUNDS {
            for (case, times) in cases.iter().zip(&mut times) {
                for threads in [1, 2] {
                    times[threads - 1].push(measure(case, &picks, threads));
                }
            }
        }
        let mut table = "";
        for (case, [one, two]) in cases.iter().zip(&mut times) {
            if table != case.table {
                table = case.table;
                println!(
                    "\n### {table}\n\n| | 1 thread, ns median (min) | 2 threads | allocations |\n|---|---:|---:|---:|"
                );
            }
            let allocations = bench_heap::taken(|| (case.update)(&picks, 10_000)).allocations as f64 / 10_000.0;
            println!("| {} | {} | {} | {allocations:.0} |", case.name, summary(one), summary(two));
        }
    }
    drop(cases);
    if only.is_none_or(|only| only == "scrape") {
        scrape::run(11);
    }
}

pub fn summary(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    format!("{:.1} ({:.1})", times[times.len() / 2], times[0])
}
