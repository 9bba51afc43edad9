//! The servers of a runtime.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;

use crate::metrics::registry;
use crate::serve::{self, Readiness, ServeError, Server, Settings};
use crate::telemetry::{Builder, Telemetry, administration};

#[derive(Default)]
pub(super) struct Serving {
    mounts: Vec<(String, Router)>,
    readiness: Readiness,
    servers: Mutex<Vec<Server>>,
}

impl Serving {
    /// Not ready any more, and no more connections.
    pub(super) fn stop(&self) {
        self.readiness.set(false);
        for server in self.servers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            server.stop();
        }
    }
}

impl Builder {
    /// Serves `router` under `path` of the administration server.
    pub fn mount(mut self, path: impl Into<String>, router: Router) -> Self {
        self.serving.mounts.push((path.into(), router));
        self
    }
}

impl Telemetry {
    /// `/readyz` says yes only while `check` does. A second check of the same name takes the place of the first.
    pub fn ready_when(&self, name: impl Into<String>, check: impl Fn() -> bool + Send + Sync + 'static) {
        self.inner.serving.readiness.add(name, check);
    }

    /// Serves `/metrics`, `/healthz` and `/readyz` at `metrics_address` and `metrics_port`, and the administration at
    /// `admin_address` and `admin_port`: `/admin/level`, `/debug/spans`, and what is mounted. Both are bound when this returns; they stop at [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// When an address cannot be bound, when the administration would be open to other machines without a token, or outside
    /// a tokio runtime.
    pub async fn serve(&self) -> Result<Server, ServeError> {
        let config = &self.inner.config;
        let serving = &self.inner.serving;
        let server = serve::start(Settings {
            metrics: SocketAddr::new(config.metrics_address, config.metrics_port),
            metrics_text: Arc::new(registry::write_process),
            readiness: serving.readiness.clone(),
            admin: SocketAddr::new(config.admin_address, config.admin_port),
            admin_token_file: config.admin_token_file.clone(),
            mounts: serving.mounts.clone(),
            own: administration::router(&self.inner),
        })
        .await?;
        serving.servers.lock().unwrap_or_else(PoisonError::into_inner).push(server.clone());
        Ok(server)
    }
}
