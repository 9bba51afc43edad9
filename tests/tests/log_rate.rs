//! `log_rate`: how many lines one place in the program writes a second.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use obs_runtime::{ObservabilityConfig, Telemetry, info, observed, warn};
use serde_json::Value;
use tests::Written;

/// What is written of `work` with this rate.
fn lines(log_rate: u32, work: impl FnOnce()) -> Vec<Value> {
    let memory = Written::default();
    let config = ObservabilityConfig { log_rate, ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("tests").config(config).log_writer(memory.clone()).build().expect("it builds");
    telemetry.in_scope(work);
    assert_eq!(telemetry.shutdown(Duration::from_secs(10)).lines_lost, 0);
    memory.json()
}

fn with_message<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

fn suppressed(lines: &[Value]) -> u64 {
    lines.iter().filter_map(|line| line["suppressed"].as_u64()).sum()
}

/// Counts how often it is looked at.
struct Seen<'a>(&'a Cell<usize>);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        f.write_str("seen")
    }
}

#[test]
fn a_storm_costs_a_few_lines_that_tell_of_all_others_and_no_field_is_looked_at_in_vain() {
    let looked = Cell::new(0);
    let lines = lines(10, || {
        for _ in 0..1_000 {
            warn!(value = %Seen(&looked), "storm");
        }
        info!("calm");
    });
    let storm = with_message(&lines, "storm").len();
    // The first of each second, and it may be more than one.
    assert!((10..1_000).contains(&storm), "{storm} lines");
    assert_eq!(storm as u64 + suppressed(&lines), 1_000);
    assert_eq!(looked.get(), storm);
    assert_eq!(with_message(&lines, "calm").len(), 1, "another place has a bound of its own");
    let counted = obs_runtime::metrics::encode();
    let dropped = r#"obs_dropped_total{signal="logs",reason="rate_limited"} "#;
    let count: u64 = counted
        .lines()
        .find_map(|line| line.strip_prefix(dropped))
        .expect("the reason is counted")
        .parse()
        .expect("a number");
    assert!(count >= suppressed(&lines), "{count}");
}

#[test]
fn a_line_after_a_storm_tells_how_many_were_held_back() {
    let lines = lines(1, || {
        let begun = std::time::Instant::now();
        // Two borders between seconds come by.
        while begun.elapsed() < Duration::from_millis(2_010) {
            info!("again");
            std::thread::yield_now();
        }
    });
    let again = with_message(&lines, "again");
    // At most the first of each second, and on a busy machine some seconds pass without a line.
    assert!((2..=4).contains(&again.len()), "{again:?}");
    assert_eq!(again[0].get("suppressed"), None);
    assert!(again[1..].iter().any(|line| line["suppressed"].as_u64() > Some(0)), "{again:?}");
}

#[test]
fn without_a_rate_nothing_is_held_back() {
    let lines = lines(0, || (0..2_000).for_each(|n| info!(n, "storm")));
    assert_eq!(lines.len(), 2_000);
}

#[observed]
fn fails() -> Result<(), String> {
    Err("no room".to_owned())
}

#[observed(audit)]
fn audited() {}

#[test]
fn errors_of_observed_functions_are_held_back_and_still_counted_and_auditors_hear_everything() {
    let lines = lines(1, || {
        for _ in 0..100 {
            let _ = fails();
            audited();
        }
    });
    let failed = with_message(&lines, "fails failed").len();
    assert!((1..100).contains(&failed), "{failed} lines");
    assert_eq!(failed as u64 + suppressed(&lines), 100);
    assert_eq!(with_message(&lines, "audited finished").len(), 100);
    let text = obs_runtime::metrics::encode();
    assert!(
        text.contains(r#"operation_duration_seconds_count{operation="fails",target="log_rate",outcome="error"} 100"#)
    );
}
