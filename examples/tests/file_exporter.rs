//! The example, as somebody runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(file: &Path) -> Output {
    let directory = std::env::current_exe().expect("a program has a path");
    let program = directory.ancestors().nth(2).expect("below `deps`").join("examples/file_exporter");
    Command::new(program).arg(file).output().expect("cargo has built it beside its tests")
}

#[test]
fn every_span_is_a_line_in_the_file() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spans.jsonl");
    let output = run(&file);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 spans written, 0 lost\n", "{output:?}");
    let text = std::fs::read_to_string(file).expect("it was written");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    assert_eq!(lines[0]["resource"]["service.name"], "placing");
    assert_eq!(lines[1]["fields"]["size"], 2);
    assert_eq!((&lines[2]["error"], &lines[2]["name"]), (&"no room".into(), &"place".into()));
    assert_eq!(lines[2]["events"], serde_json::json!(["no host has room", "place failed"]));
    assert_eq!(lines.len(), 3);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_counted_as_lost() {
    let output = run(Path::new("/dev/full"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 spans written, 2 lost\n", "{output:?}");
}
