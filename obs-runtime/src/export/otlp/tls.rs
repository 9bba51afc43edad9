//! TLS by rustls. The roots are the system's, or those of `otlp_certificate`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::OtlpError;
use crate::config::ObservabilityConfig;

pub(super) type Connector = HttpsConnector<HttpConnector>;

pub(super) fn grpc(address: Endpoint, endpoint: &str, config: &ObservabilityConfig) -> Result<Endpoint, OtlpError> {
    if !endpoint.starts_with("https:") {
        return Ok(address);
    }
    let mut tls = match &config.otlp_certificate {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = identity(config)? {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    address.tls_config(tls).map_err(|source| OtlpError::Tls { source: Box::new(source) })
}

pub(super) fn http(endpoint: &str, config: &ObservabilityConfig) -> Result<Connector, OtlpError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(config.otlp_timeout));
    // Roots that are not asked for are not read.
    let tls = if endpoint.starts_with("https:") { client(config)? } else { bare()?.with_no_client_auth() };
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector))
}

fn bare() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, OtlpError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(
    roots: RootCertStore,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, OtlpError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .map_err(|source| OtlpError::Tls { source: Box::new(source) })
}

fn client(config: &ObservabilityConfig) -> Result<ClientConfig, OtlpError> {
    let mut roots = RootCertStore::empty();
    match &config.otlp_certificate {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|source| wrong(path, source))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let builder = with_roots(roots)?;
    match identity(config)? {
        Some((certificate, key)) => {
            let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| wrong(key, source))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, secret)
                .map_err(|source| wrong(certificate, source))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The client's own certificate and key, both or none.
fn identity(config: &ObservabilityConfig) -> Result<Option<(&Path, &Path)>, OtlpError> {
    match (&config.otlp_client_certificate, &config.otlp_client_key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        _ => Err(OtlpError::Tls { source: "`otlp_client_certificate` and `otlp_client_key` need each other".into() }),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OtlpError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(path, "there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(source) => Err(wrong(path, source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OtlpError> {
    std::fs::read(path).map_err(|source| wrong(path, source))
}

fn wrong(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> OtlpError {
    OtlpError::Certificate { path: path.to_owned(), source: source.into() }
}
