//! What a whole call costs: one span, two lines to a file, a histogram, and the span over gRPC to another process, beside the
//! peers: `cargo run --release -p bench-stack`, with words only the loads whose name has one of them.
//!
//! `--sending`: what of it a finished span costs on its way out.
//!
//! Each measurement is a process of its own with a receiver of its own. Processor time is that of the process under load, all
//! threads, load generator included, until everything is written and sent; that of the receiver is not in it.

mod receiver;
mod sending;
mod stacks;

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::receiver::Receiver;
use crate::stacks::Stack;

const ROUNDS: usize = 3;
const TASKS: u64 = 16;
const KINDS: [&str; 4] = ["chat", "batch", "tool", "eval"];

/// How the calls come: for so long, on so many workers, at so many a second or (0) as fast as they can.
struct Load {
    name: &'static str,
    workers: usize,
    time: Duration,
    rate: u64,
}

const LOADS: [Load; 4] = [
    Load { name: "saturated, one worker", workers: 1, time: Duration::from_secs(2), rate: 0 },
    Load { name: "saturated, two workers", workers: 2, time: Duration::from_secs(2), rate: 0 },
    Load { name: "paced at 10,000/s", workers: 2, time: Duration::from_secs(4), rate: 10_000 },
    Load { name: "paced at 40,000/s", workers: 2, time: Duration::from_secs(4), rate: 40_000 },
];

/// What one process has to say.
#[derive(Clone, Copy)]
struct Figures {
    /// Microseconds of all threads for each call.
    processor: f64,
    calls_each_second: f64,
    /// How many spans arrived for each second of load.
    delivered_each_second: f64,
    spans: f64,
    lines: f64,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [flag] if flag == "--receiver" => return receiver::serve(),
        [flag] if flag == "--sending" => return sending::run(),
        [flag, stack, load] if flag == "--case" => {
            let number = |text: &String| text.parse::<usize>().expect("a number");
            let Figures { processor, calls_each_second, delivered_each_second, spans, lines } =
                measure(Stack::ALL[number(stack)], &LOADS[number(load)]);
            println!("{processor} {calls_each_second} {delivered_each_second} {spans} {lines}");
            return;
        }
        _ => {}
    }
    for (number, load) in LOADS.iter().enumerate() {
        if !arguments.is_empty() && !arguments.iter().any(|word| load.name.contains(word)) {
            continue;
        }
        let mut seen = Stack::ALL.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (stack, seen) in seen.iter_mut().enumerate() {
                seen.push(measured(stack, number));
            }
        }
        println!(
            "\n| {} | us of processor a call, minimum (median) | calls/s | spans delivered/s, median | spans | lines |",
            load.name
        );
        println!("|---|---:|---:|---:|---:|---:|");
        let mut all = Vec::new();
        for (stack, seen) in Stack::ALL.iter().zip(&mut seen) {
            seen.sort_by(|one, other| one.processor.total_cmp(&other.processor));
            let (best, middle) = (seen[0], seen[seen.len() / 2]);
            let mut delivered: Vec<f64> = seen.iter().map(|figures| figures.delivered_each_second).collect();
            delivered.sort_by(f64::total_cmp);
            println!(
                "| {} | {:.2} ({:.2}) | {:.0} | {:.0} | {:.1} % | {:.1} % |",
                stack.name(),
                best.processor,
                middle.processor,
                best.calls_each_second,
                delivered[delivered.len() / 2],
                middle.spans * 100.0,
                middle.lines * 100.0,
            );
            all.push((best.processor, middle.processor));
        }
        println!(
            "standard: {:.1} (medians {:.1}) times ours; fastrace: {:.1} (medians {:.1}) times ours",
            all[2].0 / all[1].0,
            all[2].1 / all[1].1,
            all[3].0 / all[1].0,
            all[3].1 / all[1].1
        );
    }
}

fn measure(stack: Stack, load: &Load) -> Figures {
    let mut receiver = Receiver::start();
    let path = env::temp_dir().join(format!("bench-stack-{}.log", std::process::id()));
    let runtime = |threads| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().build().expect("a runtime")
    };
    let background = runtime(1);
    let entered = background.enter();
    let end = stack.begin(&receiver.url, &path, background.handle());
    drop(entered);
    let workers = runtime(load.workers);
    let warm = workers.block_on(calls(stack, Duration::from_millis(100), 16_000));
    std::thread::sleep(Duration::from_millis(300));
    let (before, begun) = (processor_time(), Instant::now());
    let made = workers.block_on(calls(stack, load.time, load.rate));
    let time = begun.elapsed().as_secs_f64();
    end();
    let all_sent = begun.elapsed().as_secs_f64();
    let processor = (processor_time() - before) / 1e3 / made as f64;
    let (spans, calls) = (receiver.spans() as f64, (warm + made) as f64);
    let lines = std::fs::read(&path).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count());
    let _ = std::fs::remove_file(&path);
    Figures {
        processor,
        calls_each_second: made as f64 / time,
        delivered_each_second: (spans - warm as f64).max(0.0) / all_sent,
        spans: spans / calls,
        lines: lines as f64 / (2.0 * calls),
    }
}

/// Calls for so long; how many there were.
async fn calls(stack: Stack, time: Duration, rate: u64) -> u64 {
    let begun = Instant::now();
    let ids = |number: u64| format!("3f2b8c1e-9d4a-4e7b-8a61-0c5d{:08x}", (number as u32).wrapping_mul(2_654_435_761));
    let ids: &'static [String] = Vec::leak((0..256).map(ids).collect());
    let task = |task: u64| async move {
        let mut number = 0;
        loop {
            if number % 32 == 0 {
                let due = match rate {
                    0 => begun.elapsed(),
                    rate => Duration::from_secs_f64((number * TASKS + task) as f64 / rate as f64),
                };
                if due >= time {
                    return number;
                }
                if let Some(left) = due.checked_sub(begun.elapsed()) {
                    tokio::time::sleep(left).await;
                }
            }
            let id = |number: u64| ids[(number & 255) as usize].as_str();
            let _ = stack.call(id(number + task), id(number * 7 + task), KINDS[(number & 3) as usize]).await;
            number += 1;
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(number))).collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no panic");
    }
    calls
}

/// Processor time of this process so far, all threads, in nanoseconds: fields 14 and 15 of `/proc/self/stat`, in hundredths
/// of a second. Those of ended threads are in it.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 1e7
}

/// This stack under this load, in a process of its own.
fn measured(stack: usize, load: usize) -> Figures {
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args(["--case", &stack.to_string(), &load.to_string()])
        .output()
        .expect("this program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers are ASCII");
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [processor, calls_each_second, delivered_each_second, spans, lines] = numbers[..] else { panic!("{text}") };
    Figures { processor, calls_each_second, delivered_each_second, spans, lines }
}
