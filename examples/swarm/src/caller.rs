//! Who calls: the user id in the header, checked.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::model::{Refusal, UserId, X_USER_ID};

/// An extractor of the caller's id; answers 401 if there is none, or none that is sound.
#[derive(Clone, Debug)]
pub struct Caller(pub UserId);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let header = parts.headers.get(X_USER_ID).and_then(|value| value.to_str().ok());
        header.and_then(|text| text.parse().ok()).map(Caller).ok_or_else(|| {
            Refusal::response(StatusCode::UNAUTHORIZED, "unauthenticated", "`x-user-id` must name the caller")
        })
    }
}

/// Headers that name the caller to the next service.
#[must_use]
pub fn headers_for(user_id: &UserId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // A checked id is always a legal header value.
    if let Ok(value) = HeaderValue::from_str(user_id.as_str()) {
        headers.insert(X_USER_ID, value);
    }
    headers
}
