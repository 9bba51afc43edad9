//! What three users do to the platform.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use obs_runtime::propagation::{self, Correlation, TraceContext};
use obs_runtime::{SpanId, TraceId, names};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use super::platform::Platform;
use crate::chat::{self, Answer, Reply};
use crate::model::X_USER_ID;
use crate::service::BoxError;

/// How long a state may take to be reached.
const REACHED_WITHIN: Duration = Duration::from_secs(20);
/// How often to look whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was done.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Every request, in the order in which they were answered.
    pub sent: Vec<Sent>,
    /// Where Ben's program is in a trace of its own when it creates the agent and talks to it.
    pub client: TraceContext,
    /// The request that is shown: an agent was created.
    pub created: Sent,
    /// The one that fails in the scheduler.
    pub failed: Sent,
    /// The one whose client went away.
    pub abandoned: Sent,
    /// The session with the agent that was created.
    pub session: Conversation,
    /// What users got who asked for the logs of the agent that was created.
    pub logs: Vec<LogsRead>,
}

/// Somebody asked for an agent's logs.
#[derive(Clone, Debug)]
pub struct LogsRead {
    pub user_id: String,
    pub agent_id: String,
    pub status: u16,
    pub request_id: String,
    pub answer: String,
}

/// A session that is over.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The request that asked for it.
    pub request: Sent,
    pub session_id: String,
    pub messages: Vec<Exchange>,
}

/// A message and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub message_id: String,
    pub text: String,
    pub answer: String,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub user_id: String,
    pub method: Method,
    pub path: String,
    /// `None` if the client did not wait for it.
    pub status: Option<u16>,
    pub request_id: String,
    pub body: Value,
}

impl Sent {
    /// The agent in the answer.
    #[must_use]
    pub fn agent_id(&self) -> &str {
        self.body["agent_id"].as_str().unwrap_or_default()
    }
}

/// One user with a client.
#[derive(Clone, Debug)]
pub struct User {
    id: &'static str,
    gateway: String,
    client: Client,
    /// What the user's program says of itself.
    context: Correlation,
}

/// The work of `swarm`. At its end Ana and Ben have one running agent and one that failed, and Cleo has none.
pub async fn run(platform: &Platform) -> Result<Workload, BoxError> {
    let gateway = platform.gateway();
    let [ana, ben, cleo] = ["ana", "ben", "cleo"].map(|id| User::new(id, &gateway));
    let state = Some("laptop=ben".into());
    let client = TraceContext { trace_id: TraceId::random(), span_id: SpanId::random(), flags: 0b11, state };
    let bens_program = ben.clone().within(client.clone());
    let spec = |name: &str| json!({ "name": name, "region": "eu", "memory_mib": 512 });
    let (anas, bens, cleos) = tokio::try_join!(
        ana.create(spec("archivist")),
        bens_program.create(spec("bookkeeper")),
        cleo.create(spec("cartographer")),
    )?;
    let (first, second, third) = (anas.agent_id(), bens.agent_id(), cleos.agent_id());
    let mut sent = vec![
        ana.list().await?,
        ana.change(first, "hibernate").await?,
        ana.change(first, "resume").await?,
        cleo.change(third, "stop").await?,
        cleo.delete(third).await?,
        // Nobody may touch what is another's, nor learn that it exists.
        cleo.change(second, "stop").await?,
        ben.list().await?,
    ];
    let messages = [Some("m-1"), None].map(|id| (id, "What did you do today?"));
    let session = bens_program.converse(second, messages).await?;
    let failed = ana.create(json!({ "name": "giant", "region": "atlantis", "memory_mib": 65_536 })).await?;
    let (abandoned, lists) = ben.abandon(platform).await?;
    sent.extend(lists);
    sent.extend([anas, bens.clone(), cleos, failed.clone(), abandoned.clone(), session.request.clone()]);
    let logs = read_logs(platform, bens.agent_id()).await?;
    Ok(Workload { sent, client, created: bens, failed, abandoned, session, logs })
}

/// Ben reads what his agent said; Cleo is told of it what she is told of an agent that there never was.
async fn read_logs(platform: &Platform, agent_id: &str) -> Result<Vec<LogsRead>, BoxError> {
    let read = async |user_id: &str, agent_id: &str| {
        let response = platform.agent_logs(user_id, agent_id, "?tail=3&q=Agent").await?;
        let (status, request_id) = (response.status().as_u16(), request_id(&response));
        let (user_id, agent_id, answer) = (user_id.to_owned(), agent_id.to_owned(), response.text().await?);
        Ok::<_, BoxError>(LogsRead { user_id, agent_id, status, request_id, answer })
    };
    // The collector may be a moment behind the agent.
    let looking = async {
        loop {
            let bens = read("ben", agent_id).await?;
            if bens.answer.contains("Agent ready") {
                return Ok::<_, BoxError>(bens);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let bens = tokio::time::timeout(REACHED_WITHIN, looking).await.map_err(|_| "the agent's logs did not come")??;
    Ok(vec![bens, read("cleo", agent_id).await?, read("cleo", "nobodys").await?])
}

impl User {
    /// A user of the platform whose public API is at `gateway`.
    #[must_use]
    pub fn new(id: &'static str, gateway: &str) -> Self {
        User { id, gateway: gateway.to_owned(), client: Client::new(), context: Correlation::default() }
    }

    /// The same user with a program that has a trace of its own: its requests name the span that they are made in.
    #[must_use]
    pub fn within(mut self, trace: TraceContext) -> Self {
        self.context.trace = Some(trace);
        self
    }

    /// Creates an agent.
    pub async fn create(&self, spec: Value) -> Result<Sent, BoxError> {
        self.send(Method::POST, "/v1/agents", Some(spec)).await
    }

    /// Lists the user's agents.
    pub async fn list(&self) -> Result<Sent, BoxError> {
        self.send(Method::GET, "/v1/agents", None).await
    }

    /// `hibernate`, `resume` or `stop`.
    pub async fn change(&self, agent_id: &str, change: &str) -> Result<Sent, BoxError> {
        self.send(Method::POST, &format!("/v1/agents/{agent_id}/{change}"), None).await
    }

    /// Deletes an agent that is stopped or has failed.
    pub async fn delete(&self, agent_id: &str) -> Result<Sent, BoxError> {
        self.send(Method::DELETE, &format!("/v1/agents/{agent_id}"), None).await
    }

    /// Talks to an agent in a session: says each text when the one before is answered, under an id of the user's own or of
    /// the gateway's.
    pub async fn converse(
        &self,
        agent_id: &str,
        messages: impl IntoIterator<Item = (Option<&str>, &str)>,
    ) -> Result<Conversation, BoxError> {
        let path = format!("/v1/agents/{agent_id}/session");
        let mut request = format!("{}{path}", self.gateway.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert(X_USER_ID, self.id.parse()?);
        propagation::inject(&self.context, &mut request);
        let (mut socket, response) = tokio_tungstenite::connect_async(request).await?;
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned).ok_or_else(|| format!("the answer to {path} has no `{name}`"))
        };
        let (request_id, session_id) = (header("x-request-id")?, header("x-session-id")?);
        let mut exchanges = Vec::new();
        for (message_id, text) in messages {
            let message = chat::Message { message_id: message_id.map(str::to_owned), text: text.to_owned() };
            socket.send(tungstenite::Message::text(serde_json::to_string(&message)?)).await?;
            let answered = socket.next().await.ok_or("the session ended before the message was answered")??;
            let Reply { message_id, answer } = serde_json::from_str(answered.to_text()?)?;
            let answer = match answer {
                Answer::Text(answer) => answer,
                Answer::Error(refusal) => return Err(format!("{text:?} was refused: {}", refusal.message).into()),
            };
            exchanges.push(Exchange { message_id, text: text.to_owned(), answer });
        }
        socket.close(None).await?;
        // The session is over when the gateway says so too.
        while let Some(Ok(_)) = socket.next().await {}
        let status = Some(response.status().as_u16());
        let (user_id, method) = (self.id.to_owned(), Method::GET);
        let request = Sent { user_id, method, path, status, request_id, body: Value::Null };
        Ok(Conversation { request, session_id, messages: exchanges })
    }

    /// Asks for an agent whose image takes long, and goes away while the scheduler pulls it. Returns that request, and
    /// those that it took to see what became of it: the agent failed.
    pub async fn abandon(&self, platform: &Platform) -> Result<(Sent, Vec<Sent>), BoxError> {
        let spec = json!({ "name": "dreamer", "region": "us", "memory_mib": 1024, "image": "research" });
        let request_id = uuid::Uuid::new_v4().to_string();
        let (method, path) = (Method::POST, "/v1/agents");
        let request = self.request(method.clone(), path).header("x-request-id", &request_id).json(&spec);
        let waiting = tokio::spawn(request.send());
        until_in_flight(platform, "swarm-scheduler", "pull_image").await?;
        waiting.abort();
        let lists = self.until_status("failed").await?;
        let (user_id, path) = (self.id.to_owned(), path.to_owned());
        Ok((Sent { user_id, method, path, status: None, request_id, body: Value::Null }, lists))
    }

    /// Lists the user's agents until one has that status.
    async fn until_status(&self, status: &str) -> Result<Vec<Sent>, BoxError> {
        let mut lists = Vec::new();
        let looking = async {
            loop {
                let list = self.list().await?;
                let found = list.body.as_array().is_some_and(|agents| agents.iter().any(|it| it["status"] == status));
                lists.push(list);
                if found {
                    return Ok::<_, BoxError>(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let late = |_| format!("no agent of {} became {status} in time", self.id);
        tokio::time::timeout(REACHED_WITHIN, looking).await.map_err(late)??;
        Ok(lists)
    }

    /// Sends a request, reads the answer.
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Sent, BoxError> {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        Ok(Sent {
            user_id: self.id.to_owned(),
            method,
            path: path.to_owned(),
            status: Some(response.status().as_u16()),
            request_id: request_id(&response),
            body: response.json().await?,
        })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut headers = HeaderMap::new();
        propagation::inject(&self.context, &mut headers);
        self.client.request(method, format!("{}{path}", self.gateway)).header(X_USER_ID, self.id).headers(headers)
    }
}

/// The id that the gateway says an answer is for.
fn request_id(response: &reqwest::Response) -> String {
    let header = response.headers().get(names::X_REQUEST_ID).and_then(|value| value.to_str().ok());
    header.unwrap_or_default().to_owned()
}

/// Returns when the metrics of a service say that an operation has begun and not ended.
async fn until_in_flight(platform: &Platform, service: &str, operation: &str) -> Result<(), BoxError> {
    let labels = [("operation", operation)];
    let looking = async {
        loop {
            let scrapes = platform.scrapes().await?;
            let of_service = scrapes.iter().filter(|scrape| scrape.service == service);
            let mut counts = of_service.filter_map(|scrape| scrape.samples.sum("operations_in_flight", &labels));
            if counts.any(|count| count > 0.0) {
                return Ok::<_, BoxError>(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| format!("missing: metric `operations_in_flight` {labels:?} of {service}");
    tokio::time::timeout(REACHED_WITHIN, looking).await.map_err(late)?
}
