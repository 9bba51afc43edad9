use obs_runtime::{Counter, Histogram, LabelSet, Method, MetricSet, Route, Status};

/// What the layer counts.
#[derive(MetricSet)]
#[metric_set(prefix = "http")]
pub struct HttpMetrics {
    /// Total HTTP requests.
    pub requests_total: Counter<RequestLabels>,
    /// HTTP request duration.
    #[metric(buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0])]
    pub request_duration_seconds: Histogram<RouteLabels>,
}

/// The labels of `http_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct RequestLabels {
    /// The method; `_OTHER` where it is none that HTTP knows.
    pub method: Method,
    /// The template of the route.
    pub path: Route,
    /// The status of the response; 499 where the client went away before there was one.
    pub status: Status,
}

/// The labels of `http_request_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct RouteLabels {
    /// The method; `_OTHER` where it is none that HTTP knows.
    pub method: Method,
    /// The template of the route.
    pub path: Route,
}
