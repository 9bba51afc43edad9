//! Helpers of the behaviour tests.

pub mod memory;
mod service;
mod written;

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub use self::service::{Kept, Service};
pub use self::written::Written;

/// The program `name`, if it is on this machine. If not, the test that asks says so and passes, except where
/// `OBS_REQUIRE_ENGINES=1` says that it must be there.
///
/// # Panics
///
/// If the program is not there and must be.
#[must_use]
pub fn engine(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(env::var_os("OBS_REQUIRE_ENGINES").is_none_or(|value| value != "1"), "{name} is not on the PATH");
        println!("skipped: {name} not found");
    }
    found
}

/// The test `name` of the same file, alone in a process of its own, for what is global to a process. It is marked
/// `#[ignore]`, so that nobody else runs it.
///
/// # Panics
///
/// If the system does not say which program this is.
#[must_use]
pub fn alone(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a program has a path"));
    command.args(["--ignored", "--exact", "--nocapture", name]).env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
    command
}

/// The lines of `output` that are JSON objects: those that the test framework writes between them are not.
#[must_use]
pub fn json_lines(output: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(output);
    // A line of the framework may stand before the first of ours without an end of its own.
    text.lines().filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok()).collect()
}

/// A Python that has `module`, if there is one: `OBS_PYTHON`, else the `python3` on the `PATH`. If not, as with [`engine`].
///
/// # Panics
///
/// If there is none and there must be one.
#[must_use]
pub fn python(module: &str) -> Option<PathBuf> {
    let python = env::var_os("OBS_PYTHON").map(PathBuf::from).or_else(|| engine("python3"))?;
    let import = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let has = import.is_ok_and(|status| status.success());
    if !has {
        assert!(env::var_os("OBS_REQUIRE_ENGINES").is_none_or(|value| value != "1"), "{module} is not importable");
        println!("skipped: {module} not found");
    }
    has.then_some(python)
}

/// The pages of the macros, so that their examples are compiled and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../obs-macros/doc/carrier.md")]
    mod carrier {}
    #[doc = include_str!("../../obs-macros/doc/classify.md")]
    mod classify {}
    #[doc = include_str!("../../obs-macros/doc/correlated.md")]
    mod correlated {}
    #[doc = include_str!("../../obs-macros/doc/label_set.md")]
    mod label_set {}
    #[doc = include_str!("../../obs-macros/doc/label_value.md")]
    mod label_value {}
    #[doc = include_str!("../../obs-macros/doc/metric_set.md")]
    mod metric_set {}
    #[doc = include_str!("../../obs-macros/doc/observed.md")]
    mod observed {}
    #[doc = include_str!("../../obs-macros/doc/state_machine.md")]
    mod state_machine {}
}
