//! What the services talk about: users, agents, pods, and the errors they send each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use obs_runtime::{LabelValue, StateMachine};
use serde::{Deserialize, Serialize};

/// The header that says who calls; a real platform would take it from a verified token.
pub const X_USER_ID: &str = "x-user-id";

/// Who an agent belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, LabelValue)]
#[serde(try_from = "String", into = "String")]
#[label(max = 10_000)]
pub struct UserId(Arc<str>);

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, LabelValue)]
#[serde(try_from = "String", into = "String")]
#[label(max = 10_000)]
pub struct AgentId(Arc<str>);

/// A process of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayId(Arc<str>);

/// A gateway says so often that it is there …
pub const RENEWED_EVERY: Duration = Duration::from_secs(1);
/// … and is believed for so long. Then its sessions are over: nobody else can serve them.
pub const LEASE: Duration = Duration::from_secs(6);

/// What a user asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// A name for people.
    pub name: String,
    /// Where it shall run.
    pub region: String,
    /// How much memory it needs, in MiB.
    pub memory_mib: u64,
    /// What it runs.
    #[serde(default = "default_image")]
    pub image: String,
}

/// The states of an agent and the ways between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, LabelValue, StateMachine)]
#[serde(rename_all = "snake_case")]
#[state_machine(name = "agent", label = "status")]
pub enum AgentStatus {
    #[initial]
    #[to(Running, Failed)]
    Provisioning,
    #[to(Hibernating, Stopped, Failed)]
    Running,
    #[to(Running, Stopped, Failed)]
    Hibernating,
    #[to(Provisioning)]
    Stopped,
    #[to(Provisioning)]
    Failed,
}

/// What a user can do to an agent that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Hibernate,
    Resume,
    Stop,
}

/// What control keeps of an agent and users see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentRecord {
    pub agent_id: AgentId,
    pub user_id: UserId,
    pub spec: AgentSpec,
    pub status: AgentStatus,
}

/// What control asks the scheduler to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PodRequest {
    pub agent_id: AgentId,
    pub user_id: UserId,
    pub spec: AgentSpec,
}

/// A pod that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pod {
    pub agent_id: AgentId,
    /// The node that it was placed on.
    pub node: String,
    /// The agent's process.
    pub process_id: u32,
    /// Where the agent takes messages.
    pub address: String,
    /// Where the agent's own `/metrics` is.
    pub metrics_address: Option<String>,
}

/// Who serves a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServedBy {
    pub gateway_id: GatewayId,
}

/// Where an agent that runs takes messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub address: String,
}

/// What a service answers when it refuses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs: `no_capacity`, `not_found`, …
    pub code: String,
    /// For people.
    pub message: String,
}

/// An id that is empty, too long, or holds other characters than letters, digits, `-`, `_` and `.`.
#[derive(Debug, thiserror::Error)]
#[error("ids have 1 to 64 letters, digits, `-`, `_` or `.`")]
pub struct BadId;

impl AgentId {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        AgentId(uuid::Uuid::new_v4().simple().to_string()[..12].into())
    }
}

impl GatewayId {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        GatewayId(uuid::Uuid::new_v4().to_string().into())
    }
}

fn default_image() -> String {
    "assistant".to_owned()
}

fn checked(text: &str) -> Result<Arc<str>, BadId> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(sound) { Ok(text.into()) } else { Err(BadId) }
}

/// These ids are checked text.
macro_rules! id {
    ($id:ident) => {
        impl $id {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $id {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                checked(text).map($id)
            }
        }

        impl TryFrom<String> for $id {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(UserId);
id!(AgentId);
id!(GatewayId);

impl AgentStatus {
    /// Every state.
    pub const ALL: [AgentStatus; 5] = [
        AgentStatus::Provisioning,
        AgentStatus::Running,
        AgentStatus::Hibernating,
        AgentStatus::Stopped,
        AgentStatus::Failed,
    ];
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Hibernate => "hibernate",
            Change::Resume => "resume",
            Change::Stop => "stop",
        })
    }
}

impl Refusal {
    /// The answer that carries it.
    pub fn response(status: StatusCode, code: &str, message: impl fmt::Display) -> Response {
        let refusal = Refusal { code: code.to_owned(), message: message.to_string() };
        (status, Json(refusal)).into_response()
    }
}
