//! Takes the time of one case, in a process of its own.

use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Between two bursts everything that works behind the caller comes to rest, so that nothing is dropped on any side.
const PAUSE: Duration = Duration::from_millis(5);
const BURSTS: usize = 60;

/// Something to measure.
pub struct Case {
    /// The row of the table.
    pub row: &'static str,
    pub name: &'static str,
    pub load: Load,
    /// Sets up what listens, in a process of its own; what it returns ends that, and says how many spans have arrived.
    pub begin: fn() -> End,
    /// So many calls.
    pub run: fn(u32),
}

/// How the calls come.
#[derive(Clone, Copy, PartialEq)]
pub enum Load {
    /// So many at once, and then a pause.
    Bursts(u32),
    /// So many without a pause; what is left behind the caller is waited for.
    Steady(u32),
}

pub type End = Box<dyn FnOnce() -> Option<u64>>;

/// What one process has to say of a case, a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Nanoseconds of the caller.
    pub median: f64,
    pub minimum: f64,
    /// Nanoseconds of all threads; of steady loads alone, as the system counts in hundredths of a second.
    pub processor: f64,
    /// Allocations of the caller.
    pub allocations: f64,
    /// The share of the spans that arrived.
    pub arrived: f64,
}

impl Figures {
    pub fn print(self) {
        let Figures { median, minimum, processor, allocations, arrived } = self;
        println!("{median} {minimum} {processor} {allocations} {arrived}");
    }

    pub fn read(text: &str) -> Self {
        let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next().expect("five numbers");
        Figures { median: next(), minimum: next(), processor: next(), allocations: next(), arrived: next() }
    }
}

pub fn measure(case: &Case, threads: usize) -> Figures {
    match case.load {
        Load::Bursts(calls) => bursts(case, calls, threads),
        Load::Steady(calls) => steady(case, calls),
    }
}

fn bursts(case: &Case, calls: u32, threads: usize) -> Figures {
    let end = (case.begin)();
    let barrier = Barrier::new(threads);
    let of_thread = || {
        (case.run)(calls);
        let burst = |_| {
            thread::sleep(PAUSE);
            barrier.wait();
            let begun = Instant::now();
            (case.run)(calls);
            begun.elapsed().as_nanos() as f64 / f64::from(calls)
        };
        (0..BURSTS).map(burst).collect::<Vec<_>>()
    };
    let times: Vec<Vec<f64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(of_thread)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it measures")).collect()
    });
    let mean = |burst: usize| times.iter().map(|times| times[burst]).sum::<f64>() / threads as f64;
    let mut means: Vec<f64> = (0..BURSTS).map(mean).collect();
    means.sort_by(f64::total_cmp);
    (case.run)(calls);
    thread::sleep(PAUSE);
    let allocations = bench_heap::taken(|| (case.run)(calls)).allocations;
    thread::sleep(PAUSE);
    let made = f64::from(calls) * (threads * (BURSTS + 1) + 2) as f64;
    Figures {
        median: means[BURSTS / 2],
        minimum: means[0],
        processor: f64::NAN,
        allocations: allocations as f64 / f64::from(calls),
        arrived: end().map_or(f64::NAN, |arrived| arrived as f64 / made),
    }
}

fn steady(case: &Case, calls: u32) -> Figures {
    let end = (case.begin)();
    (case.run)(calls / 10);
    let (before, begun) = (processor_time(), Instant::now());
    (case.run)(calls);
    let arrived = end();
    let (time, processor) = (begun.elapsed().as_nanos() as f64, processor_time() - before);
    let each = time / f64::from(calls);
    Figures {
        median: each,
        minimum: each,
        processor: processor / f64::from(calls),
        allocations: f64::NAN,
        arrived: arrived.map_or(f64::NAN, |arrived| arrived as f64 / f64::from(calls + calls / 10)),
    }
}

/// Processor time of this process so far, all threads, in nanoseconds: fields 14 and 15 of `/proc/self/stat`, in hundredths
/// of a second. Those of ended threads are in it.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 1e7
}
