//! How one service calls another: JSON over HTTP, or gRPC; refusals are told apart from failures.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};
use obs_runtime::{Classify, observed};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Refusal;
use crate::service::BoxError;

/// Why a call to another service did not give a value.
#[derive(Debug, thiserror::Error, Classify)]
pub enum CallError {
    /// It answered, and said no: why, is in its own log.
    #[error("{message}")]
    #[classify(level = "debug", kind = "refused")]
    Refused { status: StatusCode, code: String, message: String },
    /// It could not be reached.
    #[error("{service} cannot be reached")]
    #[classify(kind = "unreachable")]
    Unreachable {
        service: &'static str,
        #[source]
        source: BoxError,
    },
    /// It answered something else than was agreed.
    #[error("the answer of {service} is not understood")]
    #[classify(kind = "malformed")]
    Malformed {
        service: &'static str,
        #[source]
        source: BoxError,
    },
}

/// What came back. That it came is a success of the call, whatever it says.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl CallError {
    /// The status and the code to answer one's own caller with.
    #[must_use]
    pub fn status(&self) -> (StatusCode, &str) {
        match self {
            CallError::Refused { status, code, .. } => (*status, code),
            CallError::Unreachable { .. } | CallError::Malformed { .. } => (StatusCode::BAD_GATEWAY, "bad_gateway"),
        }
    }
}

/// What another service refused is refused to the caller in the same words.
impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        Refusal::response(status, code, &self)
    }
}

/// The body of a request that has none.
pub const NOTHING: Option<&()> = None;

/// How long a notice may take: the next one is on its way then.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// One pool of connections for all that this process calls.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

/// Another service.
#[derive(Clone, Debug)]
pub struct Peer {
    service: &'static str,
    base: String,
}

impl Peer {
    /// The service that listens at `base`, for example `http://127.0.0.1:4000`.
    #[must_use]
    pub fn new(service: &'static str, base: &str) -> Self {
        Peer { service, base: base.trim_end_matches('/').to_owned() }
    }

    /// Sends a request and reads the answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CallError> {
        let mut request = HTTP.request(method, format!("{}{path}", self.base)).headers(headers);
        if let Some(body) = body {
            request = request.json(body);
        }
        let Answer { status, body } = self.send(request).await?;
        let malformed =
            |source: serde_json::Error| CallError::Malformed { service: self.service, source: source.into() };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(malformed);
        }
        let Refusal { code, message } = serde_json::from_slice(&body).map_err(malformed)?;
        Err(CallError::Refused { status, code, message })
    }

    /// Sends a request, and gives the answer as it comes, whatever it says.
    #[observed(peer = self.service, name = "peer.forward", level = "debug")]
    pub async fn forward(&self, method: Method, path: &str, headers: HeaderMap) -> Result<Response, CallError> {
        let request = HTTP.request(method, format!("{}{path}", self.base)).headers(headers);
        let answer = request.send().await.map_err(|err| self.unreachable(err))?;
        let mut answer = http::Response::from(answer).map(Body::new);
        // How the bytes travel is for each connection to say.
        for hop in [CONNECTION, TRANSFER_ENCODING] {
            answer.headers_mut().remove(hop);
        }
        Ok(answer)
    }

    /// Tells something that will be told again soon: in no trace, and without an answer.
    pub async fn notify(&self, path: &str) {
        let _ = HTTP.put(format!("{}{path}", self.base)).timeout(NOTICED_WITHIN).send().await;
    }

    /// A service that cannot be reached is an error that begins here.
    #[observed(peer = self.service, name = "peer.send", level = "debug")]
    async fn send(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let response = request.send().await.map_err(|err| self.unreachable(err))?;
        let status = response.status();
        Ok(Answer { status, body: response.bytes().await.map_err(|err| self.unreachable(err))?.into() })
    }

    fn unreachable(&self, source: reqwest::Error) -> CallError {
        CallError::Unreachable { service: self.service, source: source.into() }
    }
}
