//! Records in redb: a table of agents and a table of who owns them.

use std::path::Path;
use std::sync::Arc;

use obs_runtime::observed;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::StoreError;
use crate::model::{AgentId, AgentRecord, UserId};

/// Agent id → record as JSON.
const AGENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("agents");
/// (user id, agent id) → nothing: one range gives all agents of a user.
const OWNERSHIP: TableDefinition<'_, (&str, &str), ()> = TableDefinition::new("ownership");

/// The database. Its methods block; clones share it.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
}

impl Store {
    /// Opens the file, or creates it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path)?;
        let write = database.begin_write()?;
        write.open_table(AGENTS)?;
        write.open_table(OWNERSHIP)?;
        write.commit()?;
        Ok(Store { database: Arc::new(database) })
    }

    /// Writes a record and who owns it, both or neither.
    #[observed(name = "store.put")]
    pub fn put(&self, record: &AgentRecord) -> Result<(), StoreError> {
        let json = serde_json::to_vec(record)?;
        self.write(|agents, ownership| {
            agents.insert(record.agent_id.as_str(), json.as_slice())?;
            ownership.insert((record.user_id.as_str(), record.agent_id.as_str()), ())?;
            Ok(())
        })
    }

    /// Forgets a record and who owned it.
    #[observed(name = "store.remove", user_id, agent_id)]
    pub fn remove(&self, user_id: &UserId, agent_id: &AgentId) -> Result<(), StoreError> {
        self.write(|agents, ownership| {
            agents.remove(agent_id.as_str())?;
            ownership.remove((user_id.as_str(), agent_id.as_str()))?;
            Ok(())
        })
    }

    /// Every agent of a user.
    #[observed(name = "store.owned_by", user_id)]
    pub fn owned_by(&self, user_id: &UserId) -> Result<Vec<AgentRecord>, StoreError> {
        self.read(|agents, ownership| {
            let mut found = Vec::new();
            for entry in ownership.range((user_id.as_str(), "")..)? {
                let (key, _) = entry?;
                let (owner, agent_id) = key.value();
                if owner != user_id.as_str() {
                    break;
                }
                found.extend(agents.get(agent_id)?.map(|json| json.value().to_vec()));
            }
            Ok(found)
        })
    }

    /// Every agent there is.
    pub fn all(&self) -> Result<Vec<AgentRecord>, StoreError> {
        self.read(|agents, _| agents.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect())
    }

    fn write(
        &self,
        change: impl FnOnce(&mut Agents<'_>, &mut Ownership<'_>) -> Result<(), redb::StorageError>,
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        change(&mut write.open_table(AGENTS)?, &mut write.open_table(OWNERSHIP)?)?;
        Ok(write.commit()?)
    }

    fn read(
        &self,
        look: impl FnOnce(&AgentsRead, &OwnershipRead) -> Result<Vec<Vec<u8>>, redb::StorageError>,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        let read = self.database.begin_read()?;
        let found = look(&read.open_table(AGENTS)?, &read.open_table(OWNERSHIP)?)?;
        Ok(found.iter().map(|json| serde_json::from_slice(json)).collect::<Result<_, _>>()?)
    }
}

/// `redb` has an error for each kind of step; one is enough here.
macro_rules! from_redb {
    ($($err:ident)*) => {$(
        impl From<redb::$err> for StoreError {
            fn from(err: redb::$err) -> Self {
                StoreError::Database(redb::Error::from(err).into())
            }
        }
    )*};
}

from_redb!(DatabaseError TransactionError TableError StorageError CommitError);

type Agents<'txn> = redb::Table<'txn, &'static str, &'static [u8]>;
type Ownership<'txn> = redb::Table<'txn, (&'static str, &'static str), ()>;
type AgentsRead = redb::ReadOnlyTable<&'static str, &'static [u8]>;
type OwnershipRead = redb::ReadOnlyTable<(&'static str, &'static str), ()>;
