//! gRPC, for tonic's servers and clients: tower layers that need nothing of tonic's own.
//!
//! ```text
//! Server::builder().layer(obs_http::grpc::layer()).add_service(scheduler)…
//! SchedulerClient::new(ServiceBuilder::new().layer(obs_http::grpc::client_layer()).service(channel))
//! ```
//!
//! Each call is a span `{package.Service}/{Method}` by OpenTelemetry's semantic conventions for gRPC, until its trailers have come: server
//! spans continue the caller's trace, clients' calls bear theirs. Of a server, `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`,
//! `UNAVAILABLE` and `DATA_LOSS` are the outcome `error`; of a client, every status but `OK` is, and a call that gets none. No event tells
//! of a client's: its caller has the error.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use obs_runtime::engine::SpanKind;
use obs_runtime::names;
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::propagation::{self, Trust};
use tower::{Layer, Service};

use crate::arrived::arrived;

const SYSTEM: &str = "rpc.system";
const SERVICE: &str = "rpc.service";
const METHOD: &str = "rpc.method";
const STATUS: &str = "rpc.grpc.status_code";
const FIELDS: [&str; 8] =
    [SYSTEM, SERVICE, METHOD, STATUS, names::REQUEST_ID, names::OUTCOME, names::ERROR, names::ERROR_TYPE];

static SERVED: Callsite =
    Callsite::new(Site::new("grpc", module_path!(), file!(), line!(), &FIELDS).kind(SpanKind::Server).no_metrics());

static CALLED: Callsite =
    Callsite::new(Site::new("grpc", module_path!(), file!(), line!(), &FIELDS).kind(SpanKind::Client).no_metrics());

/// The names of gRPC's status codes, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Those that are the server's fault.
const FAULTS: [usize; 6] = [2, 4, 12, 13, 14, 15];

/// The middleware for servers, for `tonic::transport::Server::layer`.
#[must_use]
pub fn layer() -> GrpcLayer {
    GrpcLayer(Side::Server(None))
}

/// The middleware for clients, around a `tonic::transport::Channel`.
#[must_use]
pub fn client_layer() -> GrpcLayer {
    GrpcLayer(Side::Client)
}

/// What [`layer`] and [`client_layer`] give.
#[derive(Clone, Copy, Debug)]
pub struct GrpcLayer(Side);

#[derive(Clone, Copy, Debug)]
enum Side {
    Server(Option<Trust>),
    Client,
}

impl GrpcLayer {
    /// How much of what callers say a server believes. Else the configuration's `trust` holds.
    #[must_use]
    pub fn trust(self, trust: Trust) -> Self {
        match self.0 {
            Side::Server(_) => GrpcLayer(Side::Server(Some(trust))),
            Side::Client => self,
        }
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = GrpcService<S>;

    fn layer(&self, inner: S) -> GrpcService<S> {
        GrpcService { inner, side: self.0 }
    }
}

/// A service or a client whose calls are observed.
#[derive(Clone, Debug)]
pub struct GrpcService<S> {
    inner: S,
    side: Side,
}

impl<S, B, R> Service<Request<B>> for GrpcService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
{
    type Response = Response<GrpcBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut call = Call::begin(&mut request, self.side);
        let inner = call.operation.in_scope(|| self.inner.call(request));
        GrpcFuture { inner: Some(inner), call: Some(call) }
    }
}

/// One call, from its head to its trailers.
struct Call {
    operation: Operation,
    is_server: bool,
}

impl Call {
    fn begin<B>(request: &mut Request<B>, side: Side) -> Self {
        let (mut operation, is_server) = match side {
            Side::Server(trust) => {
                let trust = trust.unwrap_or_else(propagation::default_trust);
                let (correlation, _) = arrived(request, trust);
                (Operation::open(&SERVED, correlation), true)
            }
            Side::Client => (Operation::child(&CALLED), false),
        };
        if let Some(correlation) = operation.correlation() {
            let path = request.uri().path().trim_start_matches('/');
            if let Some((service, method)) = path.split_once('/') {
                // Of a server, whatever a caller writes is the name: not longer than names are.
                let name = crate::fields::cut(path);
                operation.set_name(name.to_owned());
                operation.record(SERVICE, crate::fields::cut(service));
                operation.record(METHOD, crate::fields::cut(method));
            }
            operation.record(SYSTEM, "grpc");
            propagation::inject(&correlation, request);
        }
        Call { operation, is_server }
    }

    /// Ends with the status that these headers or trailers say; without one, it is not over.
    fn end(mut self, headers: &HeaderMap) -> Option<Self> {
        let Some(code) = headers.get("grpc-status") else { return Some(self) };
        let code = code.to_str().ok().and_then(|code| code.parse::<usize>().ok()).filter(|code| *code < CODES.len());
        let code = code.unwrap_or(2);
        self.operation.record(STATUS, code as u64);
        if code == 0 || self.is_server && !FAULTS.contains(&code) {
            self.operation.succeed();
        } else if self.is_server && !self.operation.failed_below() {
            self.operation.fail(CODES[code], CODES[code]);
        } else {
            // Told where it began, or for the caller to tell.
            self.operation.fail_silently("", CODES[code]);
        }
        None
    }

    /// There will be no status. A client's caller gets the error, with all its sources, and knows what it is worth.
    fn fail(&mut self, error: &impl Display) {
        if self.is_server {
            self.operation.fail(error.to_string(), "_OTHER");
        } else {
            self.operation.fail_silently("", "_OTHER");
        }
    }
}

pin_project_lite::pin_project! {
    /// A response that is being waited for, inside of its call's span.
    pub struct GrpcFuture<F> {
        #[pin]
        inner: Option<F>,
        call: Option<Call>,
    }

    impl<F> PinnedDrop for GrpcFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(call) = this.call {
                call.operation.in_scope(|| this.inner.set(None));
            }
        }
    }
}

impl<F, R, E> Future for GrpcFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Display,
{
    type Output = Result<Response<GrpcBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(inner), Some(call)) = (this.inner.as_mut().as_pin_mut(), this.call.as_mut()) else {
            return Poll::Pending;
        };
        let result = ready!(call.operation.in_scope(|| inner.poll(cx)));
        call.operation.in_scope(|| this.inner.set(None));
        let Some(mut call) = this.call.take() else { return Poll::Pending };
        Poll::Ready(match result {
            Ok(response) => {
                let call = call.end(response.headers());
                Ok(response.map(|inner| GrpcBody { inner, call }))
            }
            Err(error) => {
                call.fail(&error);
                Err(error)
            }
        })
    }
}

pin_project_lite::pin_project! {
    /// The messages of a response. Its call ends with its trailers.
    pub struct GrpcBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B: Body> Body for GrpcBody<B>
where
    B::Error: Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(mut call) = this.call.take() else { return this.inner.poll_frame(cx) };
        let frame = call.operation.in_scope(|| this.inner.poll_frame(cx));
        *this.call = match &frame {
            Poll::Pending => Some(call),
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref() {
                Some(trailers) => call.end(trailers),
                None => Some(call),
            },
            Poll::Ready(Some(Err(error))) => {
                call.fail(error);
                None
            }
            // No trailers came: how it ended, nobody knows.
            Poll::Ready(None) => None,
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
