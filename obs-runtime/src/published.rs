//! The functions that the platform has published: their signatures stay, as thin doors to what the toolkit does.

#[cfg(feature = "opentelemetry")]
mod context;
mod init;
#[cfg(feature = "otlp")]
mod late;
#[cfg(not(feature = "otlp"))]
#[path = "published/no_late.rs"]
mod late;
#[cfg(feature = "serve")]
mod request_id;

#[cfg(feature = "opentelemetry")]
pub use self::context::{extract_trace_context, inject_trace_context};
pub use self::init::{FlushGuard, init_tracer, init_tracing};
#[cfg(feature = "serve")]
pub use self::request_id::request_id_middleware;
