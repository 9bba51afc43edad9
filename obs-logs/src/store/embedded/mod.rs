//! The store that needs nothing beside it: a database in one directory.
//!
//! Lines lie in blocks of up to 32 KiB, each under its agent and the number of its first line; a table beside them says of each
//! block what it can contain, so that a reader touches only blocks that matter. A transaction holds the lines of a batch,
//! the checkpoints of their files and the removal of what is too old, so a kill at any moment loses or repeats nothing.

mod lookup;
mod tables;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::watch;

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
/// The least number of watched agents at which those are looked for whom nobody watches any more.
const PURGE: usize = 64;

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Lines that are older leave. Default: 7 days.
    pub age: Duration,
    /// When all lines together take more, the oldest leave. The file is up to twice as large. Default: 64 GiB.
    pub bytes: u64,
    /// When those of one agent take more, its oldest leave, so that one that writes much does not push out the others. Default: 1 GiB.
    pub bytes_per_agent: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { age: Duration::from_secs(7 * 24 * 60 * 60), bytes: 64 << 30, bytes_per_agent: 1 << 30 }
    }
}

impl Retention {
    /// Another age.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Another size of all lines together.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Another size of the lines of one agent.
    #[must_use]
    pub fn bytes_per_agent(mut self, bytes: u64) -> Self {
        self.bytes_per_agent = bytes;
        self
    }
}

/// The embedded store. Clones are the same store; a directory has one at a time.
#[derive(Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    retention: Retention,
    watched: Mutex<Watched>,
}

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
        fs::create_dir_all(directory).map_err(StoreError::Directory)?;
        let file = directory.join(FILE);
        if !file.exists() {
            create(directory, &file)?;
        }
        let database = Database::builder().set_cache_size(CACHE).open(file)?;
        Ok(Embedded { shared: Arc::new(Shared { database, retention, watched: Mutex::default() }) })
    }

    /// Keeps lines and checkpoints, in the calling thread; returns when they are on the disk.
    ///
    /// # Errors
    ///
    /// The database failed; then nothing of the batch is kept.
    pub fn append_blocking(&self, batch: Batch) -> Result<(), StoreError> {
        self.write(batch, Timestamp::now())
    }

    /// Reads in the calling thread.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn read_blocking(&self, read: &Read) -> Result<Page, StoreError> {
        lookup::read(&self.shared.database, read)
    }

    fn write(&self, batch: Batch, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.shared.database.begin_write()?;
        // A few pages more with each commit, so that a database of any size opens at once after a kill.
        transaction.set_quick_repair(true);
        let (stored, expired) = {
            let mut tables = Tables::open(&transaction)?;
            write::append(&mut tables, &batch, self.shared.retention, now)?;
            (write::expire(&mut tables, self.shared.retention, now)?, tables.expired)
        };
        transaction.commit()?;
        self.tell(&batch);
        let counts = metrics();
        counts.stored_bytes.set(stored as f64);
        counts.expired_lines_total.add(expired);
        Ok(())
    }

    fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let transaction = self.shared.database.begin_write()?;
        write::forget(&mut Tables::open(&transaction)?, self.shared.retention, now)?;
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

    fn maintain(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.blocking(|store| {
            let now = Timestamp::now();
            store.write(Batch::default(), now)?;
            store.forget(now)
        })
    }
}
