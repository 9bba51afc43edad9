//! Sessions with agents and logs that are followed: refused, served, and over when a process is gone.
#![allow(clippy::unwrap_used)]

mod running;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use swarm::drive::platform::Platform;
use swarm::drive::workload::{Sent, User};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use self::running::{Directory, PATIENCE, PROGRAM, gateway_to, lines};

async fn with_an_agent_of_ana(directory: &Directory) -> (Platform, User, Sent) {
    let platform = Platform::start(Path::new(PROGRAM), &directory.0, &[]).await.unwrap();
    let ana = User::new("ana", &platform.gateway());
    let agent = ana.create(serde_json::json!({ "name": "a", "region": "eu", "memory_mib": 64 })).await.unwrap();
    (platform, ana, agent)
}

/// What a service of the platform publishes now.
async fn published(platform: &Platform, service: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let scrapes = platform.scrapes().await.unwrap();
    scrapes.iter().find(|scrape| scrape.service == service).unwrap().samples.sum(name, labels)
}

/// Looks at control until it publishes this.
async fn becomes(platform: &Platform, name: &str, labels: &[(&str, &str)], value: f64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = published(platform, "swarm-control", name, labels).await;
        if found == Some(value) {
            return;
        }
        assert!(Instant::now() < end, "{name} is still {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for a session with an agent.
async fn connect(
    gateway: &str,
    user_id: &str,
    agent_id: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
    let url = format!("{}/v1/agents/{agent_id}/session", gateway.replacen("http", "ws", 1));
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("x-user-id", user_id.parse().unwrap());
    Ok(tokio_tungstenite::connect_async(request).await?.0)
}

#[tokio::test]
async fn sessions_are_refused_over_http_and_end_when_the_gateway_stops() {
    let directory = Directory::new();
    let (platform, _, agent) = with_an_agent_of_ana(&directory).await;

    // Somebody else's agent, and one that is not there.
    let refused = async |user_id: &str, agent_id: &str| match connect(&platform.gateway(), user_id, agent_id).await {
        Err(tungstenite::Error::Http(response)) => {
            let body = String::from_utf8(response.body().clone().unwrap()).unwrap();
            (response.status().as_u16(), body.replace(agent_id, "…"))
        }
        other => panic!("{user_id} was not refused: {other:?}"),
    };
    let anothers = refused("ben", agent.agent_id()).await;
    assert_eq!(anothers.0, 404, "{anothers:?}");
    assert_eq!(anothers, refused("ben", "a0").await);

    let mut socket = connect(&platform.gateway(), "ana", agent.agent_id()).await.unwrap();
    for (text, answer) in [
        (r#"{"message_id":"m-1","text":"hello"}"#, r#""text":"#),
        // A message that is not understood is refused, and the session goes on.
        ("{", r#""error":{"code":"malformed""#),
        (r#"{"message_id":"no id at all","text":"hello"}"#, r#""text":"#),
    ] {
        socket.send(tungstenite::Message::text(text)).await.unwrap();
        let said = socket.next().await.unwrap().unwrap();
        let said = said.to_text().unwrap();
        assert!(said.contains(answer) && !said.contains("no id"), "{said}");
    }
    // While it is open it is counted by those who know of it.
    for (service, name, labels) in [
        ("swarm-gateway", "sessions_active", &[][..]),
        ("swarm-gateway", "websocket_connections_active", &[]),
        ("swarm-control", "user_sessions_active", &[("user_id", "ana")]),
        ("swarm-control", "agent_sessions_total", &[("agent_id", agent.agent_id())]),
    ] {
        assert_eq!(published(&platform, service, name, labels).await, Some(1.0), "{name}");
    }
    let stopping = tokio::spawn(platform.stop());
    let goodbye = socket.next().await.unwrap().unwrap();
    let tungstenite::Message::Close(Some(frame)) = goodbye else { panic!("{goodbye:?}") };
    assert_eq!(u16::from(frame.code), 1001);
    for (name, status) in stopping.await.unwrap() {
        assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}");
    }
    let log = |name: &str| lines(&directory.file(&format!("logs/{name}.jsonl")));
    let over = log("gateway").into_iter().find(|line| line["message"] == "Session over").expect("a line of the end");
    assert_eq!(over["messages"], 3);
    let closed = log("control").into_iter().find(|line| line["message"] == "Session closed").expect("control knows");
    assert_eq!(closed["session_id"], over["session_id"]);
    let errors: Vec<_> = log("gateway").into_iter().filter(|line| line["level"] == "error").collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn the_sessions_of_a_gateway_that_crashes_are_over_and_those_of_others_are_not() {
    let directory = Directory::new();
    let (platform, _, agent) = with_an_agent_of_ana(&directory).await;
    let control = platform.announcements()[1].http.clone().unwrap();
    let crashes = gateway_to(&format!("http://{control}"), &directory.file("crashes"), &[]).await;
    let sessions = ("user_sessions_active", &[("user_id", "ana")]);
    // A session is served when its first message is answered.
    let open = async |gateway: &str| {
        let mut socket = connect(gateway, "ana", agent.agent_id()).await.unwrap();
        socket.send(tungstenite::Message::text(r#"{"text":"hello"}"#)).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket
    };
    let stays = open(&platform.gateway()).await;
    let url = format!("http://{}", crashes.announcement().http.as_deref().unwrap());
    let goes = (open(&url).await, open(&url).await);
    assert_eq!(published(&platform, "swarm-control", sessions.0, sessions.1).await, Some(3.0));

    // It is killed.
    drop(crashes);
    becomes(&platform, sessions.0, sessions.1, 1.0).await;
    drop((stays, goes));
    platform.stop().await;
    let told = lines(&directory.file("logs/control.jsonl"));
    let gone: Vec<_> = told.iter().filter(|line| line["message"] == "Gateway is gone, its sessions are over").collect();
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert_eq!((&gone[0]["sessions"], &gone[0]["level"]), (&2.into(), &"warn".into()), "{}", gone[0]);
}

#[tokio::test]
async fn a_log_is_followed_through_the_gateway_for_as_long_as_somebody_listens() {
    let directory = Directory::new();
    let (platform, ana, agent) = with_an_agent_of_ana(&directory).await;

    let mut log = platform.agent_logs("ana", agent.agent_id(), "?follow=1").await.unwrap();
    assert_eq!(log.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    let mut hears = async |message: &str| {
        while !heard.contains(message) {
            let piece = tokio::time::timeout(PATIENCE, log.chunk()).await.expect(message).unwrap().expect("no end");
            heard.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    hears("Agent ready").await;
    assert_eq!(published(&platform, "swarm-control", "obs_logs_followers", &[]).await, Some(1.0));
    // What is said from here on comes on the open stream.
    ana.converse(agent.agent_id(), [(None, "hello")]).await.unwrap();
    hears("Message answered").await;
    drop(log);
    becomes(&platform, "obs_logs_followers", &[], 0.0).await;

    let whole = platform.agent_logs("ana", agent.agent_id(), "/download").await.unwrap();
    assert_eq!(whole.headers()["content-type"], "application/x-ndjson");
    let whole = whole.text().await.unwrap();
    assert!(whole.lines().count() > 3 && whole.contains("Message answered"), "{whole}");
    for which in ["", "?follow=1", "/download"] {
        let told = async |agent_id: &str| {
            let refused = platform.agent_logs("ben", agent_id, which).await.unwrap();
            (refused.status().as_u16(), refused.text().await.unwrap())
        };
        let foreign = told(agent.agent_id()).await;
        assert_eq!(foreign.0, 404, "{which}: {foreign:?}");
        assert_eq!(foreign, told("nobodys").await, "{which}");
        assert_eq!(foreign, told("no%20id").await, "{which}");
    }
    platform.stop().await;
}
