//! Waits until something may have happened in the directories of the logs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use obs_runtime::warn;

/// Where the system tells nothing, it is looked this often.
const POLL: Duration = Duration::from_millis(50);
/// Where the system tells what happens, it is looked this often all the same: no file system tells everything.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Watcher {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    /// Some directory is not watched.
    polls: bool,
    told: Receiver<()>,
    tell: SyncSender<()>,
}

/// Ends the wait from another thread.
#[derive(Clone, Debug)]
pub(super) struct Waker(SyncSender<()>);

impl Waker {
    pub(super) fn wake(&self) {
        // Full: it is awake already.
        let _ = self.0.try_send(());
    }
}

impl Watcher {
    /// `poll`: asks the system for nothing.
    pub(super) fn new(poll: bool) -> Self {
        let (tell, told) = sync_channel(1);
        let waker = Waker(tell.clone());
        let watcher = (!poll).then(|| {
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Our own opening and closing is no news.
                if !matches!(event, Ok(event) if matches!(event.kind, EventKind::Access(_))) {
                    waker.wake();
                }
            })
        });
        let watcher = watcher.and_then(|watcher| {
            watcher.inspect_err(|err| warn!(error = %err, "The system tells nothing of files; they are polled")).ok()
        });
        Watcher { polls: watcher.is_none(), watcher, watched: HashSet::new(), told, tell }
    }

    pub(super) fn waker(&self) -> Waker {
        Waker(self.tell.clone())
    }

    /// Watches exactly these directories.
    pub(super) fn watch(&mut self, directories: HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for old in self.watched.difference(&directories) {
            // It is gone, most likely, and its watch with it.
            let _ = watcher.unwatch(old);
        }
        let is_watched = |directory: &&PathBuf| {
            let known = self.watched.contains(*directory);
            known || watch(watcher, directory)
        };
        let watched: HashSet<PathBuf> = directories.iter().filter(is_watched).cloned().collect();
        let polls = watched.len() < directories.len();
        if polls && !self.polls {
            warn!("The system does not watch all directories of logs; they are polled");
        }
        self.polls = polls;
        self.watched = watched;
    }

    /// Returns when something may have happened, or after a while; if `soon`, after a short one.
    pub(super) fn wait(&self, soon: bool) {
        let pause = if self.polls || soon { POLL } else { LOOK };
        match self.told.recv_timeout(pause) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            // Not while this has a sender of its own.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
        }
    }
}

fn watch(watcher: &mut RecommendedWatcher, directory: &Path) -> bool {
    watcher.watch(directory, RecursiveMode::NonRecursive).is_ok()
}
