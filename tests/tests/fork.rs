//! What the child of a fork does with the runtime of its parent: neither hang, nor write or send what is the parent's.
#![cfg(unix)]

use std::io::Write;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_runtime::config::LogPolicy;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{ObservabilityConfig, Telemetry, info, observed};
use serde_json::Value;
use tests::{alone, json_lines};

/// Says on the standard error who has exported what.
struct Told;

impl Exporter for Told {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        for span in &spans {
            eprintln!("exported {} by {}", span.span_id, std::process::id());
        }
        Delivery::all(&spans)
    }
}

#[observed]
fn work(who: &str) {
    info!(who, "working");
}

/// Forks; the child runs `child` and ends, and the parent goes on when it has.
fn forked(child: impl FnOnce()) {
    match fork::fork().expect("the system forks") {
        fork::Fork::Child => {
            child();
            exit(0);
        }
        fork::Fork::Parent(pid) => {
            let status = fork::waitpid(pid).expect("it ends");
            assert_eq!(status, 0, "the child has failed");
        }
    }
}

fn started(policy: LogPolicy) -> Telemetry {
    let config = ObservabilityConfig {
        log_policy: policy,
        log_queue_bytes: 64 * 1024,
        otlp_delay: Duration::from_secs(3_600),
        ..ObservabilityConfig::default()
    };
    Telemetry::builder("tests").config(config).exporter(Told).start().expect("it starts")
}

fn soon() -> Duration {
    Duration::from_secs(10)
}

/// The lines of a test and what it says, and that it has not failed.
fn output(test: &str) -> (Vec<Value>, String) {
    let output = alone(test).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
    (json_lines(&output.stdout), said)
}

fn said_by<'a>(lines: &'a [Value], who: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["who"] == who).collect()
}

#[test]
#[ignore = "alone in a process"]
fn alone_forks_and_tells_the_runtime() {
    let telemetry = started(LogPolicy::Drop);
    work("parent");
    telemetry.flush(soon());
    work("pending");
    forked(|| {
        telemetry.after_fork();
        for _ in 0..100 {
            work("child");
        }
        assert_eq!(telemetry.shutdown(soon()).lines_lost, 0);
    });
    work("parent");
    telemetry.shutdown(soon());
}

#[test]
fn a_child_that_tells_the_runtime_writes_its_own_lines_with_its_own_ids() {
    let (lines, said) = output("alone_forks_and_tells_the_runtime");
    assert_eq!(said_by(&lines, "child").len(), 100);
    assert_eq!(said_by(&lines, "parent").len(), 2);
    assert_eq!(said_by(&lines, "pending").len(), 1, "what was waiting at the fork is written once, by the parent");
    let mut ids: Vec<_> = lines.iter().map(|line| line["span_id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 103, "nobody repeats the ids of somebody else");
    let exported: Vec<_> = said.lines().filter(|line| line.starts_with("exported")).collect();
    assert_eq!(exported.len(), 3, "{said}");
    let parent = exported[0].rsplit(' ').next().expect("who it was");
    assert!(exported.iter().all(|line| line.ends_with(parent)), "the child sends nothing: {said}");
}

#[test]
#[ignore = "alone in a process"]
fn alone_forks_after_a_flush() {
    let telemetry = started(LogPolicy::Block);
    work("parent");
    telemetry.flush(soon());
    forked(|| {
        // More than there is room for: it waits for its own thread, not for the parent's.
        for _ in 0..1_000 {
            work("child");
        }
        telemetry.flush(soon());
    });
    work("parent");
    telemetry.shutdown(soon());
}

#[test]
fn a_child_after_a_flush_writes_its_lines_by_itself() {
    let (lines, _) = output("alone_forks_after_a_flush");
    assert_eq!((said_by(&lines, "child").len(), said_by(&lines, "parent").len()), (1_000, 2));
}

/// Takes as long as the test likes for a line.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<()>>, Arc<AtomicBool>);

impl Write for Slow {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.1.store(true, Relaxed);
        let _turn = self.0.lock().expect("not poisoned");
        std::io::stdout().write(text)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
}

#[test]
#[ignore = "alone in a process"]
fn alone_forks_in_the_middle_of_everything() {
    let config = ObservabilityConfig {
        log_policy: LogPolicy::Block,
        log_queue_bytes: 16 * 1024,
        ..ObservabilityConfig::default()
    };
    let slow = Slow::default();
    let telemetry =
        Telemetry::builder("tests").config(config).exporter(Told).log_writer(slow.clone()).start().expect("it starts");
    let busy = slow.0.lock().expect("not poisoned");
    work("pending");
    while !slow.1.load(Relaxed) {
        std::thread::yield_now();
    }
    work("pending");
    forked(|| {
        // The thread that writes is the parent's, the output is locked, and there is not room for all of this.
        for _ in 0..1_000 {
            work("child");
        }
        telemetry.flush(soon());
        telemetry.shutdown(soon());
    });
    drop(busy);
    telemetry.shutdown(soon());
}

#[test]
fn a_child_that_tells_nobody_neither_hangs_nor_writes_what_is_the_parents() {
    let (lines, _) = output("alone_forks_in_the_middle_of_everything");
    assert_eq!(said_by(&lines, "pending").len(), 2);
}
