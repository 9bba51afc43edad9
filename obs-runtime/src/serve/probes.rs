//! What machines ask: `/metrics`, `/healthz`, `/readyz`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::scrape;
use crate::metrics::registry;
use crate::metrics::text::{Flush, Format};

/// Writes what `/metrics` answers, piece by piece.
pub(crate) type MetricsText = Arc<dyn Fn(Format, Flush<'_>) + Send + Sync>;

type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whether the service may get work: between the start of its servers and its shutdown, while every check says yes.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    ready: AtomicBool,
    checks: Mutex<Vec<(String, Check)>>,
}

impl Readiness {
    /// Adds a check, in place of one of the same name. It is asked at each request, so it had better be quick.
    pub(crate) fn add(&self, name: impl Into<String>, check: impl Fn() -> bool + Send + Sync + 'static) {
        let name = name.into();
        let mut checks = self.inner.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.retain(|(other, _)| *other != name);
        checks.push((name, Arc::new(check)));
    }

    pub(crate) fn set(&self, ready: bool) {
        self.inner.ready.store(ready, Relaxed);
    }

    /// Why it is not ready; empty if it is. A check that panics says no.
    pub(crate) fn missing(&self) -> Vec<String> {
        if !self.inner.ready.load(Relaxed) {
            return vec!["not started, or shutting down".to_owned()];
        }
        // The lock is free while checks are asked.
        let checks = self.inner.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        checks
            .into_iter()
            .filter(|(_, check)| !catch_unwind(AssertUnwindSafe(|| check())).unwrap_or(false))
            .map(|(name, _)| name)
            .collect()
    }
}

/// `GET /metrics` for a router of one's own: the metrics of the process, in the text format 0.0.4, or in OpenMetrics 1.0
/// where the `Accept` header prefers that; compressed where `Accept-Encoding` has gzip.
pub fn metrics_router() -> Router {
    scraped(Arc::new(registry::write_process))
}

fn scraped(text: MetricsText) -> Router {
    Router::new().route("/metrics", get(move |headers: HeaderMap| scrape::answer(text, headers)))
}

/// The whole of what is served to machines.
pub(super) fn router(text: MetricsText, readiness: Readiness) -> Router {
    scraped(text)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { ready(&readiness) }))
}

fn ready(readiness: &Readiness) -> Response {
    match &*readiness.missing() {
        [] => "ready\n".into_response(),
        missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response(),
    }
}
