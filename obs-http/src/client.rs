//! Calls to other services: a client span, whose context the request bears.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response, StatusCode, Uri};
use obs_runtime::Method;
use obs_runtime::engine::SpanKind;
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::propagation;
use tower::{Layer, Service};

use crate::fields::{self, METHOD, METHOD_ORIGINAL, STATUS};

const URL: &str = "url.full";
const SERVER: &str = "server.address";
const PORT: &str = "server.port";

static REQUEST: Callsite = Callsite::new(
    Site::new(
        "HTTP",
        module_path!(),
        file!(),
        line!(),
        &[METHOD, METHOD_ORIGINAL, STATUS, URL, SERVER, PORT, "outcome", "error", "error.type"],
    )
    .kind(SpanKind::Client)
    .no_metrics(),
);

/// The middleware for tower clients (hyper's, and whatever else takes an `http::Request`): each call is a client span `{method}` by OpenTelemetry's
/// semantic conventions for HTTP, below the caller's span, and the request bears its context in place of stale headers. The span ends with the
/// head of the response; 4xx and 5xx are the outcome `error`, told by no event: whether they are worth one, the
/// caller knows. A call without a response is told where it fails.
///
/// ```
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, service_fn};
///
/// let client = ServiceBuilder::new()
///     .layer(obs_http::client_layer())
///     .service(service_fn(|request: Request<String>| async { Ok::<_, std::io::Error>(Response::new(String::new())) }));
/// ```
#[must_use]
pub fn client_layer() -> ClientLayer {
    ClientLayer(())
}

/// What [`client_layer`] gives.
#[derive(Clone, Copy, Debug)]
pub struct ClientLayer(());

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService { inner }
    }
}

/// A client whose calls are observed.
#[derive(Clone, Debug)]
pub struct ClientService<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ClientFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let method = request.method().clone();
        let uri = request.uri().clone();
        let mut operation = begin(&method, &uri, request.headers_mut());
        let inner = operation.in_scope(|| self.inner.call(request));
        ClientFuture { inner: Some(inner), operation }
    }
}

/// Opens the span of a call, and writes its context.
pub(crate) fn begin(method: &http::Method, uri: &Uri, headers: &mut HeaderMap) -> Operation {
    let mut operation = Operation::child(&REQUEST);
    if let Some(correlation) = operation.correlation() {
        let known = Method::from(method);
        operation.set_name(if known == Method::Other { "HTTP" } else { known.as_str() });
        operation.record(METHOD, known.as_str());
        if known == Method::Other {
            operation.record(METHOD_ORIGINAL, method.as_str());
        }
        if let Some(host) = uri.host() {
            operation.record(SERVER, host);
        }
        if let Some(port) = uri.port_u16() {
            operation.record(PORT, port);
        }
        operation.record(URL, url(uri));
        propagation::inject(&correlation, headers);
    }
    operation
}

/// The outcome of a call whose response has this status.
pub(crate) fn respond(operation: &mut Operation, status: StatusCode) {
    operation.record(STATUS, status.as_u16());
    if status.is_client_error() || status.is_server_error() {
        // Without a text, so that a caller whose own error names the status still tells it.
        operation.fail_silently("", status.as_str().to_owned());
    } else {
        operation.succeed();
    }
}

/// The URL without the user's name and password, and without the values of its query.
fn url(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    let query = uri.query().map(|query| format!("?{}", fields::redacted(query))).unwrap_or_default();
    format!("{scheme}{authority}{}{query}", fields::cut(uri.path()))
}

pin_project_lite::pin_project! {
    /// A response that is being waited for, inside of its call's span.
    pub struct ClientFuture<F> {
        #[pin]
        inner: Option<F>,
        operation: Operation,
    }

    impl<F> PinnedDrop for ClientFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.operation.in_scope(|| this.inner.set(None));
        }
    }
}

impl<F, R, E> Future for ClientFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Display,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let result = ready!(this.operation.in_scope(|| inner.poll(cx)));
        match &result {
            Ok(response) => respond(this.operation, response.status()),
            Err(error) => this.operation.fail(error.to_string(), "_OTHER"),
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_neither_credentials_nor_values() {
        let uri = Uri::from_static("http://user:s3cret@host:80/path?token=s3cret");
        assert_eq!(url(&uri), "http://host:80/path?token=REDACTED");
        assert_eq!(url(&Uri::from_static("/path")), "/path");
    }
}
