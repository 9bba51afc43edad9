//! The example `agent_logs`, run as a process: it stops although somebody follows a log.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_stops_while_somebody_follows_a_log() {
    let test = std::env::current_exe().expect("known");
    let example = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps").join("examples/agent_logs");
    let directory = std::env::temp_dir().join(format!("agent-logs-{}", std::process::id()));
    let process = Command::new(example)
        .args([directory.as_os_str(), "127.0.0.1:0".as_ref()])
        .envs([("OBS_METRICS_PORT", "0"), ("OBS_ADMIN_PORT", "0")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example is built with the tests");
    let mut process = Killed(process);
    let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
    let address = lines.by_ref().find_map(|line| {
        let line: Value = serde_json::from_str(&line.expect("readable")).expect("a line is JSON");
        Some(line["address"].as_str()?.to_owned())
    });
    // What it says is read to its end.
    let reading = std::thread::spawn(move || lines.count());

    let mut follower = TcpStream::connect(address.expect("it listens")).expect("it listens");
    write!(follower, "GET /v1/agents/a1/logs?follow=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n")
        .expect("sent");
    let mut follower = BufReader::new(follower);
    let mut head = String::new();
    while head.lines().last() != Some("") {
        assert!(follower.read_line(&mut head).expect("answered") > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let interrupted = Command::new("kill").args(["-INT", &process.0.id().to_string()]).status();
    assert!(interrupted.expect("there is a `kill`").success());
    let mut rest = String::new();
    follower.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains("event: stopping"), "{rest}");
    assert!(process.0.wait().expect("a child").success());
    reading.join().expect("read");
    let _ = std::fs::remove_dir_all(directory);
}
