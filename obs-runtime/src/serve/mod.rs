//! The HTTP servers: `/metrics` and the probes for machines, and the administration for people.

mod admin;
mod probes;
mod server;

pub use self::probes::metrics_router;
pub(crate) use self::probes::{MetricsText, Readiness};
pub use self::server::{ServeError, Server};
pub(crate) use self::server::{Settings, start};
