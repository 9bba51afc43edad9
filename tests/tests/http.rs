//! The axum layer: span, request id, metrics and outcomes of a request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use obs_runtime::propagation::{self, Trust};
use obs_runtime::testing::{CapturedSpan, capture_async};
use obs_runtime::{Ended, MessageId, RequestId, SessionId, correlated, info, observed};
use tower::ServiceExt as _;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[observed]
async fn load(id: &str) -> Result<String, std::io::Error> {
    if id == "bad" { Err(std::io::Error::other("the disk is gone")) } else { Ok(id.to_owned()) }
}

async fn show(axum::extract::Path(id): axum::extract::Path<String>) -> Result<String, StatusCode> {
    info!("showing");
    load(&id).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[correlated]
#[observed]
async fn create(Extension(id): Extension<RequestId>, headers: HeaderMap) -> (StatusCode, String) {
    let said = headers.get("x-request-id").map(|id| id.to_str().unwrap_or_default().to_owned());
    assert_eq!(said.as_deref(), Some(id.as_str()));
    (StatusCode::CREATED, id.to_string())
}

/// A body that begins, and never ends.
async fn endless() -> Body {
    let trailers = std::future::pending::<Option<Result<HeaderMap, Infallible>>>();
    Body::new(Full::new(Bytes::from_static(b"more")).with_trailers(trailers))
}

fn app() -> Router {
    Router::new()
        .route("/v1/agents/{id}", get(show))
        .route("/v1/agents", post(create))
        .route("/endless", get(endless))
        .route("/never", get(std::future::pending::<&str>))
        .route(
            "/panics",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/empty", any(|| async { StatusCode::NO_CONTENT }))
        .route("/fails", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/healthz", get(|| async { "ok" }))
        .layer(obs_http::layer())
}

fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).expect("a request")
}

fn field<'a>(span: &'a CapturedSpan, name: &str) -> Option<&'a serde_json::Value> {
    span.fields.get(name)
}

async fn answer(request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let (head, body) = app().oneshot(request).await.expect("infallible").into_parts();
    (head.status, head.headers, body.collect().await.expect("a body").to_bytes())
}

#[tokio::test]
async fn the_span_is_named_by_the_route_and_never_by_the_path() {
    let seen = capture_async(answer(request("GET", "/v1/agents/a1?token=s3cret"))).await;
    assert_eq!(seen.value.2, "a1");
    let span = seen.span("GET /v1/agents/{id}");
    assert_eq!(span.kind, obs_runtime::engine::SpanKind::Server);
    assert_eq!(span.outcome, Some(Ended::Ok));
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/v1/agents/{id}"),
        ("url.path", "/v1/agents/a1"),
        ("url.query", "token=REDACTED"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(field(span, name), Some(&value.into()), "{name}");
    }
    assert_eq!(field(span, "http.response.status_code"), Some(&200.into()));
    assert_eq!(seen.span("load").parent_id, Some(span.span_id));
    let labels = [("method", "GET"), ("path", "/v1/agents/{id}"), ("status", "200")];
    assert_eq!(seen.metric("http_requests_total", &labels), Some(1.0));
    assert_eq!(seen.metric("http_request_duration_seconds_count", &labels[..2]), Some(1.0));
    let line = seen.logs().iter().find(|line| line["message"] == "showing").expect("a line");
    assert_eq!(line["span_id"], span.span_id.to_string());
    assert!(line.get("url.path").is_none(), "not on every line: {line}");
}

#[tokio::test]
async fn what_matches_no_route_is_one_series() {
    let seen = capture_async(async {
        for i in 0..20 {
            answer(request("GET", &format!("/wp-admin/{i}"))).await;
        }
        answer(request("BREW", "/coffee")).await;
    })
    .await;
    assert_eq!(seen.spans().iter().filter(|span| span.name == "GET").count(), 20);
    assert_eq!(field(seen.span("HTTP"), "http.request.method"), Some(&"_OTHER".into()));
    let unmatched =
        |method| seen.metric("http_requests_total", &[("method", method), ("path", "_unmatched"), ("status", "404")]);
    assert_eq!((unmatched("GET"), unmatched("_OTHER")), (Some(20.0), Some(1.0)));
}

#[tokio::test]
async fn the_callers_trace_and_request_id_are_continued() {
    let mut request = request("POST", "/v1/agents");
    request.headers_mut().insert("traceparent", TRACEPARENT.parse().expect("legal"));
    request.headers_mut().insert("x-request-id", "r-17".parse().expect("legal"));
    let seen = capture_async(answer(request)).await;
    let (status, headers, body) = &seen.value;
    assert_eq!(
        (*status, &headers["x-request-id"], &body[..]),
        (StatusCode::CREATED, &"r-17".parse().expect("legal"), &b"r-17"[..])
    );
    let server = seen.span("POST /v1/agents");
    assert_eq!(server.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(server.parent_id.map(|id| id.to_string()).as_deref(), Some("b7ad6b7169203331"));
    let handler = seen.span("create");
    assert_eq!((handler.trace_id, handler.parent_id), (server.trace_id, Some(server.span_id)), "one tree");
    assert!(seen.logs().iter().all(|line| line["request_id"] == "r-17"));
}

#[tokio::test]
async fn the_ids_that_came_are_in_the_extensions_of_the_request_as_far_as_they_are_believed() {
    async fn ids(session: Option<Extension<SessionId>>, message: Option<Extension<MessageId>>) -> String {
        format!("{:?} {:?}", session.map(|id| id.0.to_string()), message.map(|id| id.0.to_string()))
    }
    for (trust, session_id, told) in [
        (Trust::All, "s-4", "Some(\"s-4\") Some(\"m-2\")"),
        (Trust::All, "s 4", "None Some(\"m-2\")"),
        (Trust::Ids, "s-4", "None None"),
    ] {
        let mut request = request("GET", "/");
        request.headers_mut().insert("x-session-id", session_id.parse().expect("legal"));
        request.headers_mut().insert("x-message-id", "m-2".parse().expect("legal"));
        let app = Router::new().route("/", get(ids)).layer(obs_http::layer().trust(trust));
        let response = app.oneshot(request).await.expect("infallible");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, told, "{trust:?} {session_id}");
    }
}

#[tokio::test]
async fn a_request_id_that_is_missing_or_refused_is_replaced_everywhere() {
    for bad in [None, Some("a b"), Some("\u{e9}"), Some("")] {
        let mut request = request("POST", "/v1/agents");
        if let Some(bad) = bad {
            request.headers_mut().insert("x-request-id", http::HeaderValue::from_bytes(bad.as_bytes()).expect("legal"));
        }
        let seen = capture_async(answer(request)).await;
        let (_, headers, body) = &seen.value;
        assert_eq!(headers["x-request-id"].as_bytes(), &body[..]);
        assert_eq!(body.len(), 36, "{bad:?}");
        let id = std::str::from_utf8(body).expect("text");
        assert!(!seen.logs().is_empty());
        assert!(seen.logs().iter().all(|line| line["request_id"] == id));
        assert_eq!(seen.span("create").parent_id, Some(seen.span("POST /v1/agents").span_id));
    }
}

#[tokio::test]
async fn trust_decides_what_is_continued() {
    let app = |trust| Router::new().route("/", post(create)).layer(obs_http::layer().trust(trust));
    let asked = || {
        let mut request = request("POST", "/");
        request.headers_mut().insert("traceparent", TRACEPARENT.parse().expect("legal"));
        request.headers_mut().insert("x-request-id", "r-17".parse().expect("legal"));
        request
    };
    for (trust, kept, links) in [(Trust::Ids, true, 1), (Trust::None, false, 0)] {
        let seen = capture_async(async {
            let response = app(trust).oneshot(asked()).await.expect("infallible");
            let id = response.headers()["x-request-id"].clone();
            response.into_body().collect().await.expect("a body");
            id
        })
        .await;
        assert_eq!(seen.value == "r-17", kept, "{trust:?}");
        let server = seen.span("POST /");
        assert_ne!(server.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c", "{trust:?}");
        assert_eq!((server.parent_id, server.links.len()), (None, links), "{trust:?}");
        assert_eq!(seen.span("create").parent_id, Some(server.span_id), "{trust:?}");
    }
}

#[tokio::test]
async fn a_failure_is_told_once_where_it_began() {
    let seen = capture_async(answer(request("GET", "/v1/agents/bad"))).await;
    assert_eq!(seen.value.0, StatusCode::INTERNAL_SERVER_ERROR);
    let span = seen.span("GET /v1/agents/{id}");
    assert_eq!(span.outcome, Some(Ended::Error));
    assert_eq!(field(span, "error.type"), Some(&"500".into()));
    let errors: Vec<_> = seen.logs().iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["error"], "the disk is gone");

    let seen = capture_async(answer(request("GET", "/fails"))).await;
    let errors: Vec<_> = seen.logs().iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "nobody below has told it: {errors:?}");
    assert_eq!(seen.metric("http_requests_total", &[("status", "502")]), Some(1.0));
}

#[tokio::test]
async fn a_client_error_is_no_error_of_the_server() {
    let seen = capture_async(answer(request("DELETE", "/v1/agents/a1"))).await;
    assert_eq!(seen.value.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(seen.span("DELETE /v1/agents/{id}").outcome, Some(Ended::Ok));
}

#[tokio::test]
async fn a_client_that_goes_before_the_response_leaves_a_cancelled_span_and_a_499() {
    let seen = capture_async(async {
        let mut response = pin!(app().oneshot(request("GET", "/never")));
        let pending = poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    })
    .await;
    assert_eq!(seen.span("GET /never").outcome, Some(Ended::Cancelled));
    assert_eq!(seen.metric("http_requests_total", &[("path", "/never"), ("status", "499")]), Some(1.0));
    assert_eq!(seen.metric("http_request_duration_seconds_count", &[("path", "/never")]), Some(1.0));
}

#[tokio::test]
async fn a_client_that_goes_in_the_body_leaves_a_cancelled_span_and_the_status_it_got() {
    let seen = capture_async(async {
        let mut body = app().oneshot(request("GET", "/endless")).await.expect("infallible").into_body();
        assert!(body.frame().await.is_some());
    })
    .await;
    let span = seen.span("GET /endless");
    assert_eq!(span.outcome, Some(Ended::Cancelled));
    assert_eq!(field(span, "http.response.status_code"), Some(&200.into()));
    assert_eq!(seen.metric("http_requests_total", &[("path", "/endless"), ("status", "200")]), Some(1.0));
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_with_a_500() {
    let seen = capture_async(answer(request("GET", "/panics"))).await;
    let (status, headers, body) = &seen.value;
    assert_eq!((*status, body.len(), headers["x-request-id"].len()), (StatusCode::INTERNAL_SERVER_ERROR, 0, 36));
    let span = seen.span("GET /panics");
    assert_eq!(span.outcome, Some(Ended::Panicked));
    assert_eq!(field(span, "http.response.status_code"), Some(&500.into()));
    assert_eq!(seen.metric("http_requests_total", &[("path", "/panics"), ("status", "500")]), Some(1.0));
}

#[tokio::test]
async fn a_service_that_panics_when_it_is_called_is_answered_with_a_500() {
    let service =
        tower::service_fn(|_: Request<Body>| -> std::future::Ready<Result<http::Response<Body>, Infallible>> {
            panic!("on purpose")
        });
    let service = tower::Layer::layer(&obs_http::layer(), service);
    let seen = capture_async(async { service.oneshot(request("GET", "/")).await.expect("infallible").status() }).await;
    assert_eq!(seen.value, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(seen.span("GET").outcome, Some(Ended::Panicked));
}

#[tokio::test]
async fn the_sizes_of_bodies_are_recorded() {
    let mut asked = request("POST", "/v1/agents");
    asked.headers_mut().insert("content-length", "5".parse().expect("legal"));
    *asked.body_mut() = Body::from("hello");
    let seen = capture_async(answer(asked)).await;
    let span = seen.span("POST /v1/agents");
    assert_eq!(field(span, "http.request.body.size"), Some(&5.into()));
    assert_eq!(field(span, "http.response.body.size"), Some(&seen.value.2.len().into()));
    let seen = capture_async(answer(request("GET", "/empty"))).await;
    let span = seen.span("GET /empty");
    assert_eq!(
        (field(span, "http.request.body.size"), field(span, "http.response.body.size")),
        (None, Some(&0.into()))
    );
}

#[tokio::test]
async fn the_names_of_opentelemetry_are_an_option() {
    let app = |names| Router::new().route("/v1/agents", post(create)).layer(obs_http::layer().names(names));
    for (names, published, conventional) in [
        (obs_http::Names::Published, Some(1.0), None),
        (obs_http::Names::OpenTelemetry, None, Some(1.0)),
        (obs_http::Names::Both, Some(1.0), Some(1.0)),
    ] {
        let seen = capture_async(async {
            let response = app(names).oneshot(request("POST", "/v1/agents")).await.expect("infallible");
            response.into_body().collect().await.expect("a body").to_bytes().len()
        })
        .await;
        assert_eq!(seen.metric("http_requests_total", &[("status", "201")]), published, "{names:?}");
        let labels =
            [("http_request_method", "POST"), ("http_route", "/v1/agents"), ("http_response_status_code", "201")];
        assert_eq!(seen.metric("http_server_request_duration_seconds_count", &labels), conventional, "{names:?}");
        assert_eq!(seen.metric("http_server_active_requests", &[]), conventional.map(|_| 0.0), "{names:?}");
        let bytes = conventional.map(|_| seen.value as f64);
        assert_eq!(seen.metric("http_server_response_body_size_bytes_sum", &labels), bytes, "{names:?}");
    }
}

#[test]
fn the_metrics_are_there_before_the_first_request() {
    let _ = obs_http::layer();
    assert!(obs_runtime::metrics::encode().contains("# TYPE http_requests_total counter"));
}

#[tokio::test]
async fn a_response_without_a_body_ends_with_its_head() {
    let seen = capture_async(async {
        let empty = app().oneshot(request("GET", "/empty")).await.expect("infallible");
        let head = app().oneshot(request("HEAD", "/v1/agents/a1")).await.expect("infallible");
        (empty, head)
    })
    .await;
    assert_eq!(seen.span("GET /empty").outcome, Some(Ended::Ok));
    assert_eq!(seen.span("HEAD /v1/agents/{id}").outcome, Some(Ended::Ok));
}

#[tokio::test]
async fn probes_are_left_out() {
    let seen = capture_async(answer(request("GET", "/healthz"))).await;
    assert_eq!(seen.value.2, "ok");
    assert!(seen.spans().is_empty());
    assert_eq!(seen.metric("http_requests_total", &[]), None);
}

#[tokio::test]
async fn a_context_goes_from_service_to_service() {
    #[observed]
    async fn calls() -> StatusCode {
        let mut request = request("POST", "/v1/agents");
        propagation::inject(&propagation::Correlation::current(), &mut request);
        answer(request).await.0
    }
    let seen = capture_async(calls()).await;
    let (client, server) = (seen.span("calls"), seen.span("POST /v1/agents"));
    assert_eq!((server.trace_id, server.parent_id), (client.trace_id, Some(client.span_id)));
}

#[tokio::test]
async fn with_nobody_listening_requests_are_answered_and_bear_an_id() {
    let (status, headers, body) = answer(request("POST", "/v1/agents")).await;
    assert_eq!((status, headers["x-request-id"].as_bytes()), (StatusCode::CREATED, &body[..]));
}

/// Over a real connection. One thread: when the handler's end is known here, the whole request has ended.
#[tokio::test]
async fn a_connection_that_is_closed_ends_its_request() {
    use tokio::io::AsyncWriteExt as _;
    use tokio::sync::mpsc;

    let (began, mut has_begun) = mpsc::unbounded_channel();
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    let handler = move || async move {
        struct End(mpsc::UnboundedSender<()>);
        impl Drop for End {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let _end = End(ended);
        let _ = began.send(());
        std::future::pending::<()>().await;
    };
    let app = Router::new().route("/abandoned/{id}", get(handler)).layer(obs_http::layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut client = tokio::net::TcpStream::connect(address).await.expect("it listens");
    client.write_all(b"GET /abandoned/1 HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    has_begun.recv().await.expect("it began");
    drop(client);
    has_ended.recv().await.expect("it ended");

    let registry = obs_runtime::Registry::new();
    registry.register(<obs_http::HttpMetrics as obs_runtime::MetricSet>::global()).expect("registered");
    let text = registry.encode();
    let sample = r#"http_requests_total{method="GET",path="/abandoned/{id}",status="499"} 1"#;
    assert!(text.lines().any(|line| line == sample), "{text}");
}

mod published {
    use axum::middleware;
    use obs_runtime::request_id_middleware;

    use super::*;

    async fn asks_another() -> String {
        info!("handling");
        let mut out = HeaderMap::new();
        propagation::inject(&propagation::Correlation::current(), &mut out);
        out.get("x-request-id").map(|id| id.to_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    #[observed]
    async fn observed_handler(Extension(id): Extension<RequestId>) -> String {
        let out = asks_another().await;
        assert_eq!(out, id.as_str());
        out
    }

    fn app() -> Router {
        Router::new()
            .route("/observed", get(observed_handler))
            .route("/plain", get(asks_another))
            .layer(middleware::from_fn(request_id_middleware))
    }

    async fn answer(app: Router, id: Option<&str>, path: &str) -> (String, Bytes) {
        let mut request = request("GET", path);
        if let Some(id) = id {
            request.headers_mut().insert("x-request-id", id.parse().expect("legal"));
        }
        let response = app.oneshot(request).await.expect("infallible");
        let id = response.headers()["x-request-id"].to_str().expect("text").to_owned();
        (id, response.into_body().collect().await.expect("a body").to_bytes())
    }

    #[tokio::test]
    async fn the_middleware_takes_a_sound_id_and_makes_another() {
        let seen = capture_async(answer(app(), Some("r-17"), "/observed")).await;
        assert_eq!((seen.value.0.as_str(), &seen.value.1[..]), ("r-17", &b"r-17"[..]));
        assert!(!seen.logs().is_empty());
        assert!(seen.logs().iter().all(|line| line["request_id"] == "r-17"));
        for bad in [None, Some("a b")] {
            let seen = capture_async(answer(app(), bad, "/observed")).await;
            assert_eq!(seen.value.0.len(), 36);
            assert!(seen.logs().iter().all(|line| line["request_id"] == seen.value.0));
        }
    }

    #[tokio::test]
    async fn under_a_span_of_somebody_elses_its_lines_stay_the_spans() {
        let seen = capture_async(async {
            use tracing::Instrument as _;
            let span = tracing::info_span!("outer", tenant = "t1");
            answer(app(), Some("r-17"), "/plain").instrument(span).await
        })
        .await;
        assert_eq!(&seen.value.1[..], b"r-17", "goes out");
        let line = &seen.logs()[0];
        assert_eq!(line["span_id"], seen.span("outer").span_id.to_string());
        assert_eq!((&line["tenant"], &line["request_id"]), (&"t1".into(), &"r-17".into()));
    }

    #[tokio::test]
    async fn under_the_layer_the_id_is_the_layers() {
        let app = app().layer(obs_http::layer());
        let seen = capture_async(answer(app, None, "/observed")).await;
        assert_eq!(seen.value.0.as_bytes(), &seen.value.1[..]);
        assert!(seen.logs().iter().all(|line| line["request_id"] == seen.value.0));
    }
}
