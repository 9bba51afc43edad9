use obs_runtime::{Counter, LabelSet, MetricSet};

#[derive(MetricSet)]
struct Metrics<L: LabelSet> {
    /// Requests.
    requests_total: Counter<L>,
}

#[derive(MetricSet)]
struct Tuple(Counter);

fn main() {}
