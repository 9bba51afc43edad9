//! What the gateway counts beside its requests and sessions.

use obs_runtime::{Counter, LabelSet, LabelValue, MetricSet};

use crate::model::UserId;

/// What the gateway counts by user.
#[derive(MetricSet)]
pub struct GatewayMetrics {
    /// Requests to the public API, by user and how they ended.
    pub user_api_requests_total: Counter<UserRequestLabels>,
}

/// The labels of `user_api_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, LabelSet)]
pub struct UserRequestLabels {
    /// Who asked.
    pub user_id: UserId,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// How a request ended, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum RequestOutcome {
    /// It was answered, if only with a refusal.
    Ok,
    /// It was answered with a failure of the platform.
    Error,
    /// The user went away before.
    Cancelled,
}
