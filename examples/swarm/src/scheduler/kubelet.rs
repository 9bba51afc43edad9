//! What a kubelet does with what a container writes: a file in the CRI's format, rotated, for whoever collects logs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use obs_runtime::warn;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::model::AgentId;

/// A longer line is written in parts.
const PART: usize = 16 * 1024;
/// A file that has become larger is rotated.
const ROTATED_AT: u64 = 1 << 20;
/// So many rotated files stay.
const KEPT: usize = 4;

/// The log of a container. Clones write to the same.
#[derive(Clone)]
pub(super) struct ContainerLog(Arc<Mutex<Files>>);

struct Files {
    path: PathBuf,
    file: File,
    rotated: Vec<PathBuf>,
    /// The same lines as they are, beside the logs of the services.
    plain: File,
}

impl ContainerLog {
    /// A new container of this agent: `containers/<pod>_<namespace>_<container>-<id>.log`.
    pub(super) fn create(directory: &Path, agent_id: &AgentId) -> io::Result<Self> {
        let container = uuid::Uuid::new_v4().simple();
        let path = directory.join(format!("containers/agent-{agent_id}_swarm-agents_agent-{container}.log"));
        let plain = append(&directory.join(format!("logs/agent-{agent_id}.jsonl")))?;
        let files = Files { file: append(&path)?, path, rotated: Vec::new(), plain };
        Ok(ContainerLog(Arc::new(Mutex::new(files))))
    }

    /// Writes a line of `stdout` or `stderr`.
    pub(super) fn write(&self, stream: &str, line: &[u8]) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(err) = files.write(stream, line) {
            warn!(error = %err, "A line of a container is lost");
        }
    }

    /// Writes what comes on the standard output, until its end.
    pub(super) async fn take(self, stdout: impl AsyncRead + Unpin) {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while matches!(stdout.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
            self.write("stdout", line.strip_suffix(b"\n").unwrap_or(&line));
            line.clear();
        }
    }
}

impl Files {
    fn write(&mut self, stream: &str, line: &[u8]) -> io::Result<()> {
        let mut text = Vec::with_capacity(line.len() + 64);
        let mut parts = line.chunks(PART).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let tag = if parts.peek().is_some() { "P" } else { "F" };
            write!(text, "{:.9} {stream} {tag} ", Timestamp::now())?;
            text.extend_from_slice(part);
            text.push(b'\n');
            if tag == "F" {
                break;
            }
        }
        self.file.write_all(&text)?;
        if stream == "stdout" {
            self.plain.write_all(&[line, b"\n"].concat())?;
        }
        if self.file.metadata()?.len() > ROTATED_AT { self.rotate() } else { Ok(()) }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let rotated =
            PathBuf::from(format!("{}.{}", self.path.display(), Timestamp::now().strftime("%Y%m%d-%H%M%S.%f")));
        fs::rename(&self.path, &rotated)?;
        self.file = append(&self.path)?;
        self.rotated.push(rotated);
        if self.rotated.len() > KEPT {
            fs::remove_file(self.rotated.remove(0))?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
