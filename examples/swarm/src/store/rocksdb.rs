//! Records in RocksDB: a column family of agents and one of who owns them.

use std::path::Path;
use std::sync::Arc;

use obs_runtime::{MetricSet, observed};
use rocksdb::{BoundColumnFamily, DBWithThreadMode, Direction, IteratorMode, MultiThreaded, Options, WriteBatch};

use super::StoreError;
use crate::metrics::{ColumnFamily, ColumnFamilyLabels, RocksDbMetrics};
use crate::model::{AgentId, AgentRecord, UserId};

type Database = DBWithThreadMode<MultiThreaded>;

/// Agent id → record as JSON.
const AGENTS: &str = "agents";
/// User id, a line feed (which no id has), agent id → nothing: one prefix gives all agents of a user.
const OWNERSHIP: &str = "ownership";

/// The database. Its methods block; clones share it.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
}

impl Store {
    /// Opens the directory, or creates it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.enable_statistics();
        let database = Arc::new(Database::open_cf(&options, path, [AGENTS, OWNERSHIP])?);
        // The options share their statistics with the database. A second one in this process takes the metric over.
        let written = move || count(&options, "rocksdb.compact.write.bytes");
        RocksDbMetrics::global().compaction_bytes_total.observe(written);
        Ok(Store { database })
    }

    /// Writes a record and who owns it, both or neither.
    #[observed(name = "store.put")]
    pub fn put(&self, record: &AgentRecord) -> Result<(), StoreError> {
        let json = serde_json::to_vec(record)?;
        self.write(|batch, agents, ownership| {
            batch.put_cf(agents, record.agent_id.as_str(), json);
            batch.put_cf(ownership, owned(&record.user_id, &record.agent_id), []);
        })
    }

    /// Forgets a record and who owned it.
    #[observed(name = "store.remove", user_id, agent_id)]
    pub fn remove(&self, user_id: &UserId, agent_id: &AgentId) -> Result<(), StoreError> {
        self.write(|batch, agents, ownership| {
            batch.delete_cf(agents, agent_id.as_str());
            batch.delete_cf(ownership, owned(user_id, agent_id));
        })
    }

    /// Every agent of a user.
    #[observed(name = "store.owned_by", user_id)]
    pub fn owned_by(&self, user_id: &UserId) -> Result<Vec<AgentRecord>, StoreError> {
        let (agents, ownership) = (self.family(AGENTS)?, self.family(OWNERSHIP)?);
        let prefix = format!("{user_id}\n");
        let mut found = Vec::new();
        for entry in self.database.iterator_cf(&ownership, IteratorMode::From(prefix.as_bytes(), Direction::Forward)) {
            let (key, _) = entry?;
            let Some(agent_id) = key.strip_prefix(prefix.as_bytes()) else { break };
            let labels = ColumnFamilyLabels { cf: ColumnFamily::Agents };
            let timer = RocksDbMetrics::global().get_latency_seconds.with(labels).timer();
            let json = self.database.get_pinned_cf(&agents, agent_id)?;
            drop(timer);
            if let Some(json) = json {
                found.push(serde_json::from_slice(&json)?);
            }
        }
        Ok(found)
    }

    /// Every agent there is.
    pub fn all(&self) -> Result<Vec<AgentRecord>, StoreError> {
        let agents = self.family(AGENTS)?;
        let entries = self.database.iterator_cf(&agents, IteratorMode::Start);
        entries.map(|entry| Ok(serde_json::from_slice(&entry?.1)?)).collect()
    }

    /// One batch. Its time counts for each column family that it writes to.
    fn write(
        &self,
        fill: impl FnOnce(&mut WriteBatch, &Arc<BoundColumnFamily<'_>>, &Arc<BoundColumnFamily<'_>>),
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        fill(&mut batch, &self.family(AGENTS)?, &self.family(OWNERSHIP)?);
        let _timers = [ColumnFamily::Agents, ColumnFamily::Ownership]
            .map(|cf| RocksDbMetrics::global().put_latency_seconds.with(ColumnFamilyLabels { cf }).timer());
        Ok(self.database.write(batch)?)
    }

    fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>, StoreError> {
        let found = self.database.cf_handle(name);
        found.ok_or_else(|| StoreError::Database(format!("there is no column family `{name}`").into()))
    }
}

impl From<rocksdb::Error> for StoreError {
    fn from(err: rocksdb::Error) -> Self {
        StoreError::Database(err.into())
    }
}

fn owned(user_id: &UserId, agent_id: &AgentId) -> String {
    format!("{user_id}\n{agent_id}")
}

/// A count of the engine's own statistics: a line `name COUNT : 17` of their text.
fn count(options: &Options, name: &str) -> u64 {
    let statistics = options.get_statistics().unwrap_or_default();
    let line = statistics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" COUNT : "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{AgentSpec, AgentStatus};

    #[test]
    fn what_the_engine_does_is_counted_by_column_family() {
        let directory = std::env::temp_dir().join(format!("swarm-test-{}", uuid::Uuid::new_v4()));
        let store = Store::open(&directory).unwrap();
        let user_id: UserId = "ana".parse().unwrap();
        let spec = AgentSpec { name: "a".to_owned(), region: "eu".to_owned(), memory_mib: 1, image: "i".to_owned() };
        let record =
            AgentRecord { agent_id: AgentId::generate(), user_id: user_id.clone(), spec, status: AgentStatus::Running };
        store.put(&record).unwrap();
        // Another user, whose name begins alike.
        let user_2: UserId = "ana-2".parse().unwrap();
        let beside = AgentRecord { agent_id: AgentId::generate(), user_id: user_2, ..record.clone() };
        store.put(&beside).unwrap();
        let found = store.owned_by(&user_id).unwrap();
        assert_eq!(found.iter().map(|found| &found.agent_id).collect::<Vec<_>>(), [&record.agent_id]);
        assert_eq!(store.all().unwrap().len(), 2);
        // Two files that overlap have to be merged.
        let agents = store.family(AGENTS).unwrap();
        store.database.flush_cf(&agents).unwrap();
        store.put(&record).unwrap();
        store.put(&beside).unwrap();
        store.database.flush_cf(&agents).unwrap();
        store.database.compact_range_cf(&agents, None::<&[u8]>, None::<&[u8]>);

        let text = obs_runtime::metrics::encode();
        let value = |series: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
        };
        assert_eq!(value("rocksdb_put_latency_seconds_count{cf=\"agents\"}"), 4.0);
        assert_eq!(value("rocksdb_put_latency_seconds_count{cf=\"ownership\"}"), 4.0);
        assert_eq!(value("rocksdb_get_latency_seconds_count{cf=\"agents\"}"), 1.0);
        assert!(value("rocksdb_compaction_bytes_total") > 0.0, "{text}");

        store.remove(&user_id, &record.agent_id).unwrap();
        assert!(store.owned_by(&user_id).unwrap().is_empty());
        drop(agents);
        drop(store);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
