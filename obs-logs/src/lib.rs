//! Users read their own agents' logs.
#![deny(missing_docs)]

mod collect;
#[doc(hidden)]
pub mod fuzzing;
mod metrics;
mod model;
mod serve;
mod store;

pub use crate::collect::{Attribution, Collecting, Collector, Container, Manifests, PodName, Position};
pub use crate::metrics::{Append, AppendLabels, LogsMetrics, Skipped, SkippedLabels, StreamLabels};
pub use crate::model::{AgentId, Entry, InvalidId, Level, Line, Stream, TraceId, UserId};
pub use crate::serve::{BearerTokens, BoxError, Caller, Limits, LogsApi, Ownership, TokenKey};
pub use crate::store::{
    AgentLines, Batch, Checkpoint, Cursor, Direction, Embedded, Filter, Found, LogStore, Owner, Page, Read, Retention,
    Start, StoreError, Watch,
};
#[cfg(feature = "loki")]
pub use crate::store::{Loki, LokiBuilder};
