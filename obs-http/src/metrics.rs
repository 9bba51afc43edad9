use obs_runtime::{Counter, Gauge, Histogram, LabelSet, Method, MetricSet, Route, Status};

/// What the layer counts, under the published names.
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

/// The same by the semantic conventions of OpenTelemetry, in the form that Prometheus gives their names
/// (`http.server.request.duration` is `http_server_request_duration_seconds`).
#[derive(MetricSet)]
#[metric_set(prefix = "http_server")]
pub struct HttpServerMetrics {
    /// Duration of HTTP server requests.
    #[metric(buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0])]
    pub request_duration_seconds: Histogram<ServerLabels>,
    /// Number of active HTTP server requests.
    pub active_requests: Gauge<ActiveLabels>,
    /// Size of HTTP server request bodies.
    #[metric(buckets = [0.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0])]
    pub request_body_size_bytes: Histogram<ServerLabels>,
    /// Size of HTTP server response bodies.
    #[metric(buckets = [0.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0])]
    pub response_body_size_bytes: Histogram<ServerLabels>,
}

/// The labels of finished requests in [`HttpServerMetrics`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct ServerLabels {
    /// The method; `_OTHER` where it is none that HTTP knows.
    pub http_request_method: Method,
    /// The template of the route.
    pub http_route: Route,
    /// The status of the response; 499 where the client went away before there was one.
    pub http_response_status_code: Status,
}

/// The label of open requests in [`HttpServerMetrics`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct ActiveLabels {
    /// The method; `_OTHER` where it is none that HTTP knows.
    pub http_request_method: Method,
}

/// Which metrics a layer writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// [`HttpMetrics`]: `http_requests_total` and `http_request_duration_seconds`.
    #[default]
    Published,
    /// [`HttpServerMetrics`]: those of OpenTelemetry's semantic conventions.
    OpenTelemetry,
    /// Both.
    Both,
}

impl Names {
    pub(crate) fn published(self) -> bool {
        self != Names::OpenTelemetry
    }

    pub(crate) fn opentelemetry(self) -> bool {
        self != Names::Published
    }

    /// The sets are in the text from here on, before the first request.
    pub(crate) fn register(self) {
        if self.published() {
            HttpMetrics::global();
        }
        if self.opentelemetry() {
            HttpServerMetrics::global();
        }
    }
}
