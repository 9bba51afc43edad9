//! Two versions of obs-runtime in one process.

use std::time::Duration;

use obs_runtime::{Telemetry, info};
use tests::{alone, json_lines};

/// What a library is that depends on another version.
mod library {
    #[second_runtime::observed(crate = second_runtime)]
    pub(crate) fn work() {
        second_runtime::info!("working");
    }

    #[derive(second_runtime::MetricSet)]
    #[metric_set(prefix = "library", crate = second_runtime)]
    pub(crate) struct Metrics {
        /// Calls of the library.
        calls_total: second_runtime::Counter,
    }

    pub(crate) fn count() {
        <Metrics as second_runtime::MetricSet>::global().calls_total.inc();
    }
}

const TOLD: &str = "Two versions of obs-runtime";

#[test]
#[ignore = "alone in a process"]
fn alone_starts_beside_a_copy_that_was_used_before() {
    library::count();
    let telemetry = Telemetry::builder("tests").start().expect("it starts");
    info!("started");
    library::work();
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
#[ignore = "alone in a process"]
fn alone_starts_beside_a_copy_that_is_used_later() {
    let telemetry = Telemetry::builder("tests").start().expect("it starts");
    info!("started");
    library::work();
    library::work();
    // It is told by a thread; the line comes soon or the test fails in the end.
    let told = std::time::Instant::now() + Duration::from_secs(10);
    while std::time::Instant::now() < told
        && !obs_runtime::metrics::encode().contains("obs_log_lines_total{level=\"warn\"} 1")
    {
        std::thread::yield_now();
    }
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
#[ignore = "alone in a process"]
fn alone_starts_by_itself() {
    let telemetry = Telemetry::builder("tests").start().expect("it starts");
    info!("started");
    telemetry.shutdown(Duration::from_secs(10));
}

fn told(test: &str) -> Vec<serde_json::Value> {
    let output = alone(test).output().expect("it runs");
    let lines = json_lines(&output.stdout);
    assert!(lines.iter().any(|line| line["message"] == "started"), "{}", String::from_utf8_lossy(&output.stdout));
    lines.into_iter().filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with(TOLD))).collect()
}

#[test]
fn a_copy_is_told_of_in_one_line() {
    for test in ["alone_starts_beside_a_copy_that_was_used_before", "alone_starts_beside_a_copy_that_is_used_later"] {
        let told = told(test);
        assert_eq!(told.len(), 1, "{test}: {told:?}");
        assert_eq!((&told[0]["level"], &told[0]["other"]), (&"warn".into(), &"9.9.9".into()));
        assert_ne!(told[0]["version"], "9.9.9");
    }
}

#[test]
fn without_a_copy_nothing_is_told() {
    assert_eq!(told("alone_starts_by_itself"), Vec::<serde_json::Value>::new());
}
