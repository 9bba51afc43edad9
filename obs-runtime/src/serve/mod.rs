//! The HTTP servers that [`Telemetry::serve`](crate::Telemetry::serve) starts: `/metrics` and the probes for machines, and the
//! administration for people.
//!
//! | Server | Address (keys of the configuration) | Path | |
//! |---|---|---|---|
//! | metrics | `metrics_address`, `metrics_port` | `GET /metrics` | the text format 0.0.4 |
//! | | | `GET /healthz` | 200 while the process answers |
//! | | | `GET /readyz` | 200 from `serve` to `shutdown`, while every [check](crate::Telemetry::ready_when) says yes; else 503, and the names of those that say no |
//! | administration | `admin_address`, `admin_port` | `/admin/level` | the log filter: `GET`, `PUT` for a while, `DELETE` |
//! | | | `GET /debug/spans` | the spans that are open, the oldest first; as JSON, or as text where `accept` says `text/plain` |
//! | `admin_address`, `admin_port` | what was [mounted](crate::Builder::mount) | with `admin_token_file`: to whoever sends `authorization: Bearer …`, else 401 |

mod admin;
mod probes;
mod scrape;
mod server;

pub use self::probes::metrics_router;
pub(crate) use self::probes::{MetricsText, Readiness};
pub use self::server::{ServeError, Server};
pub(crate) use self::server::{Settings, start};
