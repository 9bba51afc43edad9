use obs_runtime::{Counter, Info, MetricSet, ObservedGauge};

#[derive(MetricSet)]
struct Metrics {
    /// Requests.
    #[metric(ttl = "10 minutes")]
    requests_total: Counter,
    /// What waits.
    #[metric(ttl = "10m")]
    waiting: ObservedGauge,
    /// What is at work.
    build: Info,
}

fn main() {}
