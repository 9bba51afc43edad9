//! Users read their own agents' logs: collected from the kubelet's files, kept in a store, served over HTTP to their owners alone.
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use obs_logs::{AgentId, BearerTokens, Collector, Embedded, LogsApi, PodName, Retention, TokenKey, UserId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = Path::new("/var/lib/agent-logs");
//! let store = Arc::new(Embedded::open(directory, Retention::default())?);
//!
//! // Each line of `/var/log/containers/agent-<id>_swarm-agents_….log` comes into the store once, whatever is restarted or killed.
//! let pods = PodName::with_prefix("agent-").in_namespace("swarm-agents");
//! let collecting = Collector::of_directory("/var/log/containers", pods).start(store.clone())?;
//!
//! // Who asks, and whose an agent is: traits that the service implements. These two are for small ones.
//! let callers = BearerTokens::new().with("a token that nobody guesses", UserId::parse("u1")?);
//! let owners = HashMap::from([(AgentId::parse("a1")?, UserId::parse("u1")?)]);
//! let key = TokenKey::in_file(&directory.join("token.key"))?;
//! let app: axum::Router = axum::Router::new().merge(LogsApi::new(store, callers, owners, key).router());
//! # drop((app, collecting));
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! $ curl -H 'authorization: Bearer …' 'localhost:8080/v1/agents/a1/logs?tail=1&level=info'
//! {"logs":[{"timestamp":"2026-01-15T10:30:00Z","level":"info","message":"Processing user message","seq":123}],"next_token":"AQAA…"}
//! ```
//!
//! | To | See |
//! |---|---|
//! | collect the files of a node | [`Collector`]; [`PodName`], [`Manifests`] or an [`Attribution`] of one's own say whose they are |
//! | keep lines in a directory | [`Embedded`], for how long and how many: [`Retention`] |
//! | keep them in a Loki | `Loki` (feature `loki`) |
//! | keep them in CloudWatch | `CloudWatch` (feature `cloudwatch`) |
//! | keep them somewhere else | [`LogStore`] |
//! | serve them | [`LogsApi`]: routes and parameters; [`Caller`], [`Ownership`], [`Limits`], [`TokenKey`], [`Followers`] |
//! | see what is collected, skipped, kept | [`LogsMetrics`]: `obs_logs_*` |
//!
//! # A line
//!
//! A line of JSON with a `message` (or `msg`) says its `level` (`severity`, `lvl`; a name or a number of pino's), its `trace_id` and
//! [`fields`](Entry::fields); every other line is its text, at `info`. Its time is the container runtime's. Bytes that are not UTF-8
//! become U+FFFD. Parts are joined, standard output and standard error apart; what is longer than [`Collector::max_line`] is cut, and says so.
//! What is not in the runtime's format is skipped and counted in `obs_logs_skipped_total`.
//!
//! # Stores
//!
//! | | [`Embedded`] | `Loki` | `CloudWatch` |
//! |---|---|---|---|
//! | is | a database in a directory | a Loki, by HTTP | a log group, by the official SDK |
//! | feature | | `loki` | `cloudwatch` |
//! | lines come from | a [`Collector`] | a [`Collector`], or the pipeline of `deploy/` | a [`Collector`], or the pipeline of `deploy/` |
//! | tells times apart | to the nanosecond | to the nanosecond | to the millisecond |
//! | lines of the same time | stay in their order | have an order of their own | stay in their order |
//! | `seq` | counts from 1 | nanoseconds since 1970 | milliseconds since 1970, times 1000, and the place among their lines |
//! | a follower hears of new lines | when they are stored | when it is asked again, each second | when it is asked again, every two seconds |
//! | a line that is sent again | | is there once | may be there twice |
//! | keeps lines for | [`Retention`] | its own configuration | the retention of the group |
//!
//! Whatever the store, the answers are of the same form and every filter means the same.
//!
//! # Once
//!
//! The embedded store keeps lines together with how far their files were read, or neither; the others keep the latter in a file, when
//! they have the lines. A file is known again by its inode and a hash of its
//! beginning, so rotation, compression and truncation with a copy lose and repeat nothing, also while nobody collects. What was rotated
//! away before anybody read it is lost, counted and told.
#![deny(missing_docs)]

mod collect;
#[doc(hidden)]
pub mod fuzzing;
mod metrics;
mod model;
mod serve;
mod store;

#[cfg(feature = "cloudwatch")]
pub use aws_sdk_cloudwatchlogs;

pub use crate::collect::{Attribution, Collecting, Collector, Container, Manifests, PodName, Position};
pub use crate::metrics::{Append, AppendLabels, Fault, FaultLabels, LogsMetrics, Skipped, SkippedLabels, StreamLabels};
pub use crate::model::{AgentId, Entry, InvalidId, Level, Line, Stream, TraceId, UserId};
pub use crate::serve::{BearerTokens, BoxError, Caller, Followers, Limits, LogsApi, Ownership, TokenKey};
pub use crate::store::{
    AgentLines, Batch, Checkpoint, Cursor, Direction, Embedded, Filter, Found, LogStore, Owner, Page, Read, Retention,
    Start, StoreError, Watch,
};
#[cfg(feature = "cloudwatch")]
pub use crate::store::{CloudWatch, CloudWatchBuilder};
#[cfg(feature = "loki")]
pub use crate::store::{Loki, LokiBuilder};
