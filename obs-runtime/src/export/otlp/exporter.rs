//! The exporter: several requests under way at a time, on a runtime of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::encode::{self, Encoder};
use super::wire::Message;
use super::{OtlpError, grpc, http as over_http, retry};
use crate::config::{ObservabilityConfig, OtlpProtocol};
use crate::engine::FinishedSpan;
use crate::export::batch::Batch;
use crate::export::{Delivery, Exporter, Limits, Receive, Resource};
use crate::muted;

pub(super) const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Rust-obs-runtime/", env!("CARGO_PKG_VERSION"));

/// So many requests are under way at most: while one is on the network, or is read at the other end, the next is made.
const AT_ONCE: usize = 4;

/// Sends spans to a collector over OTLP, as `otlp_protocol` says.
///
/// The connection is made at the first request, so the collector may come later than the service.
#[derive(Debug)]
pub struct OtlpExporter {
    address: Address,
    timeout: Duration,
    resource: Vec<u8>,
    encoder: Encoder,
    /// What requests were written in, to be filled again.
    spare: Vec<Vec<u8>>,
    /// So many requests are under way at most: one, until the collector has taken something.
    at_once: usize,
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

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few in an exporter")]
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
            encoder: Encoder::new(Limits::of(config)),
            spare: Vec::new(),
            at_once: 1,
            connection: None,
        }))
    }

    /// Appends the request with these spans.
    pub(super) fn encode(&mut self, out: &mut Message, batch: &Batch, range: Range<usize>) {
        self.encoder.request(out, &self.resource, batch, range);
    }
}

impl Address {
    /// What is sent of a request.
    fn body(&self, request: Bytes) -> Bytes {
        match self {
            Address::Grpc(_) => request,
            Address::Http(address) => address.body(request),
        }
    }
}

impl Connection {
    fn new(address: &Address) -> std::io::Result<Self> {
        // It looks names up on threads of its own.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().enable_time().on_thread_start(muted::mute).build()?;
        let client = {
            let _inside = runtime.enter();
            match address {
                Address::Grpc(address) => Client::Grpc(address.client()),
                Address::Http(address) => Client::Http(address.client()),
            }
        };
        Ok(Connection { runtime, client })
    }
}

impl Client {
    /// Sends a request with so many spans until it is answered for good.
    async fn deliver(&self, body: &Bytes, spans: usize, timeout: Duration) -> Delivery {
        match self {
            Client::Grpc(client) => {
                retry::until_answered(spans, timeout, |left| {
                    let (mut client, body) = (client.clone(), body.clone());
                    async move { client.send(body, left).await }
                })
                .await
            }
            Client::Http(client) => retry::until_answered(spans, timeout, |_| client.send(body.clone())).await,
        }
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
        let mut found = Delivery::default();
        self.receive(&batch, &mut std::iter::once(0..batch.len()), &mut |_, delivery| found = delivery);
        found
    }
}

impl Receive for OtlpExporter {
    fn receive(
        &mut self,
        batch: &Batch,
        requests: &mut dyn Iterator<Item = Range<usize>>,
        settle: &mut dyn FnMut(usize, Delivery),
    ) {
        if self.connection.is_none() {
            match Connection::new(&self.address) {
                Ok(connection) => self.connection = Some(connection),
                Err(err) => settle(0, Delivery::none(format!("no runtime for the exporter: {err}"))),
            }
        }
        let OtlpExporter { address, timeout, resource, encoder, spare, at_once, connection } = self;
        let Some(Connection { runtime, client }) = connection else { return };
        let timeout = *timeout;
        let mut under_way = JoinSet::new();
        runtime.block_on(async {
            loop {
                while under_way.len() < *at_once
                    && let Some(range) = requests.next()
                {
                    let (client, spans) = (client.clone(), range.len());
                    let mut request = Message(spare.pop().unwrap_or_default());
                    encoder.request(&mut request, resource, batch, range);
                    let body = address.body(request.0.into());
                    under_way.spawn(async move { (spans, client.deliver(&body, spans, timeout).await, body) });
                }
                match under_way.join_next().await {
                    Some(Ok((spans, delivery, body))) => {
                        // A collector that is in trouble is not asked for more than it takes.
                        *at_once = if delivery.accepted > 0 { AT_ONCE } else { 1 };
                        settle(spans, delivery);
                        if let Ok(mut body) = body.try_into_mut() {
                            body.clear();
                            spare.push(body.into());
                        }
                    }
                    // It panicked, and nothing is said of its spans.
                    Some(Err(_)) => {}
                    None => return,
                }
            }
        });
    }
}
