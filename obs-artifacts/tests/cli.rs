//! The program, run as a user runs it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use obs_artifacts::catalogue::Published;
use obs_artifacts::estimate::Prices;
use obs_artifacts::{Catalogue, Query};
use obs_runtime::OPERATION_DESCRIPTORS;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_obs-artifacts")).args(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("obs-artifacts-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers each connection with the next page.
fn serve(pages: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for page in pages {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len())
                .unwrap();
        }
    });
    format!("http://{addr}/metrics")
}

#[test]
fn a_diff_ends_with_one_if_something_breaks_and_says_what() {
    let directory = Directory::new("diff");
    let catalogue = Catalogue::new("shop").describe(OPERATION_DESCRIPTORS).unwrap();
    let queries = [Query::new("alert `Busy`", "operations_in_flight > 10")];
    let old = Published::new(&catalogue, &queries);
    let mut new = old.clone();
    new.metrics.retain(|metric| metric.name != "operations_in_flight");
    let old = directory.write("old.json", &old.to_json());
    let new = directory.write("new.json", &new.to_json());
    assert_eq!(run(&["diff", &old, &old]), (Some(0), String::new(), String::new()));
    let told = "breaking: `operations_in_flight` is gone\n  breaks alert `Busy`\n";
    assert_eq!(run(&["diff", &old, &new]), (Some(1), told.to_owned(), String::new()));
    assert_eq!(
        run(&["diff", &new, &old]),
        (Some(0), "`operations_in_flight` is new, a gauge\n".to_owned(), String::new())
    );
}

#[test]
fn what_cannot_be_read_is_told_and_is_no_verdict() {
    let directory = Directory::new("unread");
    let bad = directory.write("bad.json", "{}");
    let (code, _, told) = run(&["diff", &bad, "/nowhere/new.json"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("bad.json: missing field"), "{told}");
    let (code, _, told) = run(&["estimate", "--from", "http://127.0.0.1:1/metrics"]);
    assert_eq!(code, Some(2));
    assert!(told.starts_with("http://127.0.0.1:1/metrics: "), "{told}");
}

#[test]
fn an_estimate_stands_beside_what_was_planned() {
    let page =
        |lines: u32| format!("obs_log_lines_total{{level=\"info\"}} {lines}\noperation_duration_seconds_count 0\n");
    let url = serve(vec![page(0), page(1_000_000)]);
    let (code, told, _) = run(&["estimate", "--from", &url, "--over", "1"]);
    assert_eq!(code, Some(0));
    let logs = told.lines().find(|line| line.starts_with("platform logs")).unwrap();
    assert!(logs.ends_with("1000 MB, $3.00"), "{told}");
    let dollars: f64 = logs.split('$').nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    // A million lines of 400 bytes a second, or a little slower.
    assert!((50_000.0..=103_680.0).contains(&dollars), "{told}");
}

#[test]
fn prices_come_from_a_file_and_the_one_that_is_shipped_says_the_defaults() {
    let directory = Directory::new("prices");
    let shipped = include_str!("../templates/estimate.toml");
    assert_eq!(toml::from_str::<Prices>(shipped).unwrap(), Prices::default());
    let other = shipped.replacen("planned_dollars_a_month = 3.0", "planned_dollars_a_month = 4.5", 1);
    let other = directory.write("prices.toml", &other);
    let url = serve(vec!["process_start_time_seconds 1\n".to_owned()]);
    let (code, told, _) = run(&["estimate", "--from", &url, "--prices", &other]);
    assert_eq!(code, Some(0));
    assert!(told.contains("1000 MB, $4.50"), "{told}");
}
