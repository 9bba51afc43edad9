//! From the kubelet's files into a store: each line once, in its order.

pub(crate) mod assemble;
mod container;
pub(crate) mod content;
mod cri;
mod files;
mod tail;
mod watcher;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use obs_runtime::{info, warn};
use tokio::runtime::{self, Runtime};

pub use self::container::{Attribution, Container, Manifests, PodName};
pub use self::files::Position;
use self::tail::Tail;
use self::watcher::{Waker, Watcher};
use crate::metrics::{Append, AppendLabels, Skipped, StreamLabels, metrics, skipped};
use crate::model::{Stream, timestamp};
use crate::store::{Batch, LogStore, StoreError};

/// A batch is stored when it has so many bytes.
const BATCH: usize = 4 << 20;
/// One log takes no more of a round.
const SHARE: usize = 1 << 20;
/// Between two batches, if there is not more to read already: a line that comes alone brings others with it.
const PAUSE: Duration = Duration::from_millis(10);
/// The directory is listed no more often.
const LIST: Duration = Duration::from_millis(100);
/// Whether a file that was nobody's is an agent's now is asked this often.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Between two tries of a store that fails; doubled up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Collects the logs of a directory, as the kubelet lays it out, in a thread of its own.
///
/// Each line of a file comes into the store once, in its order, also across restarts and kills: how far the files are read is
/// stored together with their lines. A store that fails is tried again, and meanwhile nothing is read.
pub struct Collector {
    directory: PathBuf,
    attribution: Box<dyn Attribution>,
    max_line: usize,
    max_files: usize,
    poll: bool,
}

impl Collector {
    /// Collects the files `*.log` of this directory (of Kubernetes: `/var/log/containers`), or those that links of such names lead to.
    #[must_use]
    pub fn of_directory(directory: impl Into<PathBuf>, attribution: impl Attribution) -> Self {
        Collector {
            directory: directory.into(),
            attribution: Box::new(attribution),
            max_line: 256 * 1024,
            max_files: 4096,
            poll: false,
        }
    }

    /// Keeps so many bytes of a line, and marks longer ones as cut. Default: 256 KiB.
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Follows so many files at once. Default: 4096.
    #[must_use]
    pub fn max_files(mut self, files: usize) -> Self {
        self.max_files = files;
        self
    }

    /// Looks at the files now and then, and does not ask the system to tell of changes: for file systems that do not.
    #[must_use]
    pub fn poll(mut self) -> Self {
        self.poll = true;
        self
    }

    /// Begins to collect. The directory need not be there yet.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub fn start(self, store: Arc<dyn LogStore>) -> io::Result<Collecting> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let watcher = Watcher::new(self.poll);
        let waker = watcher.waker();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("obs-logs-collect".to_owned()).spawn(move || {
            let mut work = Work::new(self, store, runtime, watcher, stopped);
            work.run();
        })?;
        Ok(Collecting { stop, waker, thread: Some(thread) })
    }
}

/// A collector at work. It stops when this is dropped.
#[derive(Debug)]
pub struct Collecting {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Collecting {
    /// Reads what is there, stores it, and stops.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("The collector of logs panicked");
        }
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.end();
    }
}

struct Work {
    collector: Collector,
    store: Arc<dyn LogStore>,
    runtime: Runtime,
    watcher: Watcher,
    /// By the name of the file.
    tails: BTreeMap<String, Tail>,
    /// The file whose turn it is.
    turn: String,
    /// How far the files are read, as the store says; `None` until it is asked.
    positions: Option<HashMap<String, Position>>,
    /// Files that are no agent's, or too many, and when that was found.
    foreign: HashMap<String, Instant>,
    stop: Arc<AtomicBool>,
    buffer: Vec<u8>,
    listed: Option<Instant>,
    /// Something happened since the directory was listed.
    unlisted: bool,
}

impl Work {
    fn new(
        collector: Collector,
        store: Arc<dyn LogStore>,
        runtime: Runtime,
        watcher: Watcher,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Work {
            collector,
            store,
            runtime,
            watcher,
            tails: BTreeMap::new(),
            turn: String::new(),
            positions: None,
            foreign: HashMap::new(),
            stop,
            buffer: Vec::new(),
            listed: None,
            unlisted: true,
        }
    }

    fn run(&mut self) {
        let mut retry = RETRY.0;
        let mut more = true;
        loop {
            // What is there when the stop is asked for is still read.
            let last = self.stop.load(Relaxed);
            if last {
                self.listed = None;
            } else if !more {
                self.watcher.wait(self.unlisted);
            }
            match self.round() {
                Ok(has_more) => {
                    more = has_more;
                    retry = RETRY.0;
                    if !more && last {
                        return;
                    }
                    if !more {
                        thread::sleep(PAUSE);
                    }
                }
                Err(err) => {
                    metrics().appends_total.with(AppendLabels { outcome: Append::Error }).inc();
                    warn!(error = &err as &dyn std::error::Error, "Logs are not stored; it is tried again");
                    self.tails.values_mut().for_each(Tail::was_not_stored);
                    if last {
                        return;
                    }
                    thread::sleep(retry);
                    retry = (retry * 2).min(RETRY.1);
                    more = true;
                }
            }
        }
    }

    /// Reads from every file and stores it. Says whether there is more.
    fn round(&mut self) -> Result<bool, StoreError> {
        let gone = self.list()?;
        let mut batch = Batch::default();
        let more = self.read(&mut batch, &gone);
        self.store(batch)?;
        for name in gone {
            if self.tails.get(&name).is_some_and(|tail| tail.lag() == 0) {
                self.tails.remove(&name);
                // Should it come back, the store knows how far it was read.
                self.positions = None;
            }
        }
        let counts = metrics();
        counts.files.set(self.tails.len() as f64);
        counts.lag_bytes.set(self.tails.values().map(Tail::lag).sum::<u64>() as f64);
        Ok(more)
    }

    /// Fills a batch from the files, beginning with the one whose turn it is.
    fn read(&mut self, batch: &mut Batch, gone: &HashSet<String>) -> bool {
        let mut more = false;
        let turn = std::mem::take(&mut self.turn);
        let mut later = self.tails.split_off(&turn);
        for (name, tail) in later.iter_mut().chain(&mut self.tails) {
            if batch.bytes() >= BATCH {
                self.turn.clone_from(name);
                more = true;
                break;
            }
            let has_more = tail.advance(batch, SHARE, &mut self.buffer);
            if !has_more && gone.contains(name) {
                tail.finish(batch);
            }
            tail.checkpoint(batch);
            more |= has_more;
        }
        self.tails.append(&mut later);
        more
    }

    fn store(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let counted = Counted::of(&batch);
        self.runtime.block_on(self.store.append(batch))?;
        self.tails.values_mut().for_each(Tail::was_stored);
        counted.count();
        Ok(())
    }

    /// Lists the directory, if it is time, and begins with what is new. Says which files are no longer there.
    fn list(&mut self) -> Result<HashSet<String>, StoreError> {
        self.unlisted = self.listed.is_some_and(|listed| listed.elapsed() < LIST);
        if self.unlisted {
            return Ok(HashSet::new());
        }
        self.listed = Some(Instant::now());
        if self.positions.is_none() {
            let checkpoints = self.runtime.block_on(self.store.checkpoints())?;
            self.positions = Some(checkpoints.into_iter().map(|one| (one.file, one.position)).collect());
        }
        let there = names(&self.collector.directory);
        for name in &there {
            self.begin(name);
        }
        self.foreign.retain(|name, _| there.contains(name));
        let directories = self.tails.values().filter_map(|tail| tail.active().parent()).map(Path::to_owned);
        self.watcher.watch(directories.chain([self.collector.directory.clone()]).collect());
        Ok(self.tails.keys().filter(|name| !there.contains(*name)).cloned().collect())
    }

    /// Follows a file, if it is an agent's and not followed yet.
    fn begin(&mut self, name: &str) {
        if self.tails.contains_key(name) {
            return;
        }
        let asked = self.foreign.get(name);
        if asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN) {
            return;
        }
        let owner = match Container::of_file(name) {
            _ if self.tails.len() >= self.collector.max_files => Err(Skipped::Surplus),
            Some(container) => self.collector.attribution.owner(&container).ok_or(Skipped::Foreign),
            None => Err(Skipped::Foreign),
        };
        let owner = match owner {
            Ok(owner) => owner,
            Err(reason) => {
                if asked.is_none() {
                    skipped(reason, 1);
                    info!(file = name, ?reason, "A log is not collected");
                }
                self.foreign.insert(name.to_owned(), Instant::now());
                return;
            }
        };
        // A link to nothing: its file is not there yet, or no more.
        let Ok(active) = self.collector.directory.join(name).canonicalize() else { return };
        self.foreign.remove(name);
        let position = self.positions.as_ref().and_then(|positions| positions.get(name)).cloned().unwrap_or_default();
        let tail = Tail::new(name.to_owned(), owner, active, position, self.collector.max_line);
        self.tails.insert(name.to_owned(), tail);
    }
}

/// The logs in the directory: none, if it is not there.
fn names(directory: &Path) -> HashSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.ends_with(".log")).collect()
}

/// What a batch adds to the metrics once it is stored.
struct Counted {
    stdout: u64,
    stderr: u64,
    cut: u64,
    earliest: Option<i64>,
}

impl Counted {
    fn of(batch: &Batch) -> Self {
        let mut counted = Counted { stdout: 0, stderr: 0, cut: 0, earliest: None };
        for lines in batch.agents() {
            counted.stdout += lines.counts.stdout;
            counted.stderr += lines.counts.stderr;
            counted.cut += lines.counts.cut;
        }
        let blocks = batch.agents().iter().flat_map(|lines| &lines.blocks);
        counted.earliest = blocks.map(|block| block.summary.earliest).min();
        counted
    }

    fn count(self) {
        let counts = metrics();
        counts.appends_total.with(AppendLabels { outcome: Append::Ok }).inc();
        counts.lines_total.with(StreamLabels { stream: Stream::Stdout }).add(self.stdout);
        counts.lines_total.with(StreamLabels { stream: Stream::Stderr }).add(self.stderr);
        counts.cut_lines_total.add(self.cut);
        if let Some(earliest) = self.earliest {
            let delay = Timestamp::now().duration_since(timestamp(earliest)).as_secs_f64();
            counts.delay_seconds.observe(delay.max(0.0));
        }
    }
}
