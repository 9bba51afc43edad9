//! Who asks, and whose an agent is: what the service around this knows.

use std::collections::HashMap;
use std::error::Error;

use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::model::{AgentId, UserId};

/// Any error of the service around.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Says who sends a request.
pub trait Caller: Send + Sync + 'static {
    /// The caller; `None` if the request does not prove who that is. An error is answered with 503.
    fn identify<'a>(&'a self, request: &'a Parts) -> BoxFuture<'a, Result<Option<UserId>, BoxError>>;

    /// How to prove it: the `WWW-Authenticate` of a 401.
    fn challenge(&self) -> &'static str {
        "Bearer"
    }
}

/// Says whose an agent is.
pub trait Ownership: Send + Sync + 'static {
    /// The owner; `None` if there is no such agent. An error is answered with 503.
    fn owner<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, Result<Option<UserId>, BoxError>>;
}

/// Callers by fixed tokens: `Authorization: Bearer …`.
#[derive(Clone, Default)]
pub struct BearerTokens {
    /// By the hash of the token: how long a look-up takes tells nothing of the tokens.
    users: HashMap<[u8; 32], UserId>,
}

impl BearerTokens {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And one more.
    #[must_use]
    pub fn with(mut self, token: &str, user: UserId) -> Self {
        self.users.insert(Sha256::digest(token).into(), user);
        self
    }

    fn user(&self, request: &Parts) -> Option<&UserId> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let (scheme, token) = headers.next()?.to_str().ok()?.split_once(' ')?;
        if headers.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token.trim_start_matches(' ')).into();
        self.users.get(&hash)
    }
}

impl Caller for BearerTokens {
    fn identify<'a>(&'a self, request: &'a Parts) -> BoxFuture<'a, Result<Option<UserId>, BoxError>> {
        let user = self.user(request).cloned();
        Box::pin(async move { Ok(user) })
    }
}

/// Owners that do not change, for tests and examples.
impl Ownership for HashMap<AgentId, UserId> {
    fn owner<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, Result<Option<UserId>, BoxError>> {
        let owner = self.get(agent).cloned();
        Box::pin(async move { Ok(owner) })
    }
}
