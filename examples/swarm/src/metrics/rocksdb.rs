//! What control's store says where it is RocksDB.

use obs_runtime::{Histogram, LabelSet, LabelValue, MetricSet, ObservedCounter};

/// Upper bounds of latencies, in seconds.
const LATENCIES: &[f64] = &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// Published only where a real RocksDB runs: no other store may use these names.
#[derive(MetricSet)]
#[metric_set(prefix = "rocksdb")]
pub struct RocksDbMetrics {
    /// How long reads of a key took.
    #[metric(buckets = LATENCIES)]
    pub get_latency_seconds: Histogram<ColumnFamilyLabels>,
    /// How long writes took.
    #[metric(buckets = LATENCIES)]
    pub put_latency_seconds: Histogram<ColumnFamilyLabels>,
    /// Bytes that compactions have written, as the engine itself counts them.
    pub compaction_bytes_total: ObservedCounter,
}

/// The label of the latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct ColumnFamilyLabels {
    /// The column family.
    pub cf: ColumnFamily,
}

/// The column families of control's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum ColumnFamily {
    /// Agent id → record.
    Agents,
    /// User id and agent id → nothing.
    Ownership,
}
