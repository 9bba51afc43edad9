//! The runtime as a layer of somebody else's subscriber.

use tracing::Subscriber;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::engine::layer;
use crate::telemetry::Telemetry;

impl Telemetry {
    /// This runtime as a layer over a `tracing_subscriber::Registry`, for those who have layers of their own.
    ///
    /// Which form is for whom:
    ///
    /// | | [`start`](crate::Builder::start) | [`start_layer`](crate::Builder::start_layer) and `layer` |
    /// |---|---|---|
    /// | The subscriber is | this runtime, complete by itself | a `Registry` with layers: this one, and those of others |
    /// | For | a service whose lines, spans and metrics are this runtime's | a service with layers that need `LookupSpan`: `fmt`, `tracing-opentelemetry`, `tokio-console`, … |
    /// | Costs | least: spans have no registry, and observed calls do not pass through `tracing` | what the registry and each layer cost, at every span |
    ///
    /// The lines, the spans and the metrics are the same: outcomes, ids, fields, errors told once. What differs is that a span of
    /// a registry ends no earlier than its children do.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use obs_runtime::{Telemetry, observed};
    /// use tracing_subscriber::filter::LevelFilter;
    /// use tracing_subscriber::prelude::*;
    ///
    /// #[observed(user_id)]
    /// fn work(user_id: &str) {
    ///     obs_runtime::warn!("by both layers: as JSON on the standard output, for the eye on the standard error");
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let telemetry = Telemetry::builder("shop").start_layer()?;
    /// tracing_subscriber::registry()
    ///     .with(telemetry.layer())
    ///     .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::WARN))
    ///     .init();
    /// work("u1");
    /// telemetry.shutdown(Duration::from_secs(5));
    /// # Ok(()) }
    /// ```
    ///
    /// `log_level` and what [`set_level`](Self::set_level) changes hold for this layer alone. One more filter may stand on it
    /// (`telemetry.layer().with_filter(…)`), and it may be boxed. Inside a `reload::Layer` observed calls see it only as they see any
    /// other subscriber: their spans have fields and `outcome` as text, but no status.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        layer::new(&self.inner.core)
    }
}
