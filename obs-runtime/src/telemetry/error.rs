use std::fmt;

use crate::config::ConfigError;
use crate::metrics::RegisterError;

/// Why a runtime did not start. Its `Debug` is its text and its sources, as that is what Rust prints of an error that `main`
/// returns.
#[non_exhaustive]
pub enum StartError {
    /// Another subscriber is the process's already.
    AlreadyStarted,
    /// The configuration has values that are not allowed.
    Config(ConfigError),
    /// The log filter does not parse.
    Filter {
        /// The directives.
        directives: String,
        /// What is wrong with them.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The system gave no thread.
    Thread {
        /// What the thread is for.
        purpose: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A set of metrics could not be registered.
    Metrics(RegisterError),
    /// An exporter could not be made.
    Exporter(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(err) = source {
            write!(f, ": {err}")?;
            source = err.source();
        }
        Ok(())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::AlreadyStarted => {
                f.write_str("a `tracing` subscriber is set for this process already; start telemetry once, and first")
            }
            StartError::Config(err) => err.fmt(f),
            StartError::Filter { directives, .. } => write!(f, "the log filter `{directives}` does not parse"),
            StartError::Thread { purpose, .. } => write!(f, "no thread for {purpose}"),
            StartError::Metrics(_) => f.write_str("metrics could not be registered"),
            StartError::Exporter(_) => f.write_str("an exporter could not be made"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::AlreadyStarted | StartError::Config(_) => None,
            StartError::Filter { source, .. } => Some(source),
            StartError::Thread { source, .. } => Some(source),
            StartError::Metrics(source) => Some(source),
            StartError::Exporter(source) => Some(&**source),
        }
    }
}
