//! A child process that says when it is ready, stops when asked, and never outlives its parent.
//!
//! The rope is the child's standard input: the parent holds the other end, and the child stops when it is closed,
//! whether the parent closed it or died. What a child says on standard output (its log lines) goes to a file; the first
//! line on standard error is its announcement.

use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// The flag that ties a child to its standard input.
const SUPERVISED: &str = "--supervised";
/// What an announcement begins with.
const READY: &str = "ready ";

/// What a process says once it can be used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Announcement {
    /// Its name, as telemetry knows it.
    pub service: String,
    /// Its process id.
    pub process_id: u32,
    /// Where it answers requests.
    pub http: Option<String>,
    /// Where its `/metrics` and probes are.
    pub metrics: Option<String>,
    /// Where its administration is.
    pub admin: Option<String>,
    /// Where it takes OTLP over gRPC.
    pub otlp: Option<String>,
}

impl Announcement {
    /// Tells whoever started this process.
    pub fn publish(&self) {
        // `Announcement` is made of strings and numbers, which always serialize.
        if let Ok(json) = serde_json::to_string(self) {
            eprintln!("{READY}{json}");
        }
    }
}

/// Why a child is not there.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("cannot start `{name}`")]
    Start {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("`{name}` ended before it was ready ({status}): {said}")]
    Ended { name: String, status: ExitStatus, said: String },
}

/// A child that is ready.
#[derive(Debug)]
pub struct Process {
    name: String,
    announcement: Announcement,
    child: Child,
    rope: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` and waits until it says that it is ready. Its log lines go to the end of `log`.
    pub async fn start(name: &str, mut command: Command, log: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name: name.to_owned(), source };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        command.stdout(log);
        // What a child says on standard error after its announcement (a panic, say) is not lost.
        let said_by = name.to_owned();
        let said = move |line: &str| eprintln!("[{said_by}] {line}");
        Self::start_piped(name, command, async |_| {}, said).await
    }

    /// The same, where the standard output is as `command` says. If that is a pipe, it is given to `output`, and every line on
    /// standard error after the announcement to `said`.
    pub async fn start_piped<O: Future<Output = ()> + Send + 'static>(
        name: &str,
        mut command: Command,
        output: impl FnOnce(ChildStdout) -> O,
        said_later: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name: name.to_owned(), source };
        command.arg(SUPERVISED).stdin(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(output(stdout));
        }
        let rope = child.stdin.take();
        let stderr = child.stderr.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            let announcement = line.strip_prefix(READY).and_then(|json| serde_json::from_str(json).ok());
            if let Some(announcement) = announcement {
                tokio::spawn(pass_on(lines, said_later));
                return Ok(Process { name: name.to_owned(), announcement, child, rope });
            }
            said.push(line);
        }
        let status = child.wait().await.map_err(failed)?;
        Err(ProcessError::Ended { name: name.to_owned(), status, said: said.join("\n") })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it said when it was ready.
    #[must_use]
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Asks it to stop, and kills it if it has not within `patience`. `None` if it had to be killed.
    pub async fn stop(mut self, patience: Duration) -> Option<ExitStatus> {
        drop(self.rope.take());
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(Ok(status)) => Some(status),
            // Dropping the child kills it.
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

async fn pass_on(mut lines: Lines<BufReader<ChildStderr>>, mut said: impl FnMut(&str)) {
    while let Ok(Some(line)) = lines.next_line().await {
        said(&line);
    }
}

/// Returns when this process shall stop: on ctrl-c, on a termination signal, or, if it is tied to a parent, when that
/// lets go.
pub async fn stop_requested(supervised: bool) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
        () = let_go(), if supervised => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

async fn let_go() {
    let (let_go, told) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: tokio's standard input would hold up the end of the runtime.
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0; 64];
        while matches!(stdin.read(&mut buffer), Ok(n) if n > 0) {}
        drop(let_go);
    });
    let _ = told.await;
}
