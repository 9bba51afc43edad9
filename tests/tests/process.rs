//! What is global to a process, each in a process of its own.

use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::tracing::dispatcher;
use obs_runtime::tracing::subscriber::NoSubscriber;
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

/// Speaks of what it does, in lines, spans and records.
struct Talkative;

impl Talkative {
    fn talk(&self) {
        // No dispatcher of the thread's own: it would slow down all the others.
        assert!(dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>()));
        info_span!("talking").in_scope(|| info!("at work"));
        log::error!("at work");
        talk_observed();
    }
}

#[observed]
fn talk_observed() {
    error!("at work");
}

impl Exporter for Talkative {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        self.talk();
        for span in &spans {
            eprintln!("exported {}", span.name);
        }
        Delivery::all(&spans)
    }
}

impl Write for Talkative {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.talk();
        io::stdout().write(text)
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

#[test]
#[ignore = "alone in a process"]
fn alone_carries_telemetry_and_talks() {
    let telemetry = Telemetry::builder("tests").exporter(Talkative).log_writer(Talkative).start().unwrap();
    info_span!("work").in_scope(|| info!("working"));
    telemetry.flush(Duration::from_secs(10));
    info_span!("work").in_scope(|| info!("working"));
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn threads_that_carry_telemetry_are_not_heard() {
    let output = alone("alone_carries_telemetry_and_talks").output().unwrap();
    let lines = json_lines(&output.stdout);
    assert!(lines.iter().all(|line| line["message"] == "working"), "{lines:?}");
    assert_eq!(lines.len(), 2);
    let said = String::from_utf8_lossy(&output.stderr);
    let exported: Vec<_> = said.lines().filter(|line| line.starts_with("exported")).collect();
    assert_eq!(exported, ["exported work"; 2]);
    assert!(output.status.success(), "{said}");
}

#[test]
#[ignore = "alone in a process"]
fn alone_breaks_its_output() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("an output that panics")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = obs_runtime::ObservabilityConfig {
        log_policy: obs_runtime::config::LogPolicy::Block,
        log_queue_bytes: 1024,
        ..obs_runtime::ObservabilityConfig::default()
    };
    let telemetry = Telemetry::builder("tests").config(config).log_writer(Broken).start().unwrap();
    let begun = std::time::Instant::now();
    (0..1_000).for_each(|n| info!(n, "into nowhere"));
    assert_eq!(telemetry.shutdown(Duration::from_secs(10)).lines_lost, 1_000);
    eprintln!("took {}", begun.elapsed().as_millis());
}

#[test]
fn an_output_that_panics_neither_ends_nor_stops_the_service_though_each_panic_is_told() {
    let output = alone("alone_breaks_its_output").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("an output that panics"), "{said}");
    let took = said.lines().find_map(|line| line.strip_prefix("took ")).unwrap().parse::<u64>().unwrap();
    // Each panic passes the hook, which waits for nothing on this thread.
    assert!(took < 10_000, "{took} ms");
}

#[test]
#[ignore = "alone in a process"]
fn alone_reads_a_clock() {
    let telemetry = Telemetry::builder("tests").start().unwrap();
    info!("now");
    let text = obs_runtime::metrics::encode();
    eprintln!("{}", text.lines().find(|line| line.starts_with("obs_build_info{")).unwrap());
    telemetry.shutdown(Duration::from_secs(10));
}

#[test]
fn the_clock_of_the_system_serves_where_it_is_wanted() {
    for (wanted, clock) in [(Some("std"), "system"), (None, "counter")] {
        let mut command = alone("alone_reads_a_clock");
        match wanted {
            Some(wanted) => command.env("OBS_CLOCK", wanted),
            None => command.env_remove("OBS_CLOCK"),
        };
        let earliest = std::time::SystemTime::now();
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("clock=\"{clock}\"")), "{said}");
        let stamp = json_lines(&output.stdout)[0]["timestamp"].as_str().unwrap().to_owned();
        let seconds = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let date = Command::new("date").args(["+%s", "-d", &stamp]).output().unwrap();
        let told: u64 = String::from_utf8_lossy(&date.stdout).trim().parse().unwrap();
        assert!((seconds(earliest)..=seconds(std::time::SystemTime::now())).contains(&told), "{stamp}");
    }
}
