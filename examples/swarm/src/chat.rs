//! What a user and an agent say to each other in a session, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::Refusal;

/// What somebody says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The id that the user knows it by. Without one, the gateway gives it one. Between services it travels as `x-message-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The words.
    pub text: String,
}

/// What comes back for a message: `{"message_id":"m-1","text":"…"}`, or `error` in place of `text`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The id of the message.
    pub message_id: String,
    /// What the agent says, or why it says nothing.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The second half of a [`Reply`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Text(String),
    Error(Refusal),
}
