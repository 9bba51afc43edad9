//! Without the feature `otlp-tls` an endpoint of `https` is a mistake that is told, not one that is overlooked.

use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::Endpoint;

use super::OtlpError;
use crate::config::ObservabilityConfig;

pub(super) type Connector = HttpConnector;

pub(super) fn grpc(address: Endpoint, endpoint: &str, _: &ObservabilityConfig) -> Result<Endpoint, OtlpError> {
    plain(endpoint).map(|()| address)
}

pub(super) fn http(endpoint: &str, config: &ObservabilityConfig) -> Result<Connector, OtlpError> {
    plain(endpoint)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(config.otlp_timeout));
    Ok(connector)
}

fn plain(endpoint: &str) -> Result<(), OtlpError> {
    match endpoint.starts_with("https:") {
        true => Err(OtlpError::Tls { source: "obs-runtime was built without its feature `otlp-tls`".into() }),
        false => Ok(()),
    }
}
