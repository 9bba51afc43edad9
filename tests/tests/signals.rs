//! `shutdown_on_signal`: a process that is told to end says what it still has to say, and ends as the signal asks.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

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

#[test]
fn a_signal_ends_the_process_as_it_asks_with_nothing_left_unsaid() {
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let mut service =
            alone("alone_waits_for_a_signal").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut told = BufReader::new(service.stderr.take().expect("its errors"));
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert_ne!(told.read_line(&mut line).expect("a line"), 0, "it ends too early");
        }
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", service.id())]).status();
        assert!(sent.expect("a shell").success());
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
