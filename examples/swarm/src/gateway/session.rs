//! Sessions: a WebSocket between a user and an agent. Each message is handed to the agent, and its answer to the user.

use std::sync::Arc;

use axum::extract::ws::{self, CloseFrame, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use obs_http::ws::Session;
use obs_runtime::{Classify, MessageId, SessionId, info, observed};

use super::Gateway;
use super::agent_client::AgentClient;
use crate::call::CallError;
use crate::caller::{Caller, headers_for};
use crate::chat::{Answer, Message, Reply};
use crate::model::{AgentId, Refusal, ServedBy, UserId};

/// Whoever may not talk to the agent is told so before the connection becomes a WebSocket.
#[observed(user_id, agent_id)]
pub(super) async fn open_session(
    State(gateway): State<Arc<Gateway>>,
    Caller(user_id): Caller,
    Path(agent_id): Path<AgentId>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, CallError> {
    gateway.control.find_agent(&user_id, &agent_id, headers_for(&user_id)).await?;
    Ok(obs_http::ws::upgrade(upgrade, |session| converse(gateway, user_id, agent_id, session)))
}

/// From the first message to the last. A histogram of calls would make nothing of it: sessions have one of their own.
#[observed(user_id, agent_id, metrics = off)]
async fn converse(gateway: Arc<Gateway>, user_id: UserId, agent_id: AgentId, mut session: Session) {
    let mut stopped = gateway.stopped.clone();
    // What goes wrong is told where it does.
    let Ok(attendance) = Attendance::begin(gateway, user_id, agent_id, session.id().clone()).await else { return };
    info!("Session begun");
    let mut messages = 0_u64;
    loop {
        let received = tokio::select! {
            received = session.recv() => received,
            _ = stopped.changed() => {
                let away = CloseFrame { code: close_code::AWAY, reason: "the gateway stops".into() };
                let _ = session.send(ws::Message::Close(Some(away))).await;
                break;
            }
        };
        let Some(Ok(received)) = received else { break };
        messages += 1;
        let message = parse(received.message());
        // An id of the user's own that is not sound is as if there were none.
        let id = message.as_ref().ok().and_then(|message| message.message_id.as_deref());
        let received = match id.and_then(|id| MessageId::parse(id).ok()) {
            Some(id) => received.with_id(id),
            None => received,
        };
        let id = received.id().clone();
        // A message without an answer does not end the session, and a broken connection is seen by the next look at it.
        let _ = received.try_within(exchange(&attendance.agent, &mut session, id, message)).await;
    }
    info!(messages, "Session over");
}

/// Why a message was not answered as it should be.
#[derive(Debug, thiserror::Error, Classify)]
enum ExchangeError {
    #[error("the message is not understood")]
    #[classify(level = "warn", kind = "malformed")]
    Malformed(#[from] serde_json::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Agent(#[from] CallError),
    #[error("the user cannot be reached")]
    #[classify(level = "warn", kind = "user_gone")]
    User(#[source] axum::Error),
}

/// One message and its answer, or the reason why there is none.
#[observed]
async fn exchange(
    agent: &AgentClient,
    session: &mut Session,
    id: MessageId,
    message: Result<Message, serde_json::Error>,
) -> Result<(), ExchangeError> {
    let answered = ask(agent, message).await;
    info!(answered = answered.is_ok(), "Message handed over");
    let answer = match &answered {
        Ok(message) => Answer::Text(message.text.clone()),
        Err(err) => Answer::Error(err.refusal()),
    };
    let reply = serde_json::to_string(&Reply { message_id: id.to_string(), answer })?;
    session.send(ws::Message::text(reply)).await.map_err(ExchangeError::User)?;
    answered.map(drop)
}

async fn ask(agent: &AgentClient, message: Result<Message, serde_json::Error>) -> Result<Message, ExchangeError> {
    Ok(agent.send_message(&message?, HeaderMap::new()).await?)
}

fn parse(message: &ws::Message) -> Result<Message, serde_json::Error> {
    match message {
        ws::Message::Text(text) => serde_json::from_str(text),
        message => serde_json::from_slice(&message.clone().into_data()),
    }
}

impl ExchangeError {
    /// As the user is told.
    fn refusal(&self) -> Refusal {
        let code = match self {
            ExchangeError::Malformed(_) => "malformed",
            ExchangeError::Agent(err) => err.status().1,
            ExchangeError::User(_) => "gone",
        };
        Refusal { code: code.to_owned(), message: self.to_string() }
    }
}

/// A session that control knows of until this is dropped.
struct Attendance {
    gateway: Arc<Gateway>,
    user_id: UserId,
    agent_id: AgentId,
    session_id: SessionId,
    agent: AgentClient,
}

impl Attendance {
    async fn begin(
        gateway: Arc<Gateway>,
        user_id: UserId,
        agent_id: AgentId,
        session_id: SessionId,
    ) -> Result<Self, CallError> {
        let headers = headers_for(&user_id);
        let by = ServedBy { gateway_id: gateway.id.clone() };
        let endpoint = gateway.control.begin_session(&user_id, &agent_id, &session_id, by, headers).await?;
        let agent = AgentClient::new(&endpoint.address);
        Ok(Attendance { gateway, user_id, agent_id, session_id, agent })
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let gateway = self.gateway.clone();
        let (user_id, agent_id, session_id) = (self.user_id.clone(), self.agent_id.clone(), self.session_id.clone());
        obs_runtime::spawn(async move {
            let headers = headers_for(&user_id);
            let _ = gateway.control.end_session(&user_id, &agent_id, &session_id, headers).await;
        });
    }
}
