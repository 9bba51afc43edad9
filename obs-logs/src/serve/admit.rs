//! Whether a request may read, in the order in which nothing is told to who may not.

use std::time::Instant;

use http::request::Parts;
use obs_runtime::{observed, record};

use super::Shared;
use super::limit::Permit;
use super::params::{self, Endpoint, Order, Params, mistake};
use super::refusal::Refusal;
use super::token::Bound;
use crate::model::{AgentId, UserId};
use crate::store::{Cursor, Direction, Read, Start};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Logs,
    Download,
}

/// A request that may read.
pub(super) struct Admitted {
    pub(super) user: UserId,
    pub(super) agent: AgentId,
    pub(super) params: Params,
    /// What its tokens are bound to.
    pub(super) bound: Bound,
    /// Where it reads on.
    pub(super) cursor: Option<Cursor>,
    /// For a request whose answer is a stream.
    pub(super) _permit: Option<Permit>,
}

impl Admitted {
    /// The wish for lines of this request's agent that match.
    pub(super) fn read(&self, start: Start, direction: Direction, limit: usize) -> Read {
        Read { agent: self.agent.clone(), filter: self.params.filter.clone(), start, direction, limit }
    }
}

/// Lets a request in, or says why not. Each end is told to the auditors.
#[observed(
    name = "logs.admit",
    user_id,
    agent_id,
    access = match access { Access::Logs => "logs", Access::Download => "download" },
    audit
)]
pub(super) async fn admit(
    shared: &Shared,
    parts: &Parts,
    agent: Option<&str>,
    access: Access,
) -> Result<Admitted, Refusal> {
    let agent = agent.and_then(|id| AgentId::parse(id).ok());
    if let Some(agent) = &agent {
        record!(agent_id = agent.as_str());
    }
    let user = shared.caller.identify(parts).await.map_err(Refusal::Authority)?;
    let user = user.ok_or_else(|| Refusal::Unauthenticated { challenge: shared.caller.challenge() })?;
    record!(user_id = user.as_str());
    shared.limiter.request(&user, Instant::now()).map_err(|wait| Refusal::TooManyRequests { wait })?;
    let endpoint = if access == Access::Logs { Endpoint::Logs } else { Endpoint::Download };
    let params = params::parse(parts.uri.query().unwrap_or_default(), endpoint).map_err(Refusal::BadParameters)?;
    // A text that is no id is an agent that nobody has.
    let agent = agent.ok_or(Refusal::AgentNotFound)?;
    let owner = shared.ownership.owner(&agent).await.map_err(Refusal::Authority)?;
    if owner.ok_or(Refusal::AgentNotFound)? != user {
        return Err(Refusal::NotOwner);
    }
    let bound = Bound::to(&agent, &params);
    let cursor = cursor(shared, parts, &params, &bound)?;
    let permit = match params.follow || access == Access::Download {
        true => Some(shared.limiter.stream(&user).ok_or(Refusal::TooManyStreams)?),
        false => None,
    };
    Ok(Admitted { user, agent, params, bound, cursor, _permit: permit })
}

/// Where to read on, as the client says.
fn cursor(shared: &Shared, parts: &Parts, params: &Params, bound: &Bound) -> Result<Option<Cursor>, Refusal> {
    // A client of server-sent events that connects again says what it has seen.
    let last_event = parts.headers.get("last-event-id").filter(|_| params.follow && params.order == Order::Asc);
    let (name, token) = match (last_event, &params.next_token) {
        (Some(id), _) => ("last-event-id", id.to_str().unwrap_or_default()),
        (None, Some(token)) => ("next_token", token.as_str()),
        (None, None) => return Ok(None),
    };
    let cursor = shared.key.open(bound, token).ok_or_else(|| {
        Refusal::BadParameters(vec![mistake(name, "is no token of this service for this agent and this query")])
    })?;
    Ok(Some(cursor))
}
