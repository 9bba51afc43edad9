//! How one service calls another: JSON over HTTP, with refusals told apart from failures.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Refusal;

/// Why a call to another service did not give a value.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It answered, and said no. The text is its own: whoever logged it there is not to be repeated here.
    #[error("{message}")]
    Refused { status: StatusCode, code: String, message: String },
    /// It could not be reached, or did not answer in its own language.
    #[error("{service} did not answer as expected")]
    Failed {
        service: &'static str,
        #[source]
        source: reqwest::Error,
    },
}

impl CallError {
    /// The status and the code to answer one's own caller with.
    #[must_use]
    pub fn status(&self) -> (StatusCode, &str) {
        match self {
            CallError::Refused { status, code, .. } => (*status, code),
            CallError::Failed { .. } => (StatusCode::BAD_GATEWAY, "bad_gateway"),
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

/// Another service.
#[derive(Clone, Debug)]
pub struct Peer {
    service: &'static str,
    base: String,
    http: reqwest::Client,
}

impl Peer {
    /// The service that listens at `base`, for example `http://127.0.0.1:4000`.
    #[must_use]
    pub fn new(service: &'static str, base: &str) -> Self {
        Peer { service, base: base.trim_end_matches('/').to_owned(), http: reqwest::Client::new() }
    }

    /// Sends a request and reads the answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CallError> {
        let failed = |source| CallError::Failed { service: self.service, source };
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(headers);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(failed);
        }
        let refusal: Refusal = response.json().await.map_err(failed)?;
        Err(CallError::Refused { status, code: refusal.code, message: refusal.message })
    }
}
