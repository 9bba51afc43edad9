//! Control's records: which agents there are, and who owns them, in a database inside the process: redb, or with the feature
//! `rocksdb` a real RocksDB, which then publishes its metrics. Both have the same `Store`, whose methods block.

#[cfg(not(feature = "rocksdb"))]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use crate::service::BoxError;

#[cfg(not(feature = "rocksdb"))]
pub use self::redb::Store;
#[cfg(feature = "rocksdb")]
pub use self::rocksdb::Store;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database(#[source] BoxError),
    #[error("a record in the database is not readable")]
    Record(#[from] serde_json::Error),
}
