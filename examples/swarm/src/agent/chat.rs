//! What an agent answers, message by message.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use obs_runtime::{MetricSet, info, observed, record};

use crate::chat::Message;
use crate::metrics::AgentMetrics;
use crate::model::{AgentId, UserId};

/// Who answers, and to whom.
pub(super) struct Agent {
    pub(super) agent_id: AgentId,
    pub(super) user_id: UserId,
}

pub(super) fn router(agent: Arc<Agent>) -> Router {
    Router::new().route("/messages", post(take_message)).layer(obs_http::layer()).with_state(agent)
}

async fn take_message(State(agent): State<Arc<Agent>>, Json(message): Json<Message>) -> Json<Message> {
    let text = agent.answer(&message.text).await;
    Json(Message { message_id: None, text })
}

impl Agent {
    /// The first thing an agent says.
    #[observed]
    pub(super) async fn introduce(&self) {
        self.ask_model(&format!("Introduce yourself to {}", self.user_id)).await;
        info!("Agent introduced itself");
    }

    #[observed(agent_id = self.agent_id, user_id = self.user_id)]
    async fn answer(&self, text: &str) -> String {
        info!(words = tokens(text), "Message received");
        let answer = self.ask_model(text).await;
        info!("Message answered");
        answer
    }

    /// Stands for a model.
    #[observed(late(input_tokens, output_tokens))]
    async fn ask_model(&self, prompt: &str) -> String {
        let answer = format!("You said that I should consider this: {prompt}");
        let (input, output) = (tokens(prompt), tokens(&answer));
        record!(input_tokens = input, output_tokens = output);
        AgentMetrics::global().model_called(&self.agent_id, input, output);
        answer
    }
}

/// A word is a token, as far as this example is concerned.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}
