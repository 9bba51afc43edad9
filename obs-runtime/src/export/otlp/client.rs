//! The call to the collector, with its retries.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::encode;
use super::wire::{self, Field};
use crate::config::ObservabilityConfig;
use crate::engine::FinishedSpan;
use crate::export::{Delivery, Exporter};
use crate::ids;

const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The first pause before a retry; the next ones are twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Sends spans to a collector over OTLP/gRPC.
///
/// A request that fails in a way that may pass is tried again, with growing pauses, until `otlp_timeout` is over. The
/// connection is made at the first request, so the collector may come later than the service.
#[derive(Debug)]
pub struct OtlpExporter {
    endpoint: Endpoint,
    headers: MetadataMap,
    timeout: Duration,
    resource: Vec<u8>,
    /// Made on the exporter's thread, which is no place of anybody else's runtime.
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    runtime: Runtime,
    client: Grpc<Channel>,
}

/// Why no exporter can be made from a configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum OtlpError {
    /// `otlp_endpoint` is not the address of a server.
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// `otlp_headers` has a header that cannot be sent.
    Header {
        /// The header's name.
        name: String,
    },
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtlpError::Endpoint { endpoint, .. } => write!(f, "`{endpoint}` is not the address of a collector"),
            OtlpError::Header { name } => write!(f, "the header `{name}` cannot be sent"),
        }
    }
}

impl Error for OtlpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OtlpError::Endpoint { source, .. } => Some(source),
            OtlpError::Header { .. } => None,
        }
    }
}

impl OtlpExporter {
    /// An exporter for the spans of `service`, to `otlp_endpoint`; none if that is not set.
    ///
    /// # Errors
    /// When the endpoint or a header cannot be used. Whether a collector is there is not asked.
    pub fn new(config: &ObservabilityConfig, service: &str) -> Result<Option<Self>, OtlpError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let timeout = config.otlp_timeout;
        Ok(Some(OtlpExporter {
            endpoint: Endpoint::from_shared(endpoint.clone())
                .map_err(|source| OtlpError::Endpoint { endpoint: endpoint.clone(), source })?
                .connect_timeout(timeout),
            headers: headers(&config.otlp_headers.0)?,
            timeout,
            resource: encode::resource(service, &config.resource),
            connection: None,
        }))
    }

    fn connection(&mut self) -> std::io::Result<&mut Connection> {
        if self.connection.is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
            let channel = {
                let _inside = runtime.enter();
                self.endpoint.connect_lazy()
            };
            self.connection = Some(Connection { runtime, client: Grpc::new(channel) });
        }
        self.connection.as_mut().ok_or_else(|| std::io::ErrorKind::Other.into())
    }
}

fn headers(given: &BTreeMap<String, String>) -> Result<MetadataMap, OtlpError> {
    let mut headers = MetadataMap::with_capacity(given.len());
    for (name, value) in given {
        let key = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
        match (key, AsciiMetadataValue::try_from(value)) {
            (Ok(key), Ok(mut value)) => {
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
        let request = Bytes::from(encode::request(&self.resource, &spans));
        let (headers, timeout) = (self.headers.clone(), self.timeout);
        match self.connection() {
            Ok(Connection { runtime, client }) => {
                runtime.block_on(send(client, &request, &headers, timeout)).delivery(spans.len())
            }
            Err(err) => Delivery::none(format!("no runtime for the exporter: {err}")),
        }
    }
}

/// Sends the request until it is answered for good, or `timeout` is over.
async fn send(client: &mut Grpc<Channel>, request: &Bytes, headers: &MetadataMap, timeout: Duration) -> Answer {
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt = timeout_at(deadline, call(client, request, headers, deadline)).await;
        let status = match attempt {
            Ok(Ok(answer)) => return answer,
            Ok(Err(status)) => status,
            Err(_) => return Answer::Failed(format!("no answer within {timeout:?}")),
        };
        let next = Instant::now() + retry_delay(&status).unwrap_or_else(|| jittered(pause));
        if !may_pass(&status) || next >= deadline {
            return Answer::Failed(describe(&status));
        }
        sleep_until(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn call(
    client: &mut Grpc<Channel>,
    request: &Bytes,
    headers: &MetadataMap,
    deadline: Instant,
) -> Result<Answer, Status> {
    client.ready().await.map_err(|err| Status::unavailable(err.to_string()))?;
    let mut request = Request::from_parts(headers.clone(), tonic::Extensions::default(), request.clone());
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    let response = client.unary(request, PathAndQuery::from_static(PATH), PassThrough).await?;
    Ok(Answer::read(response.get_ref()))
}

/// What a collector says, by the OpenTelemetry Protocol.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Taken, but for so many spans.
    Taken {
        rejected: u64,
        message: String,
    },
    Failed(String),
}

impl Answer {
    /// `ExportTraceServiceResponse { partial_success: 1 { rejected_spans: 1, error_message: 2 } }`
    fn read(response: &[u8]) -> Self {
        let (mut rejected, mut message) = (0, String::new());
        for (number, field) in wire::fields(response) {
            let (1, Field::Bytes(partial_success)) = (number, field) else { continue };
            for (number, field) in wire::fields(partial_success) {
                match (number, field) {
                    (1, Field::Varint(spans)) => rejected = spans,
                    (2, Field::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
                    _ => {}
                }
            }
        }
        Answer::Taken { rejected, message }
    }

    fn delivery(self, spans: usize) -> Delivery {
        match self {
            Answer::Taken { rejected, message } => Delivery {
                accepted: spans.saturating_sub(usize::try_from(rejected).unwrap_or(usize::MAX)),
                problem: (rejected > 0)
                    .then(|| format!("the collector refused {rejected} of {spans} spans: {message}")),
            },
            Answer::Failed(problem) => Delivery::none(problem),
        }
    }
}

/// Whether the same request may succeed later.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // The collector says that it is full for good, or when it will have room.
        Code::ResourceExhausted => retry_delay(status).is_some(),
        _ => false,
    }
}

/// The pause that the collector asks for: `google.rpc.RetryInfo { retry_delay: 1 { seconds: 1, nanos: 2 } }` among the
/// details (3) of a `google.rpc.Status`, each in an `Any { type_url: 1, value: 2 }`.
fn retry_delay(status: &Status) -> Option<Duration> {
    let inner = |message, wanted| {
        wire::fields(message).find_map(|(number, field)| match field {
            Field::Bytes(bytes) if number == wanted => Some(bytes),
            _ => None,
        })
    };
    let number = |message, wanted| {
        wire::fields(message).find_map(|(number, field)| match field {
            Field::Varint(value) if number == wanted => Some(value),
            _ => None,
        })
    };
    wire::fields(status.details()).find_map(|(detail, field)| {
        let (3, Field::Bytes(any)) = (detail, field) else { return None };
        inner(any, 1).filter(|url| url.ends_with(b"/google.rpc.RetryInfo"))?;
        let delay = inner(inner(any, 2)?, 1)?;
        let seconds = number(delay, 1).unwrap_or(0).min(u64::from(u32::MAX));
        let nanos = number(delay, 2).and_then(|nanos| u32::try_from(nanos).ok()).unwrap_or(0).min(999_999_999);
        Some(Duration::new(seconds, nanos))
    })
}

/// Half to one and a half of the pause, so that many services do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let share = f64::from((ids::random() >> 32) as u32) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + share)
}

fn describe(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut source = status.source();
    while let Some(err) = source {
        text = format!("{text}: {err}");
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
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message as _;

    use super::super::wire::Message;
    use super::*;

    #[test]
    fn a_partial_success_is_read() {
        let response = |rejected_spans, error_message: &str| {
            let partial_success = ExportTracePartialSuccess { rejected_spans, error_message: error_message.to_owned() };
            ExportTraceServiceResponse { partial_success: Some(partial_success) }.encode_to_vec()
        };
        let delivery = Answer::read(&response(3, "too old")).delivery(5);
        assert_eq!(delivery.accepted, 2);
        assert_eq!(delivery.problem.as_deref(), Some("the collector refused 3 of 5 spans: too old"));
        assert_eq!(Answer::read(&[]).delivery(5), Delivery { accepted: 5, problem: None });
        assert_eq!(Answer::read(&response(-1, "")).delivery(5).accepted, 0, "nonsense does not count as sent");
    }

    fn exhausted(seconds: u64) -> Status {
        let mut details = Message::default();
        details.message(3, |any| {
            any.text(1, "type.googleapis.com/google.rpc.RetryInfo");
            any.message(2, |info| {
                info.message(1, |delay| {
                    delay.varint(1, seconds);
                    delay.varint(2, 500_000_000);
                });
            });
        });
        Status::with_details(Code::ResourceExhausted, "full", details.0.into())
    }

    #[test]
    fn a_collector_that_is_full_is_asked_again_when_it_says_so() {
        assert_eq!(retry_delay(&exhausted(3)), Some(Duration::from_millis(3500)));
        assert!(may_pass(&exhausted(3)));
        assert!(!may_pass(&Status::resource_exhausted("for good")));
        assert!(may_pass(&Status::unavailable("restarting")));
        assert!(!may_pass(&Status::unauthenticated("who are you")));
    }

    #[test]
    fn pauses_differ_within_their_bounds() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_millis(100));
            assert!((50..=150).contains(&pause.as_millis()), "{pause:?}");
        }
    }
}
