use obs_runtime::{Counter, LabelSet, Method, MetricSet};

#[derive(LabelSet)]
struct Labels {
    a: Method,
    b: Method,
    c: Method,
    d: Method,
    e: bool,
}

#[derive(LabelSet)]
struct Few {
    a: Method,
    b: Method,
}

#[derive(MetricSet)]
struct Metrics {
    /// Far too many.
    many_total: Counter<Labels>,
    /// More than it says.
    #[metric(max_series = 99)]
    few_total: Counter<Few>,
}

fn main() {}
