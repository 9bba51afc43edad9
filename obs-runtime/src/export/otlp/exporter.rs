//! The exporter: one request a batch, on a runtime of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Runtime;

use super::encode::{self, Encoder, Limits};
use super::wire::Message;
use super::{OtlpError, grpc, http as over_http, retry};
use crate::config::{ObservabilityConfig, OtlpProtocol};
use crate::engine::FinishedSpan;
use crate::export::batch::Batch;
use crate::export::{Delivery, Exporter, Receive, Resource};
use crate::muted;

pub(super) const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Rust-obs-runtime/", env!("CARGO_PKG_VERSION"));

/// Sends spans to a collector over OTLP, as `otlp_protocol` says.
///
/// The connection is made at the first request, so the collector may come later than the service.
#[derive(Debug)]
pub struct OtlpExporter {
    address: Address,
    timeout: std::time::Duration,
    resource: Vec<u8>,
    encoder: Encoder,
    /// How long the last request was: about as long is the next one.
    length: usize,
    /// Made on the exporter's thread, which is no place of anybody else's runtime.
    connection: Option<Connection>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in an exporter")]
enum Address {
    Grpc(grpc::Address),
    Http(over_http::Address),
}

#[derive(Debug)]
struct Connection {
    runtime: Runtime,
    client: Client,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in an exporter")]
enum Client {
    Grpc(grpc::Client),
    Http(over_http::Client),
}

impl OtlpExporter {
    /// An exporter for the spans of `service`, to `otlp_endpoint`; none if that is not set.
    ///
    /// # Errors
    /// When the endpoint, a header or a certificate cannot be used. Whether a collector is there is not asked.
    pub fn new(config: &ObservabilityConfig, service: &str) -> Result<Option<Self>, OtlpError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let headers = headers(&config.otlp_headers.0)?;
        Ok(Some(OtlpExporter {
            address: match config.otlp_protocol {
                OtlpProtocol::Grpc => Address::Grpc(grpc::Address::new(endpoint, config, headers)?),
                OtlpProtocol::HttpProtobuf => Address::Http(over_http::Address::new(endpoint, config, headers)?),
            },
            timeout: config.otlp_timeout,
            resource: encode::resource(&Resource::new(service, &config.resource)),
            encoder: Encoder::new(Limits {
                attributes: config.span_attribute_limit,
                length: config.attribute_length_limit,
                links: config.span_link_limit,
                event_attributes: config.event_attribute_limit,
            }),
            length: 0,
            connection: None,
        }))
    }

    fn connection(&mut self) -> std::io::Result<&mut Connection> {
        if self.connection.is_none() {
            // It looks names up on threads of its own.
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_io().enable_time().on_thread_start(muted::mute).build()?;
            let client = {
                let _inside = runtime.enter();
                match &self.address {
                    Address::Grpc(address) => Client::Grpc(address.client()),
                    Address::Http(address) => Client::Http(address.client()),
                }
            };
            self.connection = Some(Connection { runtime, client });
        }
        self.connection.as_mut().ok_or_else(|| std::io::ErrorKind::Other.into())
    }
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(key), Ok(mut value)) if value.to_str().is_ok() && !key.as_str().ends_with("-bin") => {
                value.set_sensitive(true);
                headers.insert(key, value);
            }
            _ => return Err(OtlpError::Header { name: name.clone() }),
        }
    }
    Ok(headers)
}

impl Exporter for OtlpExporter {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        let mut batch = Batch::default();
        for span in &spans {
            batch.push_finished(span);
        }
        self.receive(&batch, 0..batch.len())
    }
}

impl Receive for OtlpExporter {
    fn receive(&mut self, batch: &Batch, range: Range<usize>) -> Delivery {
        let mut request = Message(Vec::with_capacity(self.length + self.length / 4));
        self.encoder.request(&mut request, &self.resource, batch, range.clone());
        self.length = request.0.len();
        self.send(request.0.into(), range.len())
    }
}

impl OtlpExporter {
    fn send(&mut self, request: Bytes, spans: usize) -> Delivery {
        let timeout = self.timeout;
        let body = match &self.address {
            Address::Grpc(_) => request,
            Address::Http(address) => address.body(request),
        };
        match self.connection() {
            Ok(Connection { runtime, client: Client::Grpc(client) }) => {
                runtime.block_on(retry::until_answered(spans, timeout, |left| {
                    let (mut client, body) = (client.clone(), body.clone());
                    async move { client.send(body, left).await }
                }))
            }
            Ok(Connection { runtime, client: Client::Http(client) }) => {
                runtime.block_on(retry::until_answered(spans, timeout, |_| client.send(body.clone())))
            }
            Err(err) => Delivery::none(format!("no runtime for the exporter: {err}")),
        }
    }
}
