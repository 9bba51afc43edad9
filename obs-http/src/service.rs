use std::fmt::Display;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::Body;
use obs_runtime::propagation::{self, Trust};
use tower::{Layer, Service};

use crate::body::ResponseBody;
use crate::call::{Call, content_length};
use crate::metrics::Names;

/// What the platform asks of a service itself, every few seconds: neither spans nor samples.
const LEFT_OUT: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// The middleware, for [`axum::Router::layer`]. Its metrics are in `/metrics` from here on.
#[must_use]
pub fn layer() -> HttpLayer {
    Names::default().register();
    HttpLayer { trust: None, names: Names::default() }
}

/// What [`layer`] gives.
#[derive(Clone, Debug)]
pub struct HttpLayer {
    trust: Option<Trust>,
    names: Names,
}

impl HttpLayer {
    /// How much of what callers say is believed. Else the configuration's `trust` holds.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Under which names it counts: the published ones, those of OpenTelemetry, or both.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        names.register();
        self.names = names;
        self
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { inner, trust: self.trust, names: self.names }
    }
}

/// A service whose requests are observed.
#[derive(Clone, Debug)]
pub struct HttpService<S> {
    inner: S,
    trust: Option<Trust>,
    names: Names,
}

impl<S, B, R> Service<Request<B>> for HttpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: Body,
    R::Error: Display,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if LEFT_OUT.contains(&request.uri().path()) {
            return ResponseFuture { inner: Some(self.inner.call(request)), call: None };
        }
        let trust = self.trust.unwrap_or_else(propagation::default_trust);
        let mut call = Call::begin(&mut request, trust, self.names);
        // What panics here is answered when the future is polled.
        let inner = caught(|| call.in_scope(|| self.inner.call(request)));
        ResponseFuture { inner, call: Some(call) }
    }
}

pin_project_lite::pin_project! {
    /// A response that is being made, inside of its request's span.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        call: Option<Call>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // What a request that is given up leaves behind belongs to its span as well.
            let mut this = this.project();
            if let Some(call) = this.call {
                call.in_scope(|| this.inner.set(None));
            }
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Display,
    R: Body,
    R::Error: Display,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call else {
            let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
            return Poll::Ready(Ok(ready!(inner.poll(cx))?.map(ResponseBody::unobserved)));
        };
        let result = caught(|| {
            let poll = call.in_scope(|| this.inner.as_mut().as_pin_mut().map(|inner| inner.poll(cx)));
            if matches!(poll, Some(Poll::Ready(_))) {
                call.in_scope(|| this.inner.set(None));
            }
            poll
        });
        let result = match result {
            Some(Some(Poll::Ready(result))) => Some(result),
            Some(Some(Poll::Pending)) => return Poll::Pending,
            // It has panicked, here or when it was called. What is left of it may panic once more.
            Some(None) | None => {
                caught(|| call.in_scope(|| this.inner.set(None)));
                None
            }
        };
        let Some(mut call) = this.call.take() else { return Poll::Pending };
        let Some(result) = result else {
            let mut response = Response::new(ResponseBody::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            *response.headers_mut() = call.panicked();
            return Poll::Ready(Ok(response));
        };
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                call.fail(error.to_string());
                return Poll::Ready(Err(error));
            }
        };
        let status = response.status();
        let done = call.respond(status, response.headers_mut());
        let length = content_length(response.headers());
        Poll::Ready(Ok(response.map(|body| {
            if done || body.is_end_stream() {
                call.finish();
                return ResponseBody::unobserved(body);
            }
            ResponseBody::observed(body, call, length)
        })))
    }
}

/// What `work` gives, unless it panics. The panic hook has told it then; who serves other requests goes on.
fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    // Whatever was half done inside is dropped, and never looked at again.
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}
