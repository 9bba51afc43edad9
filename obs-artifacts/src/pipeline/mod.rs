//! Where logs, metrics and traces go and how long they stay, in each engine's own words.

mod engines;
mod kubernetes;

pub use self::kubernetes::Workload;

/// How many days what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Log lines of the platform's services.
    pub platform_logs: u32,
    /// Log lines of agents.
    pub agent_logs: u32,
    /// Log lines of the target `audit`.
    pub audit_logs: u32,
    /// Metrics as they were scraped.
    pub metrics: u32,
    /// Metrics of five minutes and of an hour.
    pub downsampled_metrics: u32,
    /// Traces.
    pub traces: u32,
}

/// A platform that is watched: what the files say of it.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name, in names of log groups, labels and data sources: small letters and dashes.
    pub service: &'static str,
    /// The namespace of its services and of what watches them.
    pub namespace: &'static str,
    /// The namespace of its agents.
    pub agents_namespace: &'static str,
    /// Its services.
    pub workloads: &'static [Workload],
    /// How long things are kept.
    pub retention: Retention,
}
