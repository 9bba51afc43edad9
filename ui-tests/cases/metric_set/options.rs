use obs_runtime::{Counter, Histogram, MetricSet};

#[derive(MetricSet)]
#[metric_set(prefx = "http")]
struct Metrics {
    /// Misspelt option.
    #[metric(bukets = [1.0])]
    a_seconds: Histogram,
    /// Nothing else can be allowed.
    #[metric(allow(everything))]
    b_total: Counter,
    /// Alone.
    #[metric(flatten, name = "inner")]
    inner: Inner,
}

fn main() {}
