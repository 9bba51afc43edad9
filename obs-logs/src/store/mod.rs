//! Where lines are kept: what every store can do, and the stores.

mod batch;
mod block;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod embedded;
#[cfg(feature = "loki")]
mod loki;
mod read;
#[cfg(any(feature = "loki", feature = "cloudwatch"))]
mod remote;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

pub use self::batch::{AgentLines, Batch, Checkpoint, Owner};
#[cfg(feature = "cloudwatch")]
pub use self::cloudwatch::{CloudWatch, CloudWatchBuilder};
pub use self::embedded::{Embedded, Retention};
#[cfg(feature = "loki")]
pub use self::loki::{Loki, LokiBuilder};
pub use self::read::{Cursor, Direction, Filter, Found, Page, Read, Start};
use crate::model::AgentId;

/// A place for lines. Its futures need not be polled on any particular runtime of tokio, but on one.
pub trait LogStore: Send + Sync + 'static {
    /// Keeps lines and how far their files are read, both or neither. What is acknowledged outlives the process.
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), StoreError>>;

    /// How far each file is read.
    fn checkpoints(&self) -> BoxFuture<'static, Result<Vec<Checkpoint>, StoreError>>;

    /// Some of an agent's lines. An agent that nobody wrote of has none.
    fn read(&self, read: Read) -> BoxFuture<'static, Result<Page, StoreError>>;

    /// Tells when an agent may have new lines. To be asked for before the lines are read that shall not be missed.
    fn watch(&self, agent: &AgentId) -> Watch;
}

/// Waits for new lines of an agent.
#[derive(Debug)]
pub enum Watch {
    /// The store says when there are some.
    Told(watch::Receiver<()>),
    /// The store is to be asked again after so long.
    Every(Duration),
}

impl Watch {
    /// Returns when there may be new lines.
    pub async fn changed(&mut self) {
        match self {
            // A store that is gone says nothing any more.
            Watch::Told(told) => {
                if told.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Watch::Every(pause) => tokio::time::sleep(*pause).await,
        }
    }
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The embedded database failed.
    #[error("the database of the logs failed")]
    Database(#[source] Box<redb::Error>),
    /// The directory of the embedded store cannot be used.
    #[error("the directory of the logs cannot be used")]
    Directory(#[source] std::io::Error),
    /// What is in the database is not what this version writes.
    #[error("the database of the logs has something unreadable: {0}")]
    Unreadable(&'static str),
    /// A service that keeps the lines could not be reached, or said no.
    #[error("{what} does not answer as it should{}", status.map(|status| format!(": status {status}")).unwrap_or_default())]
    Remote {
        /// Which service.
        what: &'static str,
        /// What it said, if it said something.
        status: Option<u16>,
        /// Why it could not be reached.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The runtime stops.
    #[error("the work was given up, because the runtime stops")]
    Stopped,
}

/// `redb` has an error for each kind of step; one is enough here.
macro_rules! from_redb {
    ($($err:ident)*) => {$(
        impl From<redb::$err> for StoreError {
            fn from(err: redb::$err) -> Self {
                StoreError::Database(Box::new(err.into()))
            }
        }
    )*};
}

from_redb!(DatabaseError TransactionError TableError StorageError CommitError SetDurabilityError);
