//! The store that needs nothing beside it: a database in one directory.
//!
//! Lines lie in blocks of up to 32 KiB, each under its agent and the number of its first line; a table beside them says of each
//! block what it can contain, so that a reader touches only blocks that matter. A transaction holds the lines of a batch,
//! the checkpoints of their files and the removal of what is too old, so a kill at any moment loses or repeats nothing.

mod lookup;
mod retention;
mod tables;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use std::{fs, io};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::watch;

pub use self::retention::Retention;
use self::retention::{Alive, keep};
use self::tables::Tables;
use super::{Batch, Checkpoint, LogStore, Page, Read, StoreError, Watch};
use crate::metrics::metrics;
use crate::model::AgentId;

/// The file in the directory.
const FILE: &str = "logs.redb";
/// That file while it is made.
const UNFINISHED: &str = "logs.redb.new";
/// What the database may hold in memory.
const CACHE: usize = 64 << 20;
/// Between two looks for what is too old. What is written looks for it, too.
const PAUSE: Duration = Duration::from_secs(60);
/// The least number of watched agents at which those are looked for whom nobody watches any more.
const PURGE: usize = 64;

/// The embedded store. Clones are the same store; a directory has one at a time. A thread of its own removes each minute what is older than
/// is kept, also while nobody writes.
#[derive(Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    retention: Retention,
    clock: Clock,
    watched: Mutex<Watched>,
    _alive: Alive,
}

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Default)]
struct Watched {
    agents: HashMap<AgentId, watch::Sender<()>>,
    purge_at: usize,
}

impl Embedded {
    /// Opens the store in this directory, or creates both. After a kill this takes no longer than else.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or written to, another process has it open, or what is in it is no such store.
    pub fn open(directory: &Path, retention: Retention) -> Result<Self, StoreError> {
        Self::open_by(directory, retention, Box::new(Timestamp::now), PAUSE)
    }

    fn open_by(directory: &Path, retention: Retention, clock: Clock, pause: Duration) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(StoreError::Directory)?;
        let file = directory.join(FILE);
        if !file.exists() {
            create(directory, &file)?;
        }
        let database = Database::builder().set_cache_size(CACHE).open(file)?;
        let (alive, ends) = mpsc::channel();
        let shared = Shared { database, retention, clock, watched: Mutex::default(), _alive: alive };
        let shared = Arc::new(shared);
        keep(Arc::downgrade(&shared), ends, pause).map_err(StoreError::Directory)?;
        Ok(Embedded { shared })
    }

    /// Keeps lines and checkpoints, in the calling thread; returns when they are on the disk.
    ///
    /// # Errors
    ///
    /// The database failed; then nothing of the batch is kept.
    pub fn append_blocking(&self, batch: Batch) -> Result<(), StoreError> {
        self.write(&batch).map(drop)
    }

    /// Reads in the calling thread.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn read_blocking(&self, read: &Read) -> Result<Page, StoreError> {
        lookup::read(&self.shared.database, read)
    }

    /// Keeps a batch, and removes some of what is too old or too much. Says how many lines that were.
    fn write(&self, batch: &Batch) -> Result<u64, StoreError> {
        let now = (self.shared.clock)();
        let mut transaction = self.shared.database.begin_write()?;
        // A few pages more with each commit, so that a database of any size opens at once after a kill.
        transaction.set_quick_repair(true);
        let (stored, expired) = {
            let mut tables = Tables::open(&transaction)?;
            write::append(&mut tables, batch, self.shared.retention, now)?;
            (write::expire(&mut tables, self.shared.retention, now)?, tables.expired)
        };
        transaction.commit()?;
        self.tell(batch);
        let counts = metrics();
        counts.stored_bytes.set(stored as f64);
        counts.expired_lines_total.add(expired);
        Ok(expired)
    }

    /// Removes all that is too old or too much.
    fn expire(&self) -> Result<(), StoreError> {
        while self.write(&Batch::default())? > 0 {}
        let transaction = self.shared.database.begin_write()?;
        write::forget(&mut Tables::open(&transaction)?, self.shared.retention, (self.shared.clock)())?;
        Ok(transaction.commit()?)
    }

    /// Tells those who watch the agents of a batch.
    fn tell(&self, batch: &Batch) {
        let watched = self.watched();
        if watched.agents.is_empty() {
            return;
        }
        for agent in batch.agents() {
            if let Some(told) = watched.agents.get(&agent.owner().agent_id) {
                told.send_replace(());
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let store = self.clone();
        Box::pin(
            async move { obs_runtime::spawn_blocking(move || work(&store)).await.unwrap_or(Err(StoreError::Stopped)) },
        )
    }
}

/// Makes the database under another name first: one that is killed while it is made cannot be opened.
fn create(directory: &Path, file: &Path) -> Result<(), StoreError> {
    let unfinished = directory.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(StoreError::Directory(err)),
        _ => {}
    }
    let database = Database::create(&unfinished)?;
    let transaction = database.begin_write()?;
    // So that readers find the tables.
    Tables::open(&transaction)?;
    transaction.commit()?;
    drop(database);
    fs::rename(&unfinished, file).and_then(|()| fs::File::open(directory)?.sync_all()).map_err(StoreError::Directory)
}

impl LogStore for Embedded {
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), StoreError>> {
        self.blocking(move |store| store.append_blocking(batch))
    }

    fn checkpoints(&self) -> BoxFuture<'static, Result<Vec<Checkpoint>, StoreError>> {
        self.blocking(|store| {
            let read = store.shared.database.begin_read()?;
            let table = read.open_table(tables::CHECKPOINTS)?;
            table.iter()?.map(|row| tables::checkpoint(&row?)).collect()
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Page, StoreError>> {
        self.blocking(move |store| store.read_blocking(&read))
    }

    fn watch(&self, agent: &AgentId) -> Watch {
        let mut watched = self.watched();
        if watched.agents.len() >= watched.purge_at.max(PURGE) {
            watched.agents.retain(|_, told| told.receiver_count() > 0);
            watched.purge_at = watched.agents.len() * 2;
        }
        let told = watched.agents.entry(agent.clone()).or_insert_with(|| watch::channel(()).0);
        Watch::Told(told.subscribe())
    }
}
