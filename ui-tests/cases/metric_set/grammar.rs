use obs_runtime::{Gauge, MetricSet};

#[derive(MetricSet)]
struct Metrics {
    /// A dash.
    #[metric(name = "queue-depth")]
    depth: Gauge,
    /// Prometheus' own.
    __depth: Gauge,
}

fn main() {}
