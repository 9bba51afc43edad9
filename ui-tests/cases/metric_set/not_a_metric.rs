use obs_runtime::MetricSet;

struct Inner;

#[derive(MetricSet)]
struct Metrics {
    /// Misspelt.
    requests_total: Countr,
    /// Something else.
    depth: u64,
}

#[derive(MetricSet)]
struct Nesting {
    #[metric(flatten)]
    inner: Inner,
}

fn main() {}
