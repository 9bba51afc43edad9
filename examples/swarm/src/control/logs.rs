//! Users read the logs of their own agents: the files of the nodes are collected, kept here, and served beside the agents.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use obs_logs::{
    BearerTokens, BoxError, Collecting, Collector, Embedded, Limits, LogsApi, Ownership, PodName, Retention, TokenKey,
};
use tokio::time::Duration;

use super::registry::Registry;
use crate::model::AgentId;
use crate::service::Failure;

/// Agents' logs are kept for so long.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The routes, and the collector, which works until it is dropped. Who follows a log does so until `stopping` ends.
pub(super) fn serve(
    containers: &Path,
    tokens: &Path,
    registry: Registry,
    stopping: impl Future<Output = ()> + Send + 'static,
) -> Result<(Router, Collecting), Failure> {
    let kept = containers.with_file_name("agent-logs");
    let store = Arc::new(Embedded::open(&kept, Retention::default().age(KEPT_FOR))?);
    let pods = PodName::with_prefix("agent-").in_namespace("swarm-agents");
    let collecting = Collector::of_directory(containers, pods).start(store.clone())?;
    let key = TokenKey::in_file(&kept.join("token.key"))?;
    let api = LogsApi::new(store, users(tokens)?, registry, key).limits(Limits::default());
    let followers = api.followers();
    tokio::spawn(async move {
        stopping.await;
        followers.end();
    });
    Ok((api.router(), collecting))
}

/// Who bears which token, from a file with a JSON object.
fn users(tokens: &Path) -> Result<BearerTokens, Failure> {
    let tokens: HashMap<String, String> = serde_json::from_slice(&std::fs::read(tokens)?)?;
    let mut known = BearerTokens::new();
    for (user, token) in tokens {
        known = known.with(&token, user.parse::<obs_logs::UserId>()?);
    }
    Ok(known)
}

impl Ownership for Registry {
    fn owner<'a>(
        &'a self,
        agent: &'a obs_logs::AgentId,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<obs_logs::UserId>, BoxError>> + Send + 'a>> {
        Box::pin(async move {
            let Ok(agent) = agent.as_str().parse::<AgentId>() else { return Ok(None) };
            Ok(self.owner_of(&agent).map(|user| user.as_str().parse()).transpose()?)
        })
    }
}
