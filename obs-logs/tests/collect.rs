//! Every line that a kubelet writes comes into the store once, in its order, whatever happens to the files.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use obs_logs::{Batch, Checkpoint, Embedded, LogStore, Page, Read, StoreError, Watch};
use support::{Kubelet, agent, collect, collector, containers, matching, messages, store, until};

type Reply<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Lines of both streams, some of them in parts; says what is to come out, by stream.
fn write_mixed(kubelet: &mut Kubelet, numbers: std::ops::Range<usize>) -> [Vec<String>; 2] {
    let mut expected = [Vec::new(), Vec::new()];
    for n in numbers {
        let (at, stream) = if n % 3 == 0 { (1, "stderr") } else { (0, "stdout") };
        if n % 5 == 0 {
            // Another stream's line stands between the parts.
            kubelet.write(stream, "P", format!("{stream} {n} "));
            let (other_at, other) = if at == 0 { (1, "stderr") } else { (0, "stdout") };
            kubelet.write(other, "F", format!("{other} {n} between"));
            kubelet.write(stream, "F", "joined");
            expected[other_at].push(format!("{other} {n} between"));
            expected[at].push(format!("{stream} {n} joined"));
        } else {
            kubelet.write(stream, "F", format!("{stream} {n}"));
            expected[at].push(format!("{stream} {n}"));
        }
    }
    expected
}

fn by_stream(store: &Embedded, id: &str) -> [Vec<String>; 2] {
    let (out, err) = messages(store, id).into_iter().partition(|message| message.starts_with("stdout"));
    [out, err]
}

/// Thousands of lines are not for a terminal.
fn assert_same(got: &[Vec<String>; 2], expected: &[Vec<String>; 2]) {
    for (got, expected) in got.iter().zip(expected) {
        let first = got.iter().zip(expected).position(|(got, expected)| got != expected);
        assert!(
            got == expected,
            "{} lines of {}; the first difference: {:?}",
            got.len(),
            expected.len(),
            first.map(|at| (&got[at], &expected[at]))
        );
    }
}

#[test]
fn every_line_comes_once_and_in_order_while_files_rotate_under_load() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let collecting = collect(root.path(), &store);
    let writers: Vec<_> = ["a", "b", "c"]
        .map(|id| {
            let mut kubelet = Kubelet::start(root.path(), id);
            std::thread::spawn(move || {
                let mut expected = [Vec::new(), Vec::new()];
                for at in 0..60 {
                    let [out, err] = write_mixed(&mut kubelet, at * 100..(at + 1) * 100);
                    expected[0].extend(out);
                    expected[1].extend(err);
                    if kubelet.size() > 16 * 1024 {
                        kubelet.rotate(1000);
                    }
                }
                (id, expected)
            })
        })
        .into_iter()
        .collect();
    let expected: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    collecting.stop();
    for (id, expected) in expected {
        assert_same(&by_stream(&store, id), &expected);
        let seqs: Vec<_> = matching(&store, id, &Default::default()).iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbers without gap");
    }
}

#[test]
fn a_restart_loses_nothing_and_repeats_nothing_whatever_was_rotated_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let mut kubelet = Kubelet::start(root.path(), "a");
    let mut expected = [Vec::new(), Vec::new()];
    for at in 0..8 {
        let [out, err] = write_mixed(&mut kubelet, at * 50..(at + 1) * 50);
        expected[0].extend(out);
        expected[1].extend(err);
        // Stops in the middle of a line, of a file, right after a rotation, or several ones ago.
        kubelet.write("stdout", "P", format!("stdout {at} half "));
        if at % 2 == 0 {
            collect(root.path(), &store).stop();
        }
        (0..at % 4).for_each(|_| {
            kubelet.rotate(1000);
            kubelet.write("stderr", "F", format!("stderr {at} rotated"));
            expected[1].push(format!("stderr {at} rotated"));
        });
        kubelet.write("stdout", "F", "whole");
        expected[0].push(format!("stdout {at} half whole"));
    }
    collect(root.path(), &store).stop();
    assert_same(&by_stream(&store, "a"), &expected);
}

#[test]
fn a_file_that_is_copied_and_truncated_loses_and_repeats_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let mut kubelet = Kubelet::start(root.path(), "a");
    let mut expected = Vec::new();
    let mut line = |kubelet: &mut Kubelet| {
        kubelet.line(&format!("line {}", expected.len()));
        expected.push(format!("line {}", expected.len()));
        expected.len()
    };
    let collecting = collect(root.path(), &store);
    line(&mut kubelet);
    until("read", || messages(&store, "a").len() == 1);
    line(&mut kubelet);
    kubelet.copy_and_truncate();
    // Longer than the old one, so that its size alone shows nothing.
    let n = (0..3).map(|_| line(&mut kubelet)).last().unwrap();
    until("read on", || messages(&store, "a").len() == n);
    collecting.stop();
    line(&mut kubelet);
    kubelet.copy_and_truncate();
    line(&mut kubelet);
    collect(root.path(), &store).stop();
    assert_eq!(messages(&store, "a"), expected);
}

#[test]
fn logs_that_are_truncated_away_go_on_with_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let mut kubelet = Kubelet::start(root.path(), "a");
    let collecting = collect(root.path(), &store);
    kubelet.line("before");
    until("read", || messages(&store, "a") == ["before"]);
    fs::OpenOptions::new()
        .write(true)
        .open(fs::read_dir(containers(root.path())).unwrap().next().unwrap().unwrap().path())
        .unwrap()
        .set_len(0)
        .unwrap();
    kubelet.line("after");
    until("read on", || messages(&store, "a") == ["before", "after"]);
    collecting.stop();
}

#[test]
fn files_appear_and_vanish() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let collecting = collect(root.path(), &store);
    let mut first = Kubelet::start(root.path(), "a");
    first.line("hello");
    until("the directory came later", || messages(&store, "a") == ["hello"]);
    first.write("stdout", "P", "last words");
    until("read", || !pending(&store).is_empty());
    first.remove();
    until("what was begun is told", || messages(&store, "a").len() == 2);
    let last = matching(&store, "a", &Default::default()).pop().unwrap();
    assert_eq!((last.message.as_str(), last.cut), ("last words", true));
    let mut second = Kubelet::start(root.path(), "bb");
    second.line("hello too");
    until("another", || messages(&store, "bb") == ["hello too"]);
    collecting.stop();
}

/// The checkpoints that have a part of a line.
fn pending(store: &Embedded) -> Vec<Checkpoint> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let all = runtime.block_on(store.checkpoints()).unwrap();
    all.into_iter().filter(|one| format!("{one:?}").contains("content")).collect()
}

#[test]
fn lines_of_any_length_and_any_bytes_are_kept_up_to_the_bound() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let mut kubelet = Kubelet::start(root.path(), "a");
    kubelet.write("stdout", "F", b"caf\xe9 \xff\x00");
    kubelet.raw(b"not a line of the format\n");
    let long = "0123456789".repeat(40_000);
    kubelet.write("stdout", "F", &long);
    for part in long.as_bytes().chunks(16_000) {
        kubelet.write("stderr", "P", part);
    }
    kubelet.write("stderr", "F", "");
    kubelet.line("");
    kubelet.line(r#"{"level":"error","message":"boom","trace_id":"0af7651916cd43dd8448eb211c80319c","n":1}"#);
    collector(root.path()).max_line(100_000).start(Arc::new(store.clone())).unwrap().stop();
    let entries = matching(&store, "a", &Default::default());
    let seen: Vec<_> = entries.iter().map(|entry| (entry.message.len(), entry.cut, entry.level.as_str())).collect();
    assert_eq!(
        seen,
        [
            (11, false, "info"),
            (100_000, true, "info"),
            (100_000, true, "info"),
            (0, false, "info"),
            (4, false, "error")
        ]
    );
    assert_eq!(entries[0].message, "caf\u{fffd} \u{fffd}\0");
    let json = serde_json::to_value(&entries[4]).unwrap();
    assert_eq!(json["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(json["fields"], serde_json::json!({"n": 1}));
}

#[test]
fn polling_needs_no_word_from_the_system() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let collecting = collector(root.path()).poll().start(Arc::new(store.clone())).unwrap();
    let mut kubelet = Kubelet::start(root.path(), "a");
    kubelet.line("one");
    until("found", || messages(&store, "a") == ["one"]);
    kubelet.rotate(9);
    kubelet.line("two");
    until("rotated", || messages(&store, "a") == ["one", "two"]);
    collecting.stop();
}

/// A store that fails three of four times, half of these after it has looked at nothing.
struct Failing {
    store: Embedded,
    appends: AtomicUsize,
}

impl LogStore for Failing {
    fn append(&self, batch: Batch) -> Reply<()> {
        match self.appends.fetch_add(1, SeqCst) % 3 {
            0 => self.store.append(batch),
            _ => Box::pin(async { Err(StoreError::Stopped) }),
        }
    }

    fn checkpoints(&self) -> Reply<Vec<Checkpoint>> {
        self.store.checkpoints()
    }

    fn read(&self, read: Read) -> Reply<Page> {
        self.store.read(read)
    }

    fn watch(&self, id: &obs_logs::AgentId) -> Watch {
        self.store.watch(id)
    }
}

#[test]
fn a_store_that_fails_now_and_then_gets_each_line_once() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let failing = Arc::new(Failing { store: store.clone(), appends: AtomicUsize::new(1) });
    let collecting = collector(root.path()).start(failing).unwrap();
    let mut kubelet = Kubelet::start(root.path(), "a");
    let mut expected = Vec::new();
    for n in 0..5 {
        kubelet.line(&format!("{n}"));
        expected.push(format!("{n}"));
        kubelet.write("stdout", "P", "in ");
        kubelet.rotate(9);
        kubelet.write("stdout", "F", "parts");
        expected.push("in parts".to_owned());
        until("stored", || messages(&store, "a").len() == expected.len());
    }
    drop(collecting);
    assert_eq!(messages(&store, "a"), expected);
}

#[test]
fn who_watches_is_told_of_new_lines() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let collecting = collect(root.path(), &store);
    let mut kubelet = Kubelet::start(root.path(), "a");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for n in 1..=5 {
        let mut watch = store.watch(&agent("a"));
        kubelet.line("tick");
        runtime.block_on(async {
            while messages(&store, "a").len() < n {
                watch.changed().await;
            }
        });
    }
    collecting.stop();
}

#[test]
fn files_of_nobody_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    fs::create_dir_all(containers(root.path())).unwrap();
    for name in [
        "proxy-1_swarm-agents_main-1.log",
        "agent-1_default_main-1.log",
        "agent-x.log",
        "agent-1_swarm-agents_main-1.txt",
    ] {
        write(&containers(root.path()).join(name));
    }
    write(&containers(root.path()).join("agent-1_swarm-agents_main-1.log"));
    collect(root.path(), &store).stop();
    assert_eq!(messages(&store, "1"), ["hello"]);
}

fn write(path: &Path) {
    fs::write(path, "2026-01-15T10:30:00Z stdout F hello\n").unwrap();
}
