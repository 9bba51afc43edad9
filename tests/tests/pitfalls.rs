//! The table in `README.md` names tests that exist.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The names of all tests: functions in the crates, and compile errors in `ui-tests`.
fn tests(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                tests(&path, names);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            let text = fs::read_to_string(&path).expect("a source");
            // The rest of `fn name(`, and of the invocations that make tests.
            let after_fn = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(after_fn.map(str::to_owned));
            let made = text.split("alike!(").skip(1).filter_map(|rest| rest.split(')').next());
            names.extend(made.flat_map(|list| list.split(", ")).map(str::to_owned));
        }
    }
}

#[test]
fn every_pitfall_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = HashSet::new();
    for folder in ["tests", "../ui-tests/cases", "../obs-macros/src", "../obs-runtime/src"] {
        tests(&root.join(folder), &mut known);
    }
    let readme = fs::read_to_string(root.join("README.md")).expect("the table");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30);
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let named: Vec<&str> = tests.split(", ").map(|name| name.trim_matches('`')).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(known.contains(name), "no test is called `{name}`");
        }
    }
}
