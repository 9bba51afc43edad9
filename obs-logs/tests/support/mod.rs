//! What the tests have in common: a writer that lays files out as the kubelet does, and a look at what is stored.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use obs_logs::{
    AgentId, Collecting, Collector, Direction, Embedded, Entry, Filter, LogStore, PodName, Read, Retention, Start,
};

/// Writes the log of one container: below `pods/`, with a link in `containers/`.
pub struct Kubelet {
    link: PathBuf,
    active: PathBuf,
    file: File,
    /// Nanoseconds since 1970 of the next line.
    now: i64,
    rotations: usize,
}

impl Kubelet {
    /// The log of a new pod `agent-<agent>`.
    pub fn start(root: &Path, agent: &str) -> Self {
        let pod = root.join(format!("pods/swarm-agents_agent-{agent}_uid/main"));
        fs::create_dir_all(&pod).unwrap();
        fs::create_dir_all(containers(root)).unwrap();
        let active = pod.join("0.log");
        let file = open(&active);
        let link = containers(root).join(format!("agent-{agent}_swarm-agents_main-{:064x}.log", agent.len()));
        symlink(&active, &link).unwrap();
        Kubelet { link, active, file, now: 1_768_473_000_000_000_000, rotations: 0 }
    }

    pub fn write(&mut self, stream: &str, tag: &str, content: impl AsRef<[u8]>) {
        self.now += 1_000_003;
        let time = jiff::Timestamp::from_nanosecond(self.now.into()).unwrap();
        let mut line = format!("{time:.9} {stream} {tag} ").into_bytes();
        line.extend_from_slice(content.as_ref());
        line.push(b'\n');
        self.file.write_all(&line).unwrap();
    }

    pub fn line(&mut self, content: &str) {
        self.write("stdout", "F", content);
    }

    /// Bytes of no form.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).unwrap();
    }

    pub fn size(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    /// Renames the file and begins another, as the kubelet does; the one before the last is compressed, and `keep` stay.
    pub fn rotate(&mut self, keep: usize) {
        self.rotations += 1;
        let name = |n: usize| format!("{}.20260115-{n:06}", self.active.display());
        fs::rename(&self.active, name(self.rotations)).unwrap();
        self.file = open(&self.active);
        if self.rotations > 1 {
            compress(Path::new(&name(self.rotations - 1)));
        }
        if self.rotations > keep {
            let _ = fs::remove_file(format!("{}.gz", name(self.rotations - keep)));
        }
    }

    /// Copies the file and truncates it, as logrotate does with `copytruncate`.
    pub fn copy_and_truncate(&mut self) {
        for n in (1..=self.rotations).rev() {
            fs::rename(self.numbered(n), self.numbered(n + 1)).unwrap();
        }
        self.rotations += 1;
        fs::copy(&self.active, self.numbered(1)).unwrap();
        self.file.set_len(0).unwrap();
    }

    fn numbered(&self, n: usize) -> PathBuf {
        PathBuf::from(format!("{}.{n}", self.active.display()))
    }

    /// The pod is deleted, with all its files.
    pub fn remove(self) {
        fs::remove_file(&self.link).unwrap();
        fs::remove_dir_all(self.active.parent().unwrap()).unwrap();
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn compress(path: &Path) {
    let temporary = format!("{}.tmp", path.display());
    let mut text = GzEncoder::new(File::create(&temporary).unwrap(), Compression::fast());
    io::copy(&mut File::open(path).unwrap(), &mut text).unwrap();
    text.finish().unwrap();
    fs::rename(temporary, format!("{}.gz", path.display())).unwrap();
    fs::remove_file(path).unwrap();
}

pub fn containers(root: &Path) -> PathBuf {
    root.join("containers")
}

pub fn store(root: &Path) -> Embedded {
    // The lines of the tests are old.
    let forever = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Embedded::open(&root.join("store"), Retention::default().age(forever)).unwrap()
}

pub fn collector(root: &Path) -> Collector {
    Collector::of_directory(containers(root), PodName::with_prefix("agent-").in_namespace("swarm-agents"))
}

pub fn collect(root: &Path, store: &Embedded) -> Collecting {
    collector(root).start(Arc::new(store.clone()) as Arc<dyn LogStore>).unwrap()
}

pub fn agent(id: &str) -> AgentId {
    AgentId::parse(id).unwrap()
}

/// All lines of an agent that match.
pub fn matching(store: &Embedded, id: &str, filter: &Filter) -> Vec<Entry> {
    let mut read = Read {
        agent: agent(id),
        filter: filter.clone(),
        start: Start::Outside,
        direction: Direction::Forward,
        limit: 1000,
    };
    let mut entries = Vec::new();
    loop {
        let page = store.read_blocking(&read).unwrap();
        read.start = Start::After(page.ended);
        entries.extend(page.found.into_iter().map(|found| found.entry));
        if page.done {
            return entries;
        }
    }
}

pub fn messages(store: &Embedded, id: &str) -> Vec<String> {
    matching(store, id, &Filter::default()).into_iter().map(|entry| entry.message).collect()
}

/// Waits until it is so.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
