//! Log lines to real files and pipes that misbehave: the service goes on, nothing is torn, and what is lost is counted.
#![cfg(unix)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write, pipe};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use obs_runtime::config::LogPolicy;
use obs_runtime::{ObservabilityConfig, Telemetry, info};
use serde_json::Value;
use tests::alone;

fn telemetry(output: impl Write + Send + 'static, log_policy: LogPolicy) -> Telemetry {
    let config = ObservabilityConfig { log_policy, ..ObservabilityConfig::default() };
    Telemetry::builder("tests").config(config).log_writer(output).build().expect("it builds")
}

fn soon() -> Duration {
    Duration::from_secs(30)
}

/// What has been lost in this process, by reason.
fn dropped(reason: &str) -> u64 {
    let series = format!(r#"obs_dropped_total{{signal="logs",reason="{reason}"}} "#);
    let text = obs_runtime::metrics::encode();
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().expect("a number"))
}

/// Gives a few bytes at a time to a real pipe, and is interrupted in between.
struct InParts<W> {
    output: W,
    turn: usize,
}

impl<W: Write> Write for InParts<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.turn += 1;
        match self.turn % 5 {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => Err(ErrorKind::WouldBlock.into()),
            part => self.output.write(&text[..text.len().min(part * 1_000 + 7)]),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Eight threads at full speed into `output`, whose other end `input` is; nothing may be lost or torn.
fn eight_threads(mut input: impl Read + Send + 'static, output: impl Write + Send + 'static) {
    const EACH: usize = 2_000;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        input.read_to_string(&mut text).expect("UTF-8");
        text
    });
    let telemetry = telemetry(output, LogPolicy::Block);
    thread::scope(|scope| {
        for thread in 0..8 {
            let telemetry = &telemetry;
            scope.spawn(move || {
                telemetry.in_scope(|| (0..EACH).for_each(|n| info!(thread, n, text = "\"é\"\n", "line")));
            });
        }
    });
    assert_eq!(telemetry.shutdown(soon()).lines_lost, 0);
    drop(telemetry);
    let text = reader.join().expect("no panic");
    let mut next = [0; 8];
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is one object");
        let thread = line["thread"].as_u64().expect("a number") as usize;
        assert_eq!(line["n"].as_u64(), Some(next[thread]), "each thread's lines in their order");
        next[thread] += 1;
    }
    assert_eq!(next, [EACH as u64; 8]);
}

#[test]
fn with_the_policy_block_eight_threads_lose_nothing_and_tear_nothing() {
    let (input, output) = pipe().expect("a pipe");
    eight_threads(input, output);
}

#[test]
fn an_output_that_takes_parts_and_pauses_loses_nothing_and_tears_nothing() {
    let (input, output) = pipe().expect("a pipe");
    eight_threads(input, InParts { output, turn: 0 });
}

#[test]
fn a_full_disk_costs_lines_and_not_the_service() {
    for policy in [LogPolicy::Drop, LogPolicy::Block] {
        let before = dropped("write_failed");
        let full = File::options().write(true).open("/dev/full").expect("a device that is full");
        let telemetry = telemetry(full, policy);
        telemetry.in_scope(|| (0..1_000).for_each(|n| info!(n, "onto a full disk")));
        assert_eq!(telemetry.shutdown(soon()).lines_lost, 1_000);
        assert!(dropped("write_failed") >= before + 1_000);
    }
}

#[test]
fn a_closed_pipe_costs_lines_and_not_the_service() {
    let (input, output) = pipe().expect("a pipe");
    drop(input);
    let telemetry = telemetry(output, LogPolicy::Block);
    telemetry.in_scope(|| (0..1_000).for_each(|n| info!(n, "into a closed pipe")));
    assert_eq!(telemetry.shutdown(soon()).lines_lost, 1_000);
}

#[test]
fn a_pipe_that_does_not_block_and_that_nobody_reads_is_given_up_and_what_follows_begins_on_a_new_line() {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let (output, input) = {
        let _inside = reactor.enter();
        let (output, input) = tokio::net::unix::pipe::pipe().expect("a pipe");
        (output.into_nonblocking_fd().expect("a descriptor"), input.into_nonblocking_fd().expect("a descriptor"))
    };
    let mut input = File::from(input);
    let mut read = || {
        let mut text = Vec::new();
        // After the shutdown the other end may be closed already.
        if let Err(err) = input.read_to_end(&mut text) {
            assert_eq!(err.kind(), ErrorKind::WouldBlock);
        }
        text
    };
    let telemetry = telemetry(File::from(output), LogPolicy::Drop);
    // More than a pipe holds.
    telemetry.in_scope(|| (0..1_000).for_each(|n| info!(n, "nobody reads")));
    telemetry.flush(soon());
    let mut text = read();
    telemetry.in_scope(|| info!("somebody reads"));
    let lost = telemetry.shutdown(soon()).lines_lost;
    text.extend(read());

    let text = String::from_utf8(text).expect("UTF-8");
    let (whole, torn): (Vec<_>, Vec<_>) = text.lines().partition(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(torn.len() <= 1, "only the line that broke off: {torn:?}");
    assert!(whole.last().is_some_and(|line| line.contains("somebody reads")));
    assert_eq!(whole.len() as u64 + lost, 1_001);
}

#[test]
#[ignore = "alone in a process"]
fn alone_logs_into_a_pipe_that_nobody_reads() {
    let telemetry = Telemetry::builder("tests").start().expect("it starts");
    let begun = Instant::now();
    for n in 0..100_000 {
        info!(n, "nobody reads");
    }
    let worked = begun.elapsed();
    let report = telemetry.shutdown(Duration::from_millis(100));
    let all = begun.elapsed();
    assert!(all - worked < Duration::from_secs(2), "the deadline is kept: {:?}", all - worked);
    // The framework would wait to say how it went.
    eprintln!("lost {} {}", report.lines_lost, dropped("queue_full"));
    std::process::exit(0);
}

#[test]
fn a_terminal_that_stands_still_costs_lines_and_not_the_pace_of_the_service() {
    let mut service = alone("alone_logs_into_a_pipe_that_nobody_reads")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let told = BufReader::new(service.stderr.take().expect("its errors")).lines().map_while(Result::ok);
    let told: Vec<_> = told.filter(|line| line.starts_with("lost ")).collect();
    assert!(service.wait().expect("it ends").success());
    let [told] = &told[..] else { panic!("{told:?}") };
    let counts: Vec<u64> = told.split(' ').skip(1).map(|count| count.parse().expect("a number")).collect();
    assert!(counts.iter().all(|count| *count > 0), "at its end and on its way: {told}");

    let mut text = String::new();
    service.stdout.take().expect("its lines").read_to_string(&mut text).expect("UTF-8");
    let lines: Vec<_> = text.lines().filter(|line| line.contains("{\"timestamp\"")).collect();
    let whole = lines.iter().filter(|line| serde_json::from_str::<Value>(&line[line.find('{').unwrap_or(0)..]).is_ok());
    // The last one breaks off where the pipe was full.
    assert!(whole.count() + 1 >= lines.len() && lines.len() > 100, "{} lines", lines.len());
}

#[test]
#[ignore = "alone in a process"]
fn alone_logs_to_whoever_has_gone() {
    let telemetry = Telemetry::builder("tests").start().expect("it starts");
    eprintln!("ready");
    let mut word = String::new();
    io::stdin().read_line(&mut word).expect("a word");
    for n in 0..10_000 {
        info!(n, "nobody is there");
    }
    let report = telemetry.shutdown(soon());
    eprintln!("lost {}", report.lines_lost);
    std::process::exit(0);
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_service() {
    let mut service = alone("alone_logs_to_whoever_has_gone")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut told = BufReader::new(service.stderr.take().expect("its errors"));
    let mut ready = String::new();
    told.read_line(&mut ready).expect("a line");
    // From here on the framework has nothing to say.
    drop(service.stdout.take());
    service.stdin.take().expect("its input").write_all(b"gone\n").expect("it listens");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("UTF-8");
    assert!(service.wait().expect("it ends").success(), "{rest}");
    assert!(rest.contains("lost 10000"), "{rest}");
}
