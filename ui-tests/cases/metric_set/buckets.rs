use obs_runtime::{Gauge, Histogram, MetricSet};

const NONE: &[f64] = &[];
const MANY: &[f64] = &[0.0; 600];

#[derive(MetricSet)]
struct Metrics {
    /// Not in order.
    #[metric(buckets = [1.0, 0.5])]
    a_seconds: Histogram,
    /// Not finite.
    #[metric(buckets = [1.0, f64::INFINITY])]
    b_seconds: Histogram,
    /// None at all.
    #[metric(buckets = NONE)]
    c_seconds: Histogram,
    /// More than there is room for.
    #[metric(buckets = MANY)]
    d_seconds: Histogram,
}

#[derive(MetricSet)]
struct Others {
    /// Whose buckets?
    response_bytes: Histogram,
    /// Not a histogram.
    #[metric(buckets = [1.0])]
    depth: Gauge,
}

fn main() {}
