//! One request, from its first byte to the last of its response.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::MatchedPath;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use obs_runtime::engine::SpanKind;
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::propagation::{self, Trust};
use obs_runtime::{Method, MetricSet, RequestId, Route, names};

use crate::arrived::arrived;
use crate::fields::{self, Late};
use crate::metrics::{ActiveLabels, HttpMetrics, HttpServerMetrics, Names, RequestLabels, RouteLabels, ServerLabels};

static REQUEST: Callsite = Callsite::new(
    Site::new("HTTP", module_path!(), file!(), line!(), &fields::ALL).kind(SpanKind::Server).no_metrics(),
);

/// What nginx says of a client that went away before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Open until it is [finished](Call::finish), or dropped: then the client is gone, or the handler has panicked.
pub(crate) struct Call {
    operation: Operation,
    /// What is recorded at the end; nothing where nobody sees the span.
    late: Option<Late>,
    request_id: RequestId,
    method: Method,
    route: Route,
    names: Names,
    is_head: bool,
    began: Instant,
    status: Option<StatusCode>,
    /// Bytes of the request's body, where its head says so.
    received: Option<u64>,
    /// Bytes of the response's body that were handed over.
    sent: u64,
    unwinding: bool,
}

impl Call {
    /// Opens the span, and lets the request say so to whatever handles it.
    pub(crate) fn begin<B>(request: &mut Request<B>, trust: Trust, names: Names) -> Self {
        let (correlation, request_id) = arrived(request, trust);
        let method = Method::from(request.method());
        let route = match request.extensions().get::<MatchedPath>() {
            Some(path) => Route::new(path.as_str()),
            None => Route::unmatched(),
        };
        let matched = route != Route::unmatched();

        let mut operation = Operation::open(&REQUEST, correlation);
        let seen = operation.correlation();
        if seen.is_some() {
            operation.set_name(span_name(method, matched.then_some(&route)));
            operation.record(fields::METHOD, method.as_str());
            if method == Method::Other {
                operation.record(fields::METHOD_ORIGINAL, request.method().as_str());
            }
            if matched {
                operation.record(fields::ROUTE, route.as_str());
            }
        }
        let call = Call {
            late: seen.is_some().then(|| Late::of(request)),
            operation,
            request_id,
            method,
            route,
            names,
            is_head: request.method() == http::Method::HEAD,
            began: Instant::now(),
            status: None,
            received: content_length(request.headers()),
            sent: 0,
            unwinding: false,
        };
        if names.opentelemetry() {
            HttpServerMetrics::global().active_requests.with(ActiveLabels { http_request_method: method }).add(1.0);
        }
        if let Some(correlation) = seen {
            propagation::inject(&correlation, request);
        }
        call.bear_request_id(request.headers_mut());
        call
    }

    /// Runs a poll inside the span.
    pub(crate) fn in_scope<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let before = std::mem::replace(&mut self.unwinding, true);
        let result = self.operation.in_scope(work);
        self.unwinding = before;
        result
    }

    /// The head of the response is known. Whether that is all of it: some responses have no body, whatever the handler gave them.
    pub(crate) fn respond(&mut self, status: StatusCode, headers: &mut HeaderMap) -> bool {
        self.bear_request_id(headers);
        self.status = Some(status);
        self.operation.record(fields::STATUS, status.as_u16());
        if status.is_server_error() {
            let (text, kind) = (status.to_string(), status.as_str().to_owned());
            if self.operation.failed_below() {
                self.operation.fail_silently(text, kind);
            } else {
                self.operation.fail(text, kind);
            }
        }
        self.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || content_length(headers) == Some(0)
    }

    fn bear_request_id(&self, headers: &mut HeaderMap) {
        // An id is visible ASCII, so it is a value; a map of 32,768 headers has no room for it.
        if let Ok(value) = HeaderValue::from_str(self.request_id.as_str()) {
            let _ = headers.try_insert(names::X_REQUEST_ID, value);
        }
    }

    /// More of the response's body was handed over.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The handler has panicked: what is answered in its place.
    pub(crate) fn panicked(mut self) -> HeaderMap {
        self.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        self.operation.record(fields::STATUS, StatusCode::INTERNAL_SERVER_ERROR.as_u16());
        let mut headers = HeaderMap::new();
        self.bear_request_id(&mut headers);
        headers
    }

    /// The service, or the body of its response, has failed.
    pub(crate) fn fail(mut self, error: String) {
        // What the conventions say where there is no better name for the kind of error.
        self.operation.fail(error, "_OTHER");
    }

    /// The last byte was handed over.
    pub(crate) fn finish(mut self) {
        if self.status.is_some_and(|status| !status.is_server_error()) {
            self.operation.succeed();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(late) = &self.late {
            late.record(&mut self.operation);
            if let Some(received) = self.received {
                self.operation.record(fields::REQUEST_SIZE, received);
            }
            if self.status.is_some() {
                self.operation.record(fields::RESPONSE_SIZE, self.sent);
            }
        }
        let gone = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
        let status = match self.status {
            Some(status) => status,
            None if self.unwinding => StatusCode::INTERNAL_SERVER_ERROR,
            None => gone,
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let Call { operation, names, method, route, received, sent, .. } = self;
        // Inside of the span, so that it is an exemplar of what is observed.
        operation.in_scope(|| {
            let (method, path) = (*method, route.clone());
            if names.opentelemetry() {
                let metrics = HttpServerMetrics::global();
                metrics.active_requests.with(ActiveLabels { http_request_method: method }).sub(1.0);
                let labels = || ServerLabels {
                    http_request_method: method,
                    http_route: path.clone(),
                    http_response_status_code: status.into(),
                };
                metrics.request_duration_seconds.with(labels()).observe(seconds);
                if let Some(received) = *received {
                    metrics.request_body_size_bytes.with(labels()).observe(received as f64);
                }
                metrics.response_body_size_bytes.with(labels()).observe(*sent as f64);
            }
            if names.published() {
                let metrics = HttpMetrics::global();
                metrics.request_duration_seconds.with(RouteLabels { method, path: path.clone() }).observe(seconds);
                metrics.requests_total.with(RequestLabels { method, path, status: status.into() }).inc();
            }
        });
    }
}

/// `content-length`, where the handler has set it.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn span_name(method: Method, route: Option<&Route>) -> Cow<'static, str> {
    let method = match method {
        Method::Other => "HTTP",
        method => method.as_str(),
    };
    match route {
        Some(route) => format!("{method} {}", route.as_str()).into(),
        None => method.into(),
    }
}
