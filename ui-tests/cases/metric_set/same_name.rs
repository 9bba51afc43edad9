use obs_runtime::{Counter, MetricSet};

#[derive(MetricSet)]
#[metric_set(prefix = "http")]
struct Metrics {
    /// Requests.
    requests_total: Counter,
    /// Requests once more.
    #[metric(name = "http_requests_total")]
    again: Counter,
}

fn main() {}
