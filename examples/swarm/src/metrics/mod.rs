//! Every metric that the platform publishes: a set for each service that publishes some, and the whole [`CATALOGUE`].
//!
//! | Set | Who publishes it |
//! |---|---|
//! | [`GatewayMetrics`], [`WebSocketMetrics`], [`SessionMetrics`] | gateway |
//! | [`ControlMetrics`], and the states of [`AgentStatus`] | control |
//! | [`RocksDbMetrics`] | control, where its store is RocksDB (feature `rocksdb`) |
//! | [`LogsMetrics`] | control, of the logs of agents |
//! | [`AgentMetrics`] | each agent |
//! | [`HttpMetrics`] | whoever answers HTTP |
//! | the runtime's own | everybody |

mod agent;
mod control;
mod gateway;
mod rocksdb;

use obs_http::HttpMetrics;
use obs_http::ws::{SessionMetrics, WebSocketMetrics};
use obs_logs::LogsMetrics;
use obs_runtime::metrics::RUNTIME_DESCRIPTORS;
use obs_runtime::{Descriptor, LabelSet, MetricSet, OPERATION_DESCRIPTORS, StateMachine};

pub use self::agent::{AgentMetrics, TokenDirection, TokenLabels};
pub use self::control::{AgentStatusLabels, ControlMetrics};
pub use self::gateway::{GatewayMetrics, RequestOutcome, UserRequestLabels};
pub use self::rocksdb::{ColumnFamily, ColumnFamilyLabels, RocksDbMetrics};
use crate::model::{AgentId, AgentStatus, UserId};

/// What is known of each metric before any service runs, group by group. No name stands in two groups.
pub const CATALOGUE: &[&[Descriptor]] = &[
    HttpMetrics::DESCRIPTORS,
    WebSocketMetrics::DESCRIPTORS,
    SessionMetrics::DESCRIPTORS,
    GatewayMetrics::DESCRIPTORS,
    <AgentStatus as StateMachine>::DESCRIPTORS,
    ControlMetrics::DESCRIPTORS,
    RocksDbMetrics::DESCRIPTORS,
    LogsMetrics::DESCRIPTORS,
    AgentMetrics::DESCRIPTORS,
    OPERATION_DESCRIPTORS,
    RUNTIME_DESCRIPTORS,
];

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct UserLabels {
    /// The user.
    pub user_id: UserId,
}

/// Which agent it is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct AgentLabels {
    /// The agent.
    pub agent_id: AgentId,
}
