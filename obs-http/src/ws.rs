//! WebSocket sessions for axum (feature `ws`): a session is a span, and so is each of its messages.
//!
//! ```no_run
//! use axum::extract::ws::WebSocketUpgrade;
//! use axum::response::Response;
//! use axum::{Router, routing::get};
//!
//! async fn chat(upgrade: WebSocketUpgrade) -> Response {
//!     obs_http::ws::upgrade(upgrade, |mut session| async move {
//!         while let Some(Ok(received)) = session.recv().await {
//!             let message = received.message().clone();
//!             // Lines in here bear `request_id`, `session_id` and `message_id`.
//!             if received.within(session.send(message)).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! let app: Router = Router::new().route("/v1/chat", get(chat)).layer(obs_http::layer());
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Error;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use http::HeaderValue;
use obs_runtime::engine::SpanKind;
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::propagation::Correlation;
use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MessageId, MetricSet, SessionId, names};

static SESSION: Callsite = Callsite::new(
    Site::new("websocket session", module_path!(), file!(), line!(), &FIELDS).kind(SpanKind::Server).no_metrics(),
);

static MESSAGE: Callsite = Callsite::new(
    Site::new("websocket message", module_path!(), file!(), line!(), &FIELDS).kind(SpanKind::Consumer).no_metrics(),
);

static SENT: Callsite = Callsite::new(
    Site::new("websocket send", module_path!(), file!(), line!(), &FIELDS).kind(SpanKind::Producer).no_metrics(),
);

const SIZE: &str = "messaging.message.body.size";

const FIELDS: [&str; 7] =
    [names::REQUEST_ID, names::SESSION_ID, names::MESSAGE_ID, SIZE, names::OUTCOME, names::ERROR, names::ERROR_TYPE];

/// What the connections count.
#[derive(MetricSet)]
#[metric_set(prefix = "websocket")]
pub struct WebSocketMetrics {
    /// Open WebSocket connections.
    pub connections_active: Gauge,
    /// WebSocket messages, control frames not counted.
    pub messages_total: Counter<MessageLabels>,
}

/// What the sessions count.
#[derive(MetricSet)]
pub struct SessionMetrics {
    /// Open sessions.
    pub sessions_active: Gauge,
    /// Sessions begun.
    pub sessions_total: Counter,
    /// How long sessions lasted.
    #[metric(buckets = [1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0])]
    pub session_duration_seconds: Histogram,
}

/// The label of `websocket_messages_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct MessageLabels {
    /// Where it went.
    pub direction: Direction,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum Direction {
    /// From the client.
    Inbound,
    /// To the client.
    Outbound,
}

/// Accepts the upgrade, and serves the session: a span in the trace of the request that asked for it, linked to that request's span, until the
/// future of `serve` is done. The session's id is the caller's `x-session-id`, as far as it is trusted, else a UUID of version 4; it is on the
/// response.
pub fn upgrade<C, F>(upgrade: WebSocketUpgrade, serve: C) -> Response
where
    C: FnOnce(Session) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut correlation = Correlation::current();
    correlation.link.clone_from(&correlation.trace);
    let id = correlation.session_id.get_or_insert_with(SessionId::generate).clone();
    let header = HeaderValue::from_str(id.as_str());
    let context = obs_runtime::CallContext::current();
    let mut response = upgrade.on_upgrade(move |socket| {
        context.clone().around(async move {
            let operation = Operation::open(&SESSION, correlation);
            let open = Open::begin();
            let make = || serve(Session { socket, id, close_code: None });
            InSession { make: Some(make), future: None, operation, _open: open }.await;
        })
    });
    // An id is visible ASCII, so it is a value; a map of 32,768 headers has no room for it.
    if let Ok(header) = header {
        let _ = response.headers_mut().try_insert(names::X_SESSION_ID, header);
    }
    response
}

/// Counts a session from its begin to its end, however it ends.
struct Open(Instant);

impl Open {
    fn begin() -> Self {
        WebSocketMetrics::global().connections_active.add(1.0);
        let sessions = SessionMetrics::global();
        sessions.sessions_active.add(1.0);
        sessions.sessions_total.inc();
        Open(Instant::now())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        WebSocketMetrics::global().connections_active.sub(1.0);
        let sessions = SessionMetrics::global();
        sessions.sessions_active.sub(1.0);
        sessions.session_duration_seconds.observe(self.0.elapsed().as_secs_f64());
    }
}

pin_project_lite::pin_project! {
    /// What serves a session, inside of its span.
    struct InSession<C, F> {
        make: Option<C>,
        #[pin]
        future: Option<F>,
        operation: Operation,
        _open: Open,
    }

    impl<C, F> PinnedDrop for InSession<C, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.operation.in_scope(|| this.future.set(None));
        }
    }
}

impl<C: FnOnce() -> F, F: Future<Output = ()>> Future for InSession<C, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let poll = this.operation.in_scope(|| {
            if let Some(make) = this.make.take() {
                this.future.set(Some(make()));
            }
            let poll = this.future.as_mut().as_pin_mut().map_or(Poll::Ready(()), |future| future.poll(cx));
            if poll.is_ready() {
                this.future.set(None);
            }
            poll
        });
        if poll.is_ready() {
            this.operation.succeed();
        }
        poll
    }
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    socket: WebSocket,
    id: SessionId,
    close_code: Option<u16>,
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// The code that the client closed the session with.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// The next text or binary message, as a span below the session's that is open until the [`Received`] is dropped; nothing when the session
    /// is over. Pings are answered by the connection itself. It may be given up and called again, as in `select!`.
    ///
    /// # Errors
    /// When the connection breaks, or the client breaks the protocol.
    pub async fn recv(&mut self) -> Option<Result<Received, Error>> {
        loop {
            match self.socket.recv().await? {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(frame)) => self.close_code = frame.map(|frame| frame.code),
                Ok(message) => return Some(Ok(Received::new(message))),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Sends a message: below the message that it is sent within, else as a message of its own.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            WebSocketMetrics::global().messages_total.with(MessageLabels { direction: Direction::Outbound }).inc();
        }
        if Correlation::current().message_id.is_some() {
            return self.socket.send(message).await;
        }
        let mut span = MessageSpan::open(&SENT, message_size(&message), MessageId::generate());
        let sent = InMessage { future: Some(self.socket.send(message)), span: &mut span }.await;
        match &sent {
            Ok(()) => span.operation.succeed(),
            Err(error) => span.operation.fail(error.to_string(), "_OTHER"),
        }
        sent
    }
}

/// A message that came, and its span.
#[derive(Debug)]
pub struct Received {
    message: Message,
    span: MessageSpan,
}

impl Received {
    fn new(message: Message) -> Self {
        WebSocketMetrics::global().messages_total.with(MessageLabels { direction: Direction::Inbound }).inc();
        let mut span = MessageSpan::open(&MESSAGE, message_size(&message), MessageId::generate());
        // Whoever only looks at it has handled it.
        span.operation.succeed();
        Received { message, span }
    }

    /// What came.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.span.id
    }

    /// Gives it the id that the application knows it by, instead of the UUID of version 4 that it has.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.span.identify(id);
        self
    }

    /// Polls `future` inside of the message's span, which ends with it. An outcome of `error` is for [`fail`](Self::fail) to say; a
    /// future that is given up leaves `cancelled`, one that panics `panicked`.
    pub async fn within<F: Future>(mut self, future: F) -> F::Output {
        self.span.operation.cancel();
        let output = InMessage { future: Some(future), span: &mut self.span }.await;
        self.span.operation.succeed();
        output
    }

    /// The same for work that may fail: an `Err` is the outcome `error`.
    ///
    /// # Errors
    /// Those of `future`.
    pub async fn try_within<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        mut self,
        future: F,
    ) -> Result<T, E> {
        self.span.operation.cancel();
        let output = InMessage { future: Some(future), span: &mut self.span }.await;
        match &output {
            Ok(_) => self.span.operation.succeed(),
            Err(error) => self.span.fail(error),
        }
        output
    }

    /// The message could not be handled.
    pub fn fail(mut self, error: impl Into<String>) {
        self.span.operation.fail(error, "_OTHER");
    }
}

#[derive(Debug)]
struct MessageSpan {
    operation: Operation,
    id: MessageId,
}

impl MessageSpan {
    /// Told by an event unless an observed function below has told it already, and at greater length most likely.
    fn fail(&mut self, error: &impl std::fmt::Display) {
        if self.operation.failed_below() {
            self.operation.fail_silently(error.to_string(), "_OTHER");
        } else {
            self.operation.fail(error.to_string(), "_OTHER");
        }
    }

    fn open(site: &'static Callsite, size: usize, id: MessageId) -> Self {
        let mut operation = Operation::child(site);
        operation.record(SIZE, size as u64);
        let mut span = MessageSpan { operation, id: id.clone() };
        span.identify(id);
        span
    }

    fn identify(&mut self, id: MessageId) {
        self.operation.record(names::MESSAGE_ID, id.as_str());
        self.operation.carry(|correlation| correlation.message_id = Some(id.clone()));
        self.id = id;
    }
}

pin_project_lite::pin_project! {
    struct InMessage<'a, F> {
        #[pin]
        future: Option<F>,
        span: &'a mut MessageSpan,
    }

    impl<F> PinnedDrop for InMessage<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.span.operation.in_scope(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for InMessage<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.span.operation.in_scope(|| match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        })
    }
}

fn message_size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => 0,
    }
}
