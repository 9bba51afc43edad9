use obs_runtime::{Counter, MetricSet};

#[derive(MetricSet)]
struct Inner {
    /// Requests.
    requests_total: Counter,
}

#[derive(MetricSet)]
struct Outer {
    /// Requests once more.
    requests_total: Counter,
    #[metric(flatten)]
    inner: Inner,
}

fn main() {}
