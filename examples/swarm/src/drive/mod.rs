//! Plain `swarm`: starts the platform, sends it work, and shows what its telemetry knows.

pub mod evidence;
pub mod platform;
mod report;
pub mod samples;
mod terminal;
pub mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::evidence::Evidence;
use self::platform::Platform;
use crate::cli::Drive;
use crate::process;
use crate::service::{self, Failure};

/// How long the signals of the workload may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

/// Why the drive did not end well.
#[derive(Debug, thiserror::Error)]
enum DriveError {
    #[error("stopped before it was done")]
    Interrupted,
    #[error("not done within {0} seconds")]
    Late(u64),
    #[error("missing: {}", .0.join("\nmissing: "))]
    Missing(Vec<String>),
}

/// `swarm`.
pub async fn run(options: Drive) -> Result<(), Failure> {
    // The services read the same configuration; it is better told once than by each of them.
    service::config()?;
    let mut directory = Directory::new(options.directory.clone())?;
    let driven = drive(&options, &directory.path).await;
    // What went wrong can be looked up in the logs.
    if driven.is_err() && directory.keep() {
        eprintln!("logs and manifests are in {}", directory.path.display());
    }
    driven
}

async fn drive(options: &Drive, directory: &Path) -> Result<(), Failure> {
    let deadline = Duration::from_secs(options.deadline);
    let work = async {
        let platform = Platform::start(&std::env::current_exe()?, directory, &[]).await?;
        let workload = workload::run(&platform).await?;
        let evidence = Evidence::gather(&platform, &workload, ARRIVES_WITHIN).await?;
        Ok::<_, Failure>((platform, workload, evidence))
    };
    // Given up in the middle, the platform is dropped, and takes its processes with it.
    let (platform, workload, evidence) = tokio::select! {
        worked = tokio::time::timeout(deadline, work) => worked.map_err(|_| DriveError::Late(options.deadline))??,
        () = process::stop_requested(false) => return Err(DriveError::Interrupted.into()),
    };
    if options.json {
        report::raw(&evidence);
    } else {
        report::readable(&workload, &evidence);
    }
    if options.stay {
        report::urls(&platform, directory).await;
        process::stop_requested(false).await;
    }
    platform.stop().await;
    if evidence.missing.is_empty() { Ok(()) } else { Err(DriveError::Missing(evidence.missing).into()) }
}

/// Where a run keeps its files: taken away at the end, unless the user named it or it is of use.
struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Directory {
    fn new(given: Option<PathBuf>) -> std::io::Result<Self> {
        let temporary = given.is_none();
        let path = given.unwrap_or_else(|| std::env::temp_dir().join(format!("swarm-{}", uuid::Uuid::new_v4())));
        std::fs::create_dir_all(&path)?;
        Ok(Directory { path, temporary })
    }

    /// Keeps it; says whether there is anything in it.
    fn keep(&mut self) -> bool {
        let filled = std::fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some());
        self.temporary &= !filled;
        filled
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
