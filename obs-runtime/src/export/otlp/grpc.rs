//! One attempt over gRPC.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::answer::{Attempt, retry_delay};
use super::{OtlpError, tls};
use crate::config::{ObservabilityConfig, OtlpCompression};

const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Where spans go; made where nothing runs yet, so that mistakes are told at the start.
#[derive(Debug)]
pub(super) struct Address {
    endpoint: Endpoint,
    headers: MetadataMap,
    gzip: bool,
}

impl Address {
    pub(super) fn new(endpoint: &str, config: &ObservabilityConfig, headers: HeaderMap) -> Result<Self, OtlpError> {
        let wrong = |source| OtlpError::Endpoint { endpoint: endpoint.to_owned(), source: Box::new(source) };
        let address = Endpoint::from_shared(endpoint.to_owned())
            .and_then(|endpoint| endpoint.user_agent(super::exporter::USER_AGENT))
            .map_err(wrong)?
            .connect_timeout(config.otlp_timeout);
        Ok(Address {
            endpoint: tls::grpc(address, endpoint, config)?,
            headers: MetadataMap::from_headers(headers),
            gzip: config.otlp_compression == OtlpCompression::Gzip,
        })
    }

    /// To be called inside the runtime that will send. Connects at the first request, so the collector may come later than
    /// the service.
    pub(super) fn client(&self) -> Client {
        let grpc = Grpc::new(self.endpoint.connect_lazy());
        let grpc = if self.gzip { grpc.send_compressed(CompressionEncoding::Gzip) } else { grpc };
        Client { grpc, headers: self.headers.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Client {
    grpc: Grpc<Channel>,
    headers: MetadataMap,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gRPC")
    }
}

impl Client {
    /// Sends the request once; the collector is told how long it has.
    pub(super) async fn send(&mut self, request: Bytes, left: Duration) -> Attempt {
        if let Err(err) = self.grpc.ready().await {
            return Attempt::Later { problem: described(&err), after: None };
        }
        let mut request = Request::from_parts(self.headers.clone(), tonic::Extensions::default(), request);
        request.set_timeout(left);
        match self.grpc.unary(request, PathAndQuery::from_static(PATH), PassThrough).await {
            Ok(response) => Attempt::taken(response.get_ref()),
            Err(status) => judged(&status),
        }
    }
}

/// Whether the same request may succeed later, by the table of the OpenTelemetry Protocol.
fn judged(status: &Status) -> Attempt {
    let after = retry_delay(status.details());
    let problem = || format!("{}: {}", status.code(), described_with(status.message(), status.source()));
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Attempt::Later { problem: problem(), after },
        // The collector is full: for good, or until the time that it names.
        Code::ResourceExhausted if after.is_some() => Attempt::Later { problem: problem(), after },
        // What is not said by the collector but by the connection that broke under it.
        Code::Unknown if status.source().is_some() => Attempt::Later { problem: problem(), after },
        _ => Attempt::Refused(problem()),
    }
}

/// An error with its sources.
pub(super) fn described(err: &(dyn Error + 'static)) -> String {
    described_with(&err.to_string(), err.source())
}

fn described_with(text: &str, mut source: Option<&(dyn Error + 'static)>) -> String {
    let mut text = text.to_owned();
    while let Some(err) = source {
        let this = err.to_string();
        if !text.contains(&this) {
            text = format!("{text}: {this}");
        }
        source = err.source();
    }
    text
}

/// Bytes in, bytes out: the messages are encoded already.
#[derive(Clone, Copy)]
struct PassThrough;

impl Codec for PassThrough {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        PassThrough
    }

    fn decoder(&mut self) -> Self {
        PassThrough
    }
}

impl Encoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::status;
    use super::*;

    #[test]
    fn a_collector_that_is_full_is_asked_again_when_it_says_so() {
        let full = Status::with_details(Code::ResourceExhausted, "full", status("full", 3).into());
        assert!(matches!(judged(&full), Attempt::Later { after: Some(after), .. } if after.as_millis() == 3500));
        assert!(matches!(judged(&Status::resource_exhausted("for good")), Attempt::Refused(_)));
        assert!(matches!(judged(&Status::unavailable("restarting")), Attempt::Later { after: None, .. }));
        assert!(matches!(judged(&Status::unauthenticated("who are you")), Attempt::Refused(_)));
        assert!(matches!(judged(&Status::unknown("the collector says so")), Attempt::Refused(_)));
    }
}
