//! Where numbers are kept: nothing is lost, nothing is mixed up, nothing grows without bound.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;

use obs_runtime::{Counter, Gauge, Histogram, Info, LabelSet, LabelValue, MetricSet, Registry};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(LabelValue, Clone, Copy, Debug)]
pub enum Colour {
    Red,
    Green,
    Blue,
}

#[derive(LabelValue)]
#[label(max = 50)]
pub struct Name(String);

#[derive(LabelSet)]
pub struct Closed {
    colour: Colour,
    bright: bool,
}

#[derive(LabelSet)]
pub struct Open {
    name: Name,
    colour: Colour,
}

#[derive(LabelSet)]
pub struct Version {
    version: Name,
}

#[derive(MetricSet)]
pub struct Stored {
    /// Things of closed labels.
    closed_things_total: Counter<Closed>,
    /// Things of open labels.
    open_things_total: Counter<Open>,
    /// How long they took.
    things_seconds: Histogram<Closed>,
    /// How large they are.
    #[metric(buckets = [1.0, 2.0, 4.0])]
    things_bytes: Histogram<Open>,
    /// How many there are.
    things: Gauge<Open>,
    /// Things that are soon forgotten.
    #[metric(ttl = "1ns")]
    fleeting_things_total: Counter<Open>,
    /// How many there are of those.
    #[metric(ttl = "1ns")]
    fleeting_things: Gauge<Open>,
    /// What is at work.
    things_info: Info<Version>,
    /// All of them.
    all_things_total: Counter,
    /// What they weigh.
    #[metric(buckets = [1.0, 1000.0])]
    things_grams: Histogram,
}

const COLOURS: [Colour; 3] = [Colour::Red, Colour::Green, Colour::Blue];

fn open(name: &str, colour: Colour) -> Open {
    Open { name: Name(name.to_owned()), colour }
}

fn text_of(set: &Stored) -> String {
    let registry = Registry::new();
    registry.register(set).unwrap();
    registry.encode()
}

/// The lines of the text, as name with labels and value.
fn numbers(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
        .collect()
}

fn number(text: &str, name: &str) -> Option<f64> {
    numbers(text).get(name).copied()
}

#[derive(Clone, Debug)]
enum Update {
    Closed(usize, bool, u64),
    Open(u8, usize, u64),
    Took(usize, f64),
    Size(u8, f64),
}

fn update() -> impl Strategy<Value = Update> {
    prop_oneof![
        (0..3_usize, any::<bool>(), 0..1_000_u64).prop_map(|(colour, bright, n)| Update::Closed(colour, bright, n)),
        (any::<u8>(), 0..3_usize, 0..1_000_u64).prop_map(|(name, colour, n)| Update::Open(name % 60, colour, n)),
        (0..3_usize, 0.0..20.0).prop_map(|(colour, seconds)| Update::Took(colour, seconds)),
        (any::<u8>(), 0.0..8.0).prop_map(|(name, size)| Update::Size(name % 8, size)),
    ]
}

fn apply(set: &Stored, update: &Update) {
    match update {
        Update::Closed(colour, bright, n) => {
            set.closed_things_total.with(Closed { colour: COLOURS[*colour], bright: *bright }).add(*n);
        }
        // Names above the bound would fall to whoever comes first.
        Update::Open(name, colour, n) => {
            set.open_things_total.with(open(&format!("n{}", name % 50), COLOURS[*colour])).add(*n);
        }
        Update::Took(colour, seconds) => {
            set.things_seconds.with(Closed { colour: COLOURS[*colour], bright: true }).observe(*seconds);
        }
        Update::Size(name, size) => set.things_bytes.with(open(&format!("s{name}"), Colour::Red)).observe(*size),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_threads_count_what_one_would(updates in vec(vec(update(), 0..200), 1..6)) {
        let (one, many) = (Stored::new(), Stored::new());
        updates.iter().flatten().for_each(|update| apply(&one, update));
        thread::scope(|scope| {
            for updates in &updates {
                scope.spawn(|| updates.iter().for_each(|update| apply(&many, update)));
            }
        });
        let (one, many) = (numbers(&text_of(&one)), numbers(&text_of(&many)));
        prop_assert_eq!(one.keys().collect::<Vec<_>>(), many.keys().collect::<Vec<_>>());
        for (name, value) in &one {
            prop_assert!((value - many[name]).abs() <= 1e-9 * value.abs(), "{}: {} and {}", name, value, many[name]);
        }
    }
}

#[test]
fn a_count_beyond_two_to_the_53rd_is_exact() {
    let set = Stored::new();
    set.all_things_total.add(1 << 60);
    thread::scope(|scope| {
        scope.spawn(|| set.all_things_total.add(3));
    });
    assert!(text_of(&set).contains("\nall_things_total 1152921504606846979\n"));
}

#[test]
fn the_sum_of_many_small_and_few_large_observations_is_exact() {
    let set = Stored::new();
    set.things_grams.observe(1e15);
    (0..100_000).for_each(|_| set.things_grams.observe(0.1));
    set.things_grams.observe(-1e15);
    let sum = number(&text_of(&set), "things_grams_sum").unwrap();
    assert!((sum - 10_000.0).abs() <= 1e-9 * 10_000.0, "{sum}");
}

#[test]
fn series_that_are_not_updated_leave_after_their_ttl() {
    let set = Stored::new();
    let there = |text: &str| text.contains("fleeting_things_total{") && text.contains("fleeting_things{");
    set.fleeting_things_total.with(open("a", Colour::Red)).inc();
    set.fleeting_things.with(open("a", Colour::Red)).set(1.0);
    assert!(there(&text_of(&set)), "just updated");
    set.fleeting_things_total.with(open("a", Colour::Red)).inc();
    set.fleeting_things.with(open("a", Colour::Red)).set(1.0);
    assert!(there(&text_of(&set)), "updated again");
    let text = text_of(&set);
    assert!(!text.contains("fleeting_things_total{") && !text.contains("fleeting_things{"), "left alone: {text}");
    set.fleeting_things_total.with(open("a", Colour::Red)).inc();
    assert_eq!(number(&text_of(&set), r#"fleeting_things_total{name="a",colour="red"}"#), Some(1.0), "begins anew");
}

#[test]
fn what_is_known_takes_the_place_of_what_was_known() {
    let set = Stored::new();
    for version in ["1.0", "1.1"] {
        set.things_info.set(Version { version: Name(version.to_owned()) });
    }
    let text = text_of(&set);
    assert!(text.contains("# TYPE things_info gauge\n"), "{text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("things_info")).collect();
    assert_eq!(lines, [r#"things_info{version="1.1"} 1"#]);
}

#[test]
fn a_handle_to_a_series_that_was_removed_never_writes_to_the_one_that_took_its_place() {
    let set = Stored::new();
    let old = set.open_things_total.with(open("old", Colour::Red));
    old.add(5);
    assert!(set.open_things_total.remove(&open("old", Colour::Red)));
    set.open_things_total.with(open("new", Colour::Red)).inc();
    old.add(100);
    assert_eq!(number(&text_of(&set), r#"open_things_total{name="new",colour="red"}"#), Some(1.0));
}

#[test]
fn a_million_different_values_are_one_series_beyond_the_bound() {
    let set = Arc::new(Stored::new());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let set = Arc::clone(&set);
            thread::spawn(move || {
                for at in 0..25_000 {
                    set.open_things_total.with(open(&format!("{thread}-{at}"), Colour::Red)).inc();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let text = text_of(&set);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("open_things_total{")).collect();
    assert_eq!(lines.len(), 51, "50 of their own, and `_other`");
    let sum: f64 =
        numbers(&text).iter().filter(|(name, _)| name.starts_with("open_things_total{")).map(|(_, n)| n).sum();
    assert_eq!(sum, 100_000.0, "no count is lost");
}

#[test]
fn scrapes_while_64_threads_make_series_for_the_first_time_neither_block_nor_miss() {
    let set = Stored::new();
    let registry = Registry::new();
    registry.register(&set).unwrap();
    let (begin, done) = (Barrier::new(66), AtomicBool::new(false));
    thread::scope(|scope| {
        let counting: Vec<_> = (0..64_usize)
            .map(|thread| {
                let (set, begin) = (&set, &begin);
                scope.spawn(move || {
                    begin.wait();
                    for at in 0..200_usize {
                        let colour = COLOURS[at % 3];
                        set.open_things_total.with(open(&format!("n{}", (thread + at) % 50), colour)).inc();
                        set.closed_things_total.with(Closed { colour, bright: at % 2 == 0 }).inc();
                        set.things_seconds.with(Closed { colour, bright: true }).observe(0.5);
                        set.things.with(open(&format!("n{}", at % 50), colour)).add(1.0);
                        Stored::global().all_things_total.inc();
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                begin.wait();
                let mut last = 0.0;
                while !done.load(Relaxed) {
                    let text = registry.encode();
                    let all = |text: &str, name: &str| -> f64 {
                        numbers(text).iter().filter(|(line, _)| line.starts_with(name)).map(|(_, n)| n).sum()
                    };
                    let count = all(&text, "open_things_total{");
                    assert!(count >= last, "a counter went back from {last} to {count}");
                    last = count;
                    assert!(!obs_runtime::metrics::encode_openmetrics().is_empty());
                }
            });
        }
        counting.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Relaxed);
    });
    let text = registry.encode();
    let all =
        |name: &str| -> f64 { numbers(&text).iter().filter(|(line, _)| line.starts_with(name)).map(|(_, n)| n).sum() };
    for name in ["open_things_total{", "closed_things_total{", "things_seconds_count{", "things{"] {
        assert_eq!(all(name), 64.0 * 200.0, "{name}");
    }
    assert_eq!(all("things_seconds_sum{"), 64.0 * 200.0 * 0.5);
}

#[test]
fn a_set_is_a_collector_of_any_registry_of_the_prometheus_crate() {
    let set = Stored::new();
    set.all_things_total.add(7);
    set.things_bytes.with(open("a\"b", Colour::Blue)).observe(3.0);
    let registry = prometheus::Registry::new();
    registry.register(Box::new(obs_runtime::metrics::collector(&set))).unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        "# HELP all_things_total All of them.",
        "# TYPE all_things_total counter",
        "all_things_total 7",
        r#"things_bytes_bucket{name="a\"b",colour="blue",le="2"} 0"#,
        r#"things_bytes_bucket{name="a\"b",colour="blue",le="4"} 1"#,
        r#"things_bytes_bucket{name="a\"b",colour="blue",le="+Inf"} 1"#,
        r#"things_bytes_sum{name="a\"b",colour="blue"} 3"#,
    ] {
        let found = text.lines().any(|other| {
            // The crate sorts labels by their names.
            let parts = |text: &str| {
                let mut parts: Vec<_> = text.split(['{', '}', ',', ' ']).map(str::to_owned).collect();
                parts.sort();
                parts
            };
            parts(other) == parts(line)
        });
        assert!(found, "{line} is not in {text}");
    }
    assert!(registry.register(Box::new(Stored::new())).is_err(), "the names are taken");
}
