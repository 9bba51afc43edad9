//! How much of the API each user uses.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use obs_runtime::{Counter, LabelSet, LabelValue, MetricSet};

use crate::caller::Caller;
use crate::model::UserId;

/// What the gateway counts by user.
#[derive(MetricSet)]
pub(super) struct UsageMetrics {
    /// Requests to the public API, by user and how they ended.
    user_api_requests_total: Counter<UsageLabels>,
}

#[derive(LabelSet)]
struct UsageLabels {
    user_id: UserId,
    outcome: Ended,
}

#[derive(Clone, Copy, LabelValue)]
enum Ended {
    Ok,
    Error,
    Cancelled,
}

/// Counts the request when it ends, also when the client goes away before.
pub(super) async fn count(Caller(user_id): Caller, request: Request, next: Next) -> Response {
    let mut usage = Usage { user_id, ended: Ended::Cancelled };
    let response = next.run(request).await;
    usage.ended = if response.status().is_server_error() { Ended::Error } else { Ended::Ok };
    response
}

struct Usage {
    user_id: UserId,
    ended: Ended,
}

impl Drop for Usage {
    fn drop(&mut self) {
        let labels = UsageLabels { user_id: self.user_id.clone(), outcome: self.ended };
        UsageMetrics::global().user_api_requests_total.with(labels).inc();
    }
}
