//! What tests of running processes share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use swarm::process::Process;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_swarm");
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A place for files that is gone afterwards.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("swarm-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A gateway that is ready, with this control behind it.
pub(crate) async fn gateway_to(control: &str, log: &Path, environment: &[(&str, &str)]) -> Process {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["gateway", "--control", control]);
    command.envs([("OBS_METRICS_ADDRESS", "127.0.0.1"), ("OBS_METRICS_PORT", "0"), ("OBS_ADMIN_PORT", "0")]);
    command.envs(environment.iter().copied());
    Process::start("gateway", command, log).await.unwrap()
}

/// The lines of a log, each a JSON object.
pub(crate) fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
}
