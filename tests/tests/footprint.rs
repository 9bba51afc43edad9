//! What a library that only annotates its functions makes its users compile.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates, each as its name and version, that obs-runtime needs in its core, itself and its macros among them.
fn core() -> BTreeSet<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "obs-runtime", "--no-default-features", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the names of crates are ASCII");
    let words = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    text.lines().filter_map(words).collect()
}

#[test]
fn the_core_stays_small_and_brings_neither_tokio_nor_axum() {
    let core = core();
    let has = |name: &str| core.iter().any(|(other, _)| other == name);
    assert!(has("obs-runtime") && has("tracing"), "the list is read rightly: {core:?}");
    assert!(core.len() <= 35, "{} crates: {core:?}", core.len());
    for heavy in ["tokio", "axum", "tonic", "prometheus", "opentelemetry", "toml"] {
        assert!(!has(heavy), "{heavy} is in the core");
    }
}

#[test]
fn the_core_compiles_one_syn_only() {
    let versions: Vec<_> = core().into_iter().filter(|(name, _)| name == "syn").collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
}
