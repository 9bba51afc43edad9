//! WebSocket sessions over a real socket: trace > request > session > message.

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use obs_runtime::propagation::Trust;
use obs_runtime::testing::{Captured, capture_async};
use obs_runtime::{CallContext, Ended, MessageId, info, observed};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, handshake};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[observed]
async fn think(text: String) -> Result<String, std::fmt::Error> {
    info!("thinking");
    if text == "fail" { Err(std::fmt::Error) } else { Ok(text) }
}

/// Serves sessions that echo, on a port of its own; each end is told. Then runs `client` against it.
async fn session<F: Future<Output = ()>>(client: impl FnOnce(String) -> F) -> Captured<()> {
    session_behind(obs_http::layer(), client).await
}

async fn session_behind<F: Future<Output = ()>>(
    layer: obs_http::HttpLayer,
    client: impl FnOnce(String) -> F,
) -> Captured<()> {
    capture_async(async {
        let (ended, mut has_ended) = mpsc::unbounded_channel();
        let chat = move |upgrade: WebSocketUpgrade| async move {
            obs_http::ws::upgrade(upgrade, |mut session| async move {
                struct End(mpsc::UnboundedSender<()>);
                impl Drop for End {
                    fn drop(&mut self) {
                        let _ = self.0.send(());
                    }
                }
                let _end = End(ended);
                info!("session begins");
                let _ = session.send(Message::text("welcome")).await;
                while let Some(Ok(received)) = session.recv().await {
                    let text = received.message().to_text().expect("text").to_owned();
                    let received = received.with_id(MessageId::parse(&format!("m-{text}")).expect("sound"));
                    let answered = received.try_within(async {
                        let answer = think(text).await.map_err(|_| axum::Error::new("no answer"))?;
                        session.send(Message::text(answer)).await
                    });
                    let _ = answered.await;
                }
            })
        };
        // axum serves each connection in a task of its own, which knows of no capture.
        let context = CallContext::current();
        let within = move |request: Request, next: Next| context.clone().around(next.run(request));
        let app =
            Router::new().route("/v1/chat", get(chat.clone())).layer(layer).layer(axum::middleware::from_fn(within));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = obs_runtime::spawn(async move { axum::serve(listener, app).await });
        client(format!("ws://{address}/v1/chat")).await;
        has_ended.recv().await.expect("it ended");
        // One thread: the rest of the session's end comes before anything else.
        tokio::task::yield_now().await;
        server.abort();
        let _ = server.await;
        drop(chat);
    })
    .await
}

fn request(url: &str) -> handshake::client::Request {
    let mut request = url.into_client_request().expect("a request");
    let traceparent = format!("00-{TRACE}-b7ad6b7169203331-01");
    request.headers_mut().insert("traceparent", traceparent.parse().expect("legal"));
    request.headers_mut().insert("x-request-id", "r-17".parse().expect("legal"));
    request.headers_mut().insert("x-session-id", "s-17".parse().expect("legal"));
    request
}

#[tokio::test]
async fn a_message_hangs_below_its_session_and_that_below_its_request() {
    let seen = session(async |url| {
        let (mut socket, response) = tokio_tungstenite::connect_async(request(&url)).await.expect("it listens");
        assert_eq!(response.headers()["x-session-id"], "s-17");
        assert_eq!(response.headers()["x-request-id"], "r-17");
        assert_eq!(socket.next().await.expect("open").expect("sound").into_text().expect("text"), "welcome");
        for text in ["hello", "again"] {
            socket.send(tungstenite::Message::text(text)).await.expect("sent");
            assert_eq!(socket.next().await.expect("open").expect("sound").into_text().expect("text"), text);
        }
        socket.send(tungstenite::Message::text("fail")).await.expect("sent");
        socket.close(None).await.expect("closed");
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;

    let request = seen.span("GET /v1/chat");
    assert_eq!(request.trace_id.to_string(), TRACE);
    assert_eq!(request.fields.get("http.response.status_code"), Some(&101.into()));
    let session = seen.span("websocket session");
    assert_eq!((session.trace_id, session.parent_id), (request.trace_id, Some(request.span_id)));
    assert_eq!(session.links.iter().map(|link| link.span_id).collect::<Vec<_>>(), [request.span_id]);
    assert_eq!(session.outcome, Some(Ended::Ok));
    assert_eq!(session.fields.get("session_id"), Some(&"s-17".into()));
    assert_eq!(session.fields.get("request_id"), Some(&"r-17".into()));

    let messages: Vec<_> = seen.spans().iter().filter(|span| span.name == "websocket message").collect();
    assert_eq!(messages.len(), 3);
    for (message, (id, outcome)) in
        messages.iter().zip([("m-hello", Ended::Ok), ("m-again", Ended::Ok), ("m-fail", Ended::Error)])
    {
        assert_eq!((message.trace_id, message.parent_id), (request.trace_id, Some(session.span_id)));
        assert_eq!(message.fields.get("message_id"), Some(&id.into()));
        assert_eq!(message.outcome, Some(outcome), "{id}");
        let thought =
            seen.spans().iter().filter(|span| span.name == "think" && span.parent_id == Some(message.span_id));
        assert_eq!(thought.count(), 1, "{id}");
    }
    let welcome = seen.span("websocket send");
    assert_eq!((welcome.parent_id, welcome.outcome), (Some(session.span_id), Some(Ended::Ok)));

    let thoughts: Vec<_> = seen.logs().iter().filter(|line| line["message"] == "thinking").collect();
    assert_eq!(thoughts.len(), 3);
    for (line, id) in thoughts.iter().zip(["m-hello", "m-again", "m-fail"]) {
        assert_eq!((&line["trace_id"], &line["request_id"]), (&TRACE.into(), &"r-17".into()), "{line}");
        assert_eq!((&line["session_id"], &line["message_id"]), (&"s-17".into(), &id.into()), "{line}");
    }
    let begin = seen.logs().iter().find(|line| line["message"] == "session begins").expect("a line");
    assert_eq!((&begin["session_id"], begin.get("message_id")), (&"s-17".into(), None));
    let errors = seen.logs().iter().filter(|line| line["level"] == "error");
    assert_eq!(errors.count(), 1, "told once, where it began");

    assert_eq!(seen.metric("websocket_connections_active", &[]), Some(0.0));
    assert_eq!(seen.metric("websocket_messages_total", &[("direction", "inbound")]), Some(3.0));
    assert_eq!(seen.metric("websocket_messages_total", &[("direction", "outbound")]), Some(3.0));
    assert_eq!(seen.metric("sessions_active", &[]), Some(0.0));
    assert_eq!(seen.metric("sessions_total", &[]), Some(1.0));
    assert_eq!(seen.metric("session_duration_seconds_count", &[]), Some(1.0));
}

#[tokio::test]
async fn a_session_believes_its_caller_as_far_as_the_request_does() {
    for trust in [Trust::Ids, Trust::None] {
        let seen = session_behind(obs_http::layer().trust(trust), async |url| {
            let (mut socket, response) = tokio_tungstenite::connect_async(request(&url)).await.expect("it listens");
            assert_eq!(response.headers()["x-session-id"].len(), 36, "one of its own");
            assert_eq!(response.headers()["x-request-id"] == "r-17", trust == Trust::Ids);
            socket.close(None).await.expect("closed");
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let request = seen.span("GET /v1/chat");
        assert_ne!(request.trace_id.to_string(), TRACE);
        assert_eq!((request.parent_id, request.links.len()), (None, usize::from(trust == Trust::Ids)));
        let session = seen.span("websocket session");
        assert_eq!((session.trace_id, session.parent_id), (request.trace_id, Some(request.span_id)));
        assert_eq!(session.fields.get("request_id") == Some(&"r-17".into()), trust == Trust::Ids);
        assert_ne!(session.fields.get("session_id"), Some(&"s-17".into()));
    }
}

#[tokio::test]
async fn a_client_that_drops_the_connection_ends_its_session() {
    let seen = session(async |url| {
        let (socket, response) = tokio_tungstenite::connect_async(url.as_str()).await.expect("it listens");
        assert_eq!(response.headers()["x-session-id"].len(), 36);
        drop(socket);
    })
    .await;
    assert!(seen.span("websocket session").outcome.is_some());
    assert_eq!(seen.metric("sessions_active", &[]), Some(0.0));
    assert_eq!(seen.metric("websocket_connections_active", &[]), Some(0.0));
}

async fn refuses(upgrade: WebSocketUpgrade) -> Response {
    obs_http::ws::upgrade(upgrade, |_| async {})
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_begins_no_session() {
    use tower::ServiceExt as _;

    let app: Router = Router::new().route("/v1/chat", get(refuses)).layer(obs_http::layer());
    let seen = capture_async(async {
        let request = http::Request::get("/v1/chat").body(axum::body::Body::empty()).expect("a request");
        app.oneshot(request).await.expect("infallible").status()
    })
    .await;
    assert!(seen.value.is_client_error());
    assert_eq!(seen.metric("sessions_total", &[]), None);
}
