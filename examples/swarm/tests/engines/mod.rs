//! The engines that read what is written: programs and modules that may be missing on a developer's machine.
#![allow(dead_code)]

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program `name`, if it is on this machine. If not, the test that asks says so and passes, except where
/// `OBS_REQUIRE_ENGINES=1` says that it must be there.
pub(crate) fn engine(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.or_else(|| missing(name))
}

/// A Python that has `module`: `OBS_PYTHON`, else the `python3` on the `PATH`. If there is none, as with [`engine`].
pub(crate) fn python(module: &str) -> Option<PathBuf> {
    let python = env::var_os("OBS_PYTHON").map(PathBuf::from).or_else(|| engine("python3"))?;
    let import = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if import.is_ok_and(|status| status.success()) { Some(python) } else { missing(module) }
}

/// A Python of 3.12 or later that has Vector's remap language: `OBS_VRL_PYTHON`. Without it nothing is required: many systems have
/// no such Python.
pub(crate) fn remap() -> Option<PathBuf> {
    let python = env::var_os("OBS_VRL_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: no OBS_VRL_PYTHON");
    }
    python
}

fn missing(name: &str) -> Option<PathBuf> {
    assert!(env::var_os("OBS_REQUIRE_ENGINES").is_none_or(|value| value != "1"), "{name} is not on this machine");
    println!("skipped: {name} not found");
    None
}

/// A directory of one test, gone with it.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("swarm-{name}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Directory(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file for the test");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a program that ends by itself wrote, whether it was content or not.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
