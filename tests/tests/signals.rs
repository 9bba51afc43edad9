//! `shutdown_on_signal`: a process that is told to end says what it still has to say, and ends as the signal asks.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{ObservabilityConfig, Telemetry, info, observed};
use tests::{alone, json_lines};

struct Told;

impl Exporter for Told {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        for span in &spans {
            eprintln!("exported {}", span.name);
        }
        Delivery::all(&spans)
    }
}

#[observed]
fn work() {
    info!("working");
}

#[test]
#[ignore = "alone in a process"]
fn alone_waits_for_a_signal() {
    let config = ObservabilityConfig { otlp_delay: Duration::from_secs(3_600), ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("tests").config(config).exporter(Told).start().expect("it starts");
    telemetry.shutdown_on_signal().expect("it listens");
    work();
    eprintln!("ready");
    loop {
        std::thread::park();
    }
}

/// Says that it was asked, and never answers.
struct Stuck;

impl Exporter for Stuck {
    fn export(&mut self, _: Vec<FinishedSpan>) -> Delivery {
        eprintln!("exporting");
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[ignore = "alone in a process"]
fn alone_waits_for_two_signals() {
    let config = ObservabilityConfig { otlp_delay: Duration::from_secs(3_600), ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("tests").config(config).exporter(Stuck).start().expect("it starts");
    telemetry.shutdown_on_signal().expect("it listens");
    work();
    eprintln!("ready");
    loop {
        std::thread::park();
    }
}

/// A process of this test, and what it says on its standard error.
struct Service(Child, BufReader<ChildStderr>);

impl Service {
    fn start(test: &str) -> Self {
        let mut service = alone(test).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let told = BufReader::new(service.stderr.take().expect("its errors"));
        Service(service, told)
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.1.read_line(&mut line).expect("a line"), 0, "it ends too early");
        }
    }

    fn send(&self, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.0.id())]).status();
        assert!(sent.expect("a shell").success());
    }
}

#[test]
fn a_signal_ends_the_process_as_it_asks_with_nothing_left_unsaid() {
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let mut service = Service::start("alone_waits_for_a_signal");
        service.wait_for("ready");
        service.send(name);
        let Service(mut service, mut told) = service;
        let mut rest = String::new();
        told.read_to_string(&mut rest).expect("UTF-8");
        let mut lines = Vec::new();
        service.stdout.take().expect("its lines").read_to_end(&mut lines).expect("its lines");
        let status = service.wait().expect("it ends");
        assert_eq!(status.signal(), Some(number), "{status}");
        assert!(rest.contains("exported work"), "a span that would have waited for an hour: {rest}");
        assert_eq!(json_lines(&lines)[0]["message"], "working");
    }
}

#[test]
fn a_second_signal_does_not_wait_for_an_exporter_that_never_answers() {
    let mut service = Service::start("alone_waits_for_two_signals");
    service.wait_for("ready");
    service.send("TERM");
    service.wait_for("exporting");
    let sent = Instant::now();
    service.send("TERM");
    assert_eq!(service.0.wait().expect("it ends").signal(), Some(15));
    // The first one alone would have taken five seconds.
    assert!(sent.elapsed() < Duration::from_secs(4), "{:?}", sent.elapsed());
}
