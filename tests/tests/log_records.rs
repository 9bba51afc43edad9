//! Records of the `log` crate are lines like those of `tracing`.

use std::time::Duration;

use obs_runtime::{ObservabilityConfig, Telemetry, info_span, observed};
use serde_json::Value;
use tests::{alone, json_lines};

fn started(log_level: &str) -> Telemetry {
    let config = ObservabilityConfig { log_level: log_level.to_owned(), ..ObservabilityConfig::default() };
    Telemetry::builder("tests").config(config).start().expect("it starts")
}

fn lines(test: &str) -> Vec<Value> {
    let output = alone(test).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json_lines(&output.stdout)
}

const LINE: u32 = line!() + 4;

#[observed(user_id)]
fn work(user_id: u32) {
    log::info!(target: "library", size = 3, share = 0.5, ok = true, name = "é\n\"", trace_id = "forged", none:? = None::<u8>; "hello {}", "there");
}

#[test]
#[ignore = "alone in a process"]
fn alone_logs_records() {
    let telemetry = started("info");
    work(7);
    log::warn!("outside");
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn a_record_has_level_target_place_and_pairs_and_the_span_that_it_happens_in() {
    let lines = lines("alone_logs_records");
    let [inside, outside] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&inside["level"], &inside["target"]), (&"info".into(), &"library".into()));
    assert_eq!(inside["message"], "hello there");
    assert_eq!((&inside["file"], &inside["line"]), (&file!().into(), &LINE.into()));
    assert_eq!((&inside["size"], &inside["share"], &inside["ok"]), (&3.into(), &0.5.into(), &true.into()));
    assert_eq!((&inside["name"], &inside["trace_id_"]), (&"é\n\"".into(), &"forged".into()));
    assert_eq!(inside["user_id"], 7);
    assert!(inside["span_id"].is_string());
    assert_eq!((&outside["level"], &outside["target"]), (&"warn".into(), &"log_records".into()));
    assert!(outside["span_id"].is_null());
}

#[test]
#[ignore = "alone in a process"]
fn alone_logs_records_by_directives() {
    let telemetry = started("warn,loud=trace,loud::but=off,[work{user_id=7}]=debug");
    for target in ["loud", "loud::but", "quiet"] {
        log::trace!(target: target, "trace");
        log::warn!(target: target, "warn");
    }
    info_span!("work", user_id = 7).in_scope(|| log::debug!(target: "quiet", "for 7"));
    info_span!("work", user_id = 8).in_scope(|| log::debug!(target: "quiet", "for 8"));
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn records_obey_the_directives() {
    let lines = lines("alone_logs_records_by_directives");
    let told: Vec<_> = lines
        .iter()
        .map(|line| format!("{} {}", line["target"].as_str().unwrap_or(""), line["message"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(told, ["loud trace", "loud warn", "quiet warn", "quiet for 7"]);
}

/// Fails the test if anybody looks at it.
struct Unseen;

impl std::fmt::Display for Unseen {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("nobody wants to know")
    }
}

#[test]
#[ignore = "alone in a process"]
fn alone_follows_the_level() {
    let telemetry = started("warn");
    assert_eq!(log::max_level(), log::LevelFilter::Warn);
    log::info!("{Unseen}");
    telemetry.set_level(obs_runtime::LevelChange::new("trace")).expect("it changes");
    assert_eq!(log::max_level(), log::LevelFilter::Trace);
    log::trace!("for a while");
    telemetry.reset_level();
    assert_eq!(log::max_level(), log::LevelFilter::Warn);
    log::info!("{Unseen}");
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn what_nobody_wants_costs_a_comparison_and_the_level_follows() {
    let lines = lines("alone_follows_the_level");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "for a while");
}

#[test]
#[ignore = "alone in a process"]
fn alone_finds_another_logger() {
    struct Other;
    impl log::Log for Other {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            eprintln!("the other: {}", record.args());
        }
        fn flush(&self) {}
    }
    log::set_logger(&Other).expect("the first one");
    log::set_max_level(log::LevelFilter::Debug);
    let telemetry = started("warn");
    log::debug!("still mine");
    assert_eq!(log::max_level(), log::LevelFilter::Debug);
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn a_logger_that_is_there_already_stays() {
    let output = alone("alone_finds_another_logger").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("the other: still mine"), "{said}");
    assert!(json_lines(&output.stdout).is_empty());
}

#[test]
#[ignore = "alone in a process"]
fn alone_flushes_by_the_facade() {
    let _telemetry = started("info");
    for n in 0..1_000 {
        log::info!(n; "flushed");
    }
    log::logger().flush();
    // Whatever would be written later is not waited for.
    std::process::exit(0);
}

#[test]
fn a_flush_of_the_facade_writes_what_was_logged() {
    assert_eq!(lines("alone_flushes_by_the_facade").len(), 1_000);
}
