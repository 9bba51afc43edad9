//! The life of a service: configure, start telemetry, bind, announce, serve, stop, flush.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use obs_runtime::config::ObservabilityConfig;
use obs_runtime::{Builder, Telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::process::{self, Announcement};

/// How long the requests in flight may take after the stop was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// How long the last log lines and spans may take to leave.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Any error that ends a process.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a process ends with something else than success.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong: every mistake, one a line. Exit code 2.
    Config(String),
    /// Anything else. Exit code 1.
    Other(BoxError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(mistakes) => f.write_str(mistakes),
            Failure::Other(err) => {
                write!(f, "{err}")?;
                let mut source = err.source();
                while let Some(err) = source {
                    write!(f, ": {err}")?;
                    source = err.source();
                }
                Ok(())
            }
        }
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(err: E) -> Self {
        Failure::Other(err.into())
    }
}

/// A service that has its telemetry.
pub struct Service {
    name: &'static str,
    supervised: bool,
    telemetry: Telemetry,
    stopping: watch::Sender<bool>,
}

impl Service {
    /// Reads the configuration and starts telemetry, with what the service adds to it.
    pub fn start(name: &'static str, supervised: bool, with: impl FnOnce(Builder) -> Builder) -> Result<Self, Failure> {
        let telemetry = with(Telemetry::builder(name).config(config()?)).start()?;
        Ok(Service { name, supervised, telemetry, stopping: watch::Sender::new(false) })
    }

    /// Binds, announces, and answers requests until a stop is asked for.
    pub async fn serve(&self, listen: SocketAddr, router: Router) -> Result<(), Failure> {
        let listener = bind(listen).await?;
        self.announce(listener.local_addr()?).await?;
        let serving = axum::serve(listener, router).with_graceful_shutdown(self.stopping());
        let mut serving = tokio::spawn(async move { serving.await });
        tokio::select! {
            ended = &mut serving => return Ok(ended??),
            () = process::stop_requested(self.supervised) => {}
        }
        self.stopping.send_replace(true);
        // Who is still waiting after the grace is disconnected when the process ends.
        if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
            serving.abort();
        }
        Ok(())
    }

    /// Ends when a stop was asked for, for whatever would not end by itself.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // Without a service there is nothing to serve either.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Serves `/metrics`, the probes and the administration, and tells whoever started this process where.
    async fn announce(&self, http: SocketAddr) -> Result<(), Failure> {
        let server = self.telemetry.serve().await?;
        let announcement = Announcement {
            service: self.name.to_owned(),
            process_id: std::process::id(),
            http: Some(http.to_string()),
            metrics: Some(server.metrics_addr().to_string()),
            admin: Some(server.admin_addr().to_string()),
            otlp: None,
        };
        announcement.publish();
        Ok(())
    }

    /// Hands on what telemetry has left, and ends it.
    pub fn end(self) {
        self.telemetry.shutdown(FLUSH_WITHIN);
    }
}

/// The configuration of telemetry; all its mistakes, if there are any.
pub fn config() -> Result<ObservabilityConfig, Failure> {
    ObservabilityConfig::load().map_err(|mistakes| Failure::Config(mistakes.to_string()))
}

/// Binds, with an error that says where.
pub async fn bind(addr: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(addr).await.map_err(|source| BindError { addr, source }.into())
}

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
struct BindError {
    addr: SocketAddr,
    #[source]
    source: std::io::Error,
}
