//! How much of the API each user uses.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use obs_runtime::MetricSet;

use crate::caller::Caller;
use crate::metrics::{GatewayMetrics, RequestOutcome, UserRequestLabels};
use crate::model::UserId;

/// Counts the request when it ends, also when the client goes away before.
pub(super) async fn count(Caller(user_id): Caller, request: Request, next: Next) -> Response {
    let mut usage = Usage { user_id, outcome: RequestOutcome::Cancelled };
    let response = next.run(request).await;
    usage.outcome = if response.status().is_server_error() { RequestOutcome::Error } else { RequestOutcome::Ok };
    response
}

struct Usage {
    user_id: UserId,
    outcome: RequestOutcome,
}

impl Drop for Usage {
    fn drop(&mut self) {
        let labels = UserRequestLabels { user_id: self.user_id.clone(), outcome: self.outcome };
        GatewayMetrics::global().user_api_requests_total.with(labels).inc();
    }
}
