//! Finished spans over OTLP/gRPC, by the OpenTelemetry Protocol 1.x.

mod client;
mod encode;
mod wire;

pub use self::client::{OtlpError, OtlpExporter};
