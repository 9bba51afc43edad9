use obs_runtime::{Counter, MetricSet};

#[derive(MetricSet)]
struct Metrics {
    /// Requests.
    requests_total: Counter<String>,
}

fn main() {}
