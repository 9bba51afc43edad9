#[metric_set(prefix = "http")]
pub struct HttpMetrics {
    /// Total HTTP requests.
    pub requests_total: Counter<HttpLabels>,
    /// HTTP request duration.
    #[metric(buckets = [0.001, 0.005], max_series = 100)]
    pub request_duration_seconds: Histogram<RouteLabels>,
    /// Agents of a user.
    #[metric(name = "user_agents_count", allow(naming))]
    agents: Gauge,
    #[metric(flatten)]
    inner: Inner,
}
