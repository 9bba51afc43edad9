use obs_runtime::{Counter, Gauge, Histogram, MetricSet};

#[derive(MetricSet)]
struct Metrics {
    /// A counter.
    requests: Counter,
    /// A gauge.
    agents_total: Gauge,
    /// Looks like a line of a histogram.
    agents_count: Gauge,
    /// Has capitals.
    #[metric(name = "queueDepth")]
    queue_depth: Gauge,
    /// Says what it is.
    agents_gauge: Gauge,
    /// Another unit.
    #[metric(buckets = [1.0])]
    latency_ms: Histogram,
    /// Not the unit of the name.
    #[metric(unit = "bytes")]
    queue_size: Gauge,
    /// Published, so it stays.
    #[metric(allow(naming))]
    users_count: Gauge,
}

fn main() {}
