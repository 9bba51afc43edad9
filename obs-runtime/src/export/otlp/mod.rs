//! Finished spans over OTLP, by gRPC or by HTTP with protocol buffers, by the OpenTelemetry Protocol 1.x.
//!
//! What the collector acknowledges is sent; everything else is counted as lost, with the collector's reason in
//! [`Delivery::problem`](crate::export::Delivery). A request that fails in a way that may pass is tried again with growing
//! pauses, or after the one that the collector asks for (`RetryInfo`, `Retry-After`), until `otlp_timeout` is over.

mod again;
mod answer;
mod encode;
mod error;
mod exporter;
mod grpc;
mod http;
mod retry;
#[cfg(feature = "otlp-tls")]
mod tls;
#[cfg(not(feature = "otlp-tls"))]
#[path = "no_tls.rs"]
mod tls;
mod wire;

#[doc(hidden)]
pub use self::again::Again;
pub use self::error::OtlpError;
pub use self::exporter::OtlpExporter;
