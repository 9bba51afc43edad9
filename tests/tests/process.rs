//! What is global to a process, each in a process of its own.

use std::time::Duration;

use obs_runtime::{StartError, Telemetry, error, info, info_span, init_tracer, init_tracing, observed};
use tests::{alone, json_lines};

#[test]
#[ignore = "alone in a process"]
fn alone_logs_by_init_tracing() {
    let guard = init_tracing();
    let again = init_tracing();
    info_span!("work", user_id = "u1").in_scope(|| info!("working"));
    drop((again, guard));
    // Whatever would be written later is not waited for.
    std::process::exit(0);
}

#[test]
fn init_tracing_writes_lines_that_its_guard_flushes() {
    let output = alone("alone_logs_by_init_tracing").output().unwrap();
    let lines = json_lines(&output.stdout);
    assert_eq!(lines.len(), 1, "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((&lines[0]["message"], &lines[0]["user_id"]), (&"working".into(), &"u1".into()));
}

#[test]
fn init_tracing_with_a_wrong_configuration_says_so_and_goes_on() {
    let output = alone("alone_logs_by_init_tracing").env("OBS_TRACE_SAMPLE_RATE", "1.5").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("OBS_TRACE_SAMPLE_RATE"), "{said}");
    assert_eq!(json_lines(&output.stdout).len(), 1);
}

#[test]
fn a_person_reads_the_other_form() {
    let output = alone("alone_logs_by_init_tracing").env("OBS_LOG_JSON", "false").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(json_lines(&output.stdout).is_empty(), "{told}");
    assert!(told.lines().any(|line| line.contains("working") && line.contains("u1")), "{told}");
}

#[test]
#[ignore = "alone in a process"]
fn alone_starts_twice() {
    let first = Telemetry::builder("first").start().unwrap();
    let second = Telemetry::builder("second").start();
    assert!(matches!(second, Err(StartError::AlreadyStarted)));
    // Published functions change nothing either.
    drop(init_tracer("third", "http://127.0.0.1:1"));
    info!("still here");
    assert_eq!(first.shutdown(Duration::from_secs(5)).lines_lost, 0);
}

#[test]
fn a_second_start_is_an_error_and_the_first_goes_on() {
    let output = alone("alone_starts_twice").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(json_lines(&output.stdout).iter().any(|line| line["message"] == "still here"));
}

/// The line of this file that has `text` first.
fn line_of(text: &str) -> usize {
    include_str!("process.rs").lines().position(|line| line.contains(text)).expect("it is there") + 1
}

#[observed(user_id)]
fn break_down(user_id: &str) {
    error!("about to break");
    panic!("broken for {user_id}");
}

#[test]
#[ignore = "alone in a process"]
fn alone_panics() {
    let _telemetry = Telemetry::builder("panics").start().unwrap();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        // No destructor runs and nobody flushes: what is not written now never is.
        std::process::exit(101);
    }));
    break_down("u1");
}

#[test]
fn a_panic_is_an_error_line_in_its_span_and_is_written_though_the_process_ends() {
    let output = alone("alone_panics").output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let lines = json_lines(&output.stdout);
    assert_eq!(lines.len(), 2, "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(lines[0]["message"], "about to break");
    let panic = &lines[1];
    assert_eq!((&panic["level"], &panic["error"]), (&"error".into(), &"broken for u1".into()));
    assert_eq!((&panic["user_id"], &panic["span_id"]), (&"u1".into(), &lines[0]["span_id"]));
    let line = line_of("panic!(\"broken for");
    assert_eq!((&panic["file"], &panic["line"]), (&file!().into(), &line.into()));
    assert!(panic["panic.location"].as_str().unwrap().contains(&format!("process.rs:{line}:")), "{panic}");
    // The hook that was there before has had its say.
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken for u1"));
}
