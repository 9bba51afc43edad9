//! Calls to other services: client spans, and the context that their requests bear.

use std::convert::Infallible;

use http::{HeaderMap, Request, Response, StatusCode};
use obs_http::Metadata;
use obs_http::reqwest::SendObserved as _;
use obs_runtime::engine::SpanKind;
use obs_runtime::testing::capture_async;
use obs_runtime::{Ended, correlated, observed, propagation};
use tonic::metadata::MetadataMap;
use tower::{Layer as _, ServiceExt as _};

/// Answers with the span that the request names, and with this status.
async fn echoes(request: Request<()>, status: StatusCode) -> Result<Response<HeaderMap>, Infallible> {
    let mut response = Response::new(request.headers().clone());
    *response.status_mut() = status;
    Ok(response)
}

#[observed]
async fn calls(status: StatusCode) -> HeaderMap {
    let client = tower::service_fn(move |request| echoes(request, status));
    let mut request = Request::new(());
    *request.uri_mut() = "http://user:s3cret@host:80/v1?token=s3cret".parse().expect("a URL");
    request.headers_mut().insert("tracestate", "stale=1".parse().expect("legal"));
    obs_http::client_layer().layer(client).oneshot(request).await.expect("infallible").into_body()
}

#[tokio::test]
async fn a_call_is_a_client_span_that_its_request_names() {
    let seen = capture_async(calls(StatusCode::OK)).await;
    let (caller, client) = (seen.span("calls"), seen.span("GET"));
    assert_eq!((client.trace_id, client.parent_id), (caller.trace_id, Some(caller.span_id)));
    assert_eq!((client.kind, client.outcome), (SpanKind::Client, Some(Ended::Ok)));
    let sent = propagation::extract(&seen.value).trace.expect("written");
    assert_eq!((sent.span_id, sent.state), (client.span_id, None));
    assert_eq!(client.fields.get("url.full"), Some(&"http://host:80/v1?token=REDACTED".into()));
    assert_eq!(client.fields.get("server.address"), Some(&"host".into()));
    assert_eq!(client.fields.get("server.port"), Some(&80.into()));
    assert_eq!(client.fields.get("http.response.status_code"), Some(&200.into()));
}

#[tokio::test]
async fn on_clients_4xx_is_an_error_too() {
    let seen = capture_async(calls(StatusCode::NOT_FOUND)).await;
    let client = seen.span("GET");
    assert_eq!(client.outcome, Some(Ended::Error));
    assert_eq!(client.fields.get("error.type"), Some(&"404".into()));
    assert!(seen.logs().iter().all(|line| line["level"] != "error"), "for the caller to tell");
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled() {
    let seen = capture_async(async {
        let never = tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>());
        drop(obs_http::client_layer().layer(never).oneshot(Request::new(())));
        let mut call = Box::pin(obs_http::client_layer().layer(never).oneshot(Request::new(())));
        let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    })
    .await;
    assert_eq!(seen.span("GET").outcome, Some(Ended::Cancelled));
}

#[tokio::test]
async fn reqwest_sends_within_a_client_span() {
    let app = axum::Router::new().route(
        "/",
        axum::routing::get(async |headers: HeaderMap| headers["traceparent"].to_str().expect("text").to_owned()),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let seen = capture_async(async {
        let client = reqwest::Client::new();
        let answer = client.get(format!("http://{address}/")).send_observed().await.expect("answered");
        answer.text().await.expect("text")
    })
    .await;
    let client = seen.span("GET");
    assert_eq!(seen.value.split('-').nth(2), Some(client.span_id.to_string().as_str()));
    assert_eq!(client.outcome, Some(Ended::Ok));

    let seen = capture_async(async {
        let client = reqwest::Client::new();
        client.get("http://127.0.0.1:1/?token=s3cret").send_observed().await.is_err()
    })
    .await;
    assert!(seen.value);
    assert_eq!(seen.span("GET").outcome, Some(Ended::Error));
    let errors: Vec<_> = seen.logs().iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(!errors[0].to_string().contains("s3cret"), "{errors:?}");
}

#[correlated(outbound)]
#[observed]
fn sends(metadata: Metadata<&mut MetadataMap>) {}

#[correlated]
#[observed]
fn receives(metadata: Metadata<&MetadataMap>) {}

#[tokio::test]
async fn the_metadata_of_grpc_carries() {
    let seen = capture_async(async {
        let mut request = tonic::Request::new(());
        sends(Metadata(request.metadata_mut()));
        receives(Metadata(request.metadata()));
    })
    .await;
    let (sends, receives) = (seen.span("sends"), seen.span("receives"));
    assert_eq!((receives.trace_id, receives.parent_id), (sends.trace_id, Some(sends.span_id)));
}
