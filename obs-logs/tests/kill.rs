//! A kill at any moment loses nothing that was acknowledged, and repeats nothing.
//!
//! `OBS_LOGS_KILLS=50 cargo test -p obs-logs --test kill` kills so often; less is done where nothing is said.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use obs_logs::{Batch, Level, Line, Owner, Stream};
use support::{Kubelet, agent, collect, messages, store};

/// Tells a process of this test what it is.
const ROLE: &str = "OBS_LOGS_TEST_ROLE";
const ROOT: &str = "OBS_LOGS_TEST_ROOT";

fn kills() -> usize {
    std::env::var("OBS_LOGS_KILLS").map_or(6, |kills| kills.parse().unwrap())
}

fn child(role: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_works_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the children of the others do.
#[test]
fn a_child_works_until_it_is_killed() {
    let (Ok(role), Ok(root)) = (std::env::var(ROLE), std::env::var(ROOT)) else { return };
    let root = PathBuf::from(root);
    let store = store(&root);
    match role.as_str() {
        "collect" => {
            let _collecting = collect(&root, &store);
            loop {
                std::thread::park();
            }
        }
        "append" => {
            let mut n = messages(&store, "a").len();
            loop {
                let mut batch = Batch::default();
                let lines = batch.lines_of(&Owner { agent_id: agent("a"), user_id: None });
                for _ in 0..1 + n % 50 {
                    n += 1;
                    let message = format!("{n} {}", "x".repeat(n % 2_000));
                    let level = Level::Info;
                    let stream = Stream::Stdout;
                    lines.push(&Line {
                        timestamp: 0,
                        stream,
                        level,
                        message: &message,
                        trace_id: None,
                        fields: "",
                        cut: false,
                    });
                }
                store.append_blocking(batch).unwrap();
                println!("acknowledged {n}");
            }
        }
        _ => unreachable!(),
    }
}

#[test]
fn what_the_store_acknowledged_is_there_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..kills() {
        let mut child = child("append", root.path());
        let mut acknowledged = 0;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The harness says something before.
        let numbers =
            lines.map_while(Result::ok).filter_map(|line| Some(line.rsplit_once("acknowledged ")?.1.parse().unwrap()));
        for (at, number) in numbers.enumerate() {
            acknowledged = number;
            if at == 5 + round * 3 % 11 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let stored = messages(&store(root.path()), "a");
        assert!(stored.len() >= acknowledged, "{} of {acknowledged}", stored.len());
        for (n, message) in (1..).zip(&stored) {
            assert_eq!(message.split(' ').next(), Some(n.to_string().as_str()), "round {round}");
        }
    }
}

#[test]
fn a_collector_that_is_killed_again_and_again_stores_each_line_once() {
    let root = tempfile::tempdir().unwrap();
    let kills = kills();
    let mut kubelet = Kubelet::start(root.path(), "a");
    let mut expected = Vec::new();
    for round in 0..kills {
        let mut child = child("collect", root.path());
        for n in 0..400 {
            let text = format!("{round} {n}");
            if n % 7 == 0 {
                kubelet.write("stdout", "P", "begun ");
                kubelet.write("stdout", "F", &text);
                expected.push(format!("begun {text}"));
            } else {
                kubelet.line(&text);
                expected.push(text);
            }
            if kubelet.size() > 10_000 {
                kubelet.rotate(10_000);
            }
            if n % 40 == 0 {
                // The writer is a real one: it takes its time, and the kill hits wherever it hits.
                std::thread::sleep(Duration::from_millis(5 + (round % 7) as u64));
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = store(root.path());
    let before = messages(&store, "a").len();
    collect(root.path(), &store).stop();
    let stored = messages(&store, "a");
    println!("{kills} kills: {before} of {} lines were stored before the last start", expected.len());
    assert_eq!(stored.len(), expected.len());
    assert!(stored == expected, "in order");
}
