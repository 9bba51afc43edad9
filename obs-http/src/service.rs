use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use obs_runtime::propagation::{self, Trust};
use tower::{Layer, Service};

use crate::body::ResponseBody;
use crate::call::{Call, content_length};

/// What the platform asks of a service itself, every few seconds: neither spans nor samples.
const LEFT_OUT: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// The middleware, for [`axum::Router::layer`].
#[must_use]
pub fn layer() -> HttpLayer {
    HttpLayer { trust: None }
}

/// What [`layer`] gives.
#[derive(Clone, Debug)]
pub struct HttpLayer {
    trust: Option<Trust>,
}

impl HttpLayer {
    /// How much of what callers say is believed. Else the configuration's `trust` holds.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { inner, trust: self.trust }
    }
}

/// A service whose requests are observed.
#[derive(Clone, Debug)]
pub struct HttpService<S> {
    inner: S,
    trust: Option<Trust>,
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
        let mut call = Call::begin(&mut request, self.trust.unwrap_or_else(propagation::default_trust));
        let inner = call.in_scope(|| self.inner.call(request));
        ResponseFuture { inner: Some(inner), call: Some(call) }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let Some(call) = this.call else {
            return Poll::Ready(Ok(ready!(inner.poll(cx))?.map(ResponseBody::unobserved)));
        };
        let result = ready!(call.in_scope(|| inner.poll(cx)));
        call.in_scope(|| this.inner.set(None));
        let Some(mut call) = this.call.take() else { return Poll::Pending };
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
