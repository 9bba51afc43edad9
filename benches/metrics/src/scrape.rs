//! A scrape of 80,000 counters and 1,000 histograms of 12 buckets, 95,000 lines; and what a series takes when eight threads
//! have updated it.

use std::time::Instant;

use obs_runtime::{Counter, Histogram, LabelSet, LabelValue, MetricSet, Registry};

use crate::{BUCKETS, summary};

const COUNTERS: usize = 80_000;
const HISTOGRAMS: usize = 1_000;
const THREADS: usize = 8;

#[derive(LabelValue)]
#[label(max = 100_000)]
struct Name(String);

#[derive(LabelSet)]
struct Labels {
    method: Name,
    path: Name,
    id: Name,
}

#[derive(MetricSet)]
struct Set {
    /// Requests.
    scraped_total: Counter<Labels>,
    /// Durations.
    #[metric(buckets = BUCKETS.as_slice())]
    scraped_seconds: Histogram<Labels>,
}

fn texts(at: usize) -> [String; 3] {
    ["GET".to_owned(), format!("/v1/agents/{}", at % 100), format!("id-{at:06}")]
}

fn labels(at: usize) -> Labels {
    let [method, path, id] = texts(at);
    Labels { method: Name(method), path: Name(path), id: Name(id) }
}

/// Lets eight threads make and update every series; the bytes that each one takes.
fn fill(update: impl Fn(usize) + Sync) -> f64 {
    let filled = bench_heap::taken(|| {
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..COUNTERS).for_each(&update));
            }
        });
    });
    filled.held as f64 / COUNTERS as f64
}

struct Scraped {
    name: &'static str,
    /// Shows the text, in one or more pieces.
    scrape: Box<Scrape>,
    bytes: f64,
}

type Scrape = dyn Fn(&mut dyn FnMut(&[u8]));

pub fn run(rounds: usize) {
    let all = [ours(), prometheus(), prometheus_client(), measured()];
    let mut times = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (scraped, times) in all.iter().zip(&mut times) {
            let begun = Instant::now();
            (scraped.scrape)(&mut |piece| {
                std::hint::black_box(piece);
            });
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("\n### Scrape of 95,000 lines, updated by {THREADS} threads\n");
    println!(
        "| | ms median (min) | extra memory at the peak, MB | lines | bytes a counter series |\n|---|---:|---:|---:|---:|"
    );
    for (scraped, times) in all.iter().zip(&mut times) {
        let mut lines = 0;
        let mut count = |piece: &[u8]| lines += piece.iter().filter(|byte| **byte == b'\n').count();
        let extra = bench_heap::taken(|| (scraped.scrape)(&mut count)).peak as f64 / 1e6;
        println!("| {} | {} | {extra:.2} | {lines} | {:.0} |", scraped.name, summary(times), scraped.bytes);
    }
}

/// The whole text, piece by piece, as `/metrics` writes it.
fn ours() -> Scraped {
    let set = Set::new();
    let bytes = fill(|at| set.scraped_total.with(labels(at)).inc());
    (0..HISTOGRAMS).for_each(|at| set.scraped_seconds.with(labels(at)).observe(0.01));
    let registry = Registry::new();
    registry.register(&set).expect("free names");
    let scrape = Box::new(move |show: &mut dyn FnMut(&[u8])| {
        registry.encode_to(&mut |piece| {
            show(piece.as_bytes());
            true
        });
    });
    Scraped { name: "obs-runtime, streamed", scrape, bytes }
}

fn prometheus() -> Scraped {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, TextEncoder};
    let names = ["method", "path", "id"];
    let counter = IntCounterVec::new(Opts::new("scraped_total", "Requests."), &names).expect("sound");
    let opts = HistogramOpts::new("scraped_seconds", "Durations.").buckets(BUCKETS.to_vec());
    let histogram = HistogramVec::new(opts, &names).expect("sound");
    let bytes = fill(|at| counter.with_label_values(&texts(at)).inc());
    (0..HISTOGRAMS).for_each(|at| histogram.with_label_values(&texts(at)).observe(0.01));
    let registry = prometheus::Registry::new();
    registry.register(Box::new(counter)).expect("a free name");
    registry.register(Box::new(histogram)).expect("a free name");
    let scrape = Box::new(move |show: &mut dyn FnMut(&[u8])| {
        show(TextEncoder::new().encode_to_string(&registry.gather()).expect("sound").as_bytes());
    });
    Scraped { name: "prometheus", scrape, bytes }
}

fn prometheus_client() -> Scraped {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;
    type Labels = [(&'static str, String); 3];
    let labels = |at| {
        let [method, path, id] = texts(at);
        [("method", method), ("path", path), ("id", id)]
    };
    let counter = Family::<Labels, Counter>::default();
    let histogram = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
    let bytes = fill(|at| {
        counter.get_or_create(&labels(at)).inc();
    });
    (0..HISTOGRAMS).for_each(|at| histogram.get_or_create(&labels(at)).observe(0.01));
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("scraped", "Requests.", counter);
    registry.register("scraped_seconds", "Durations.", histogram);
    let scrape = Box::new(move |show: &mut dyn FnMut(&[u8])| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("sound");
        show(text.as_bytes());
    });
    Scraped { name: "prometheus-client", scrape, bytes }
}

fn measured() -> Scraped {
    use lasso::ThreadedRodeo;
    use measured::metric::histogram::Thresholds;
    use measured::text::BufferedTextEncoder;
    use measured::{CounterVec, HistogramVec, LabelGroup, MetricGroup};

    #[derive(LabelGroup)]
    #[label(set = OpenSet)]
    struct Open<'a> {
        #[label(dynamic_with = ThreadedRodeo)]
        method: &'a str,
        #[label(dynamic_with = ThreadedRodeo)]
        path: &'a str,
        #[label(dynamic_with = ThreadedRodeo)]
        id: &'a str,
    }

    #[derive(MetricGroup)]
    #[metric(new())]
    struct Group {
        /// Requests.
        #[metric(init = CounterVec::with_label_set(OpenSet::new(ThreadedRodeo::new(), ThreadedRodeo::new(), ThreadedRodeo::new())))]
        scraped_total: CounterVec<OpenSet>,
        /// Durations.
        #[metric(init = HistogramVec::with_label_set_and_metadata(OpenSet::new(ThreadedRodeo::new(), ThreadedRodeo::new(), ThreadedRodeo::new()), Thresholds::with_buckets(BUCKETS)))]
        scraped_seconds: HistogramVec<OpenSet, 12>,
    }

    let group = Group::new();
    let bytes = fill(|at| {
        let [method, path, id] = texts(at);
        group.scraped_total.inc(Open { method: &method, path: &path, id: &id });
    });
    for at in 0..HISTOGRAMS {
        let [method, path, id] = texts(at);
        group.scraped_seconds.observe(Open { method: &method, path: &path, id: &id }, 0.01);
    }
    let scrape = Box::new(move |show: &mut dyn FnMut(&[u8])| {
        let mut encoder = BufferedTextEncoder::new();
        group.collect_group_into(&mut encoder).expect("memory does not fail");
        show(&encoder.finish());
    });
    Scraped { name: "measured", scrape, bytes }
}
