//! What a collector says, by the OpenTelemetry Protocol.

use std::time::Duration;

use super::wire::{self, Field};
use crate::export::Delivery;

/// What came of one attempt to send a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It was taken, but for so many spans.
    Taken { rejected: u64, message: String },
    /// The same request may succeed later: after this time, where the collector says when.
    Later { problem: String, after: Option<Duration> },
    /// It will not succeed.
    Refused(String),
}

impl Attempt {
    /// `ExportTraceServiceResponse { partial_success: 1 { rejected_spans: 1, error_message: 2 } }`
    pub(super) fn taken(response: &[u8]) -> Self {
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
        Attempt::Taken { rejected, message }
    }
}

/// What became of a request with so many spans.
pub(super) fn delivery(spans: usize, rejected: u64, message: &str) -> Delivery {
    Delivery {
        accepted: spans.saturating_sub(usize::try_from(rejected).unwrap_or(usize::MAX)),
        problem: match (rejected, message) {
            (0, "") => None,
            // Nothing refused, and a word all the same, is a warning by the specification.
            (0, message) => Some(format!("the collector says: {message}")),
            _ => Some(format!("the collector refused {rejected} of {spans} spans: {message}")),
        },
    }
}

/// The text of a `google.rpc.Status { code: 1, message: 2, details: 3 }`.
pub(super) fn status_message(status: &[u8]) -> Option<String> {
    bytes(status, 2).map(|text| String::from_utf8_lossy(text).into_owned())
}

/// The pause that the collector asks for: `google.rpc.RetryInfo { retry_delay: 1 { seconds: 1, nanos: 2 } }` among the
/// details (3) of a `google.rpc.Status`, each in an `Any { type_url: 1, value: 2 }`.
pub(super) fn retry_delay(status: &[u8]) -> Option<Duration> {
    wire::fields(status).find_map(|(detail, field)| {
        let (3, Field::Bytes(any)) = (detail, field) else { return None };
        bytes(any, 1).filter(|url| url.ends_with(b"/google.rpc.RetryInfo"))?;
        let delay = bytes(bytes(any, 2)?, 1)?;
        let seconds = number(delay, 1).unwrap_or(0).min(u64::from(u32::MAX));
        let nanos = number(delay, 2).and_then(|nanos| u32::try_from(nanos).ok()).unwrap_or(0).min(999_999_999);
        Some(Duration::new(seconds, nanos))
    })
}

fn bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    wire::fields(message).find_map(|(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    })
}

fn number(message: &[u8], wanted: u64) -> Option<u64> {
    wire::fields(message).find_map(|(number, field)| match field {
        Field::Varint(value) if number == wanted => Some(value),
        _ => None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message as _;

    use super::super::wire::Message;
    use super::*;

    /// A `google.rpc.Status` that asks for a pause.
    pub(in super::super) fn status(message: &str, seconds: u64) -> Vec<u8> {
        let mut status = Message::default();
        status.varint(1, 8);
        status.text(2, message);
        status.message(3, |any| {
            any.text(1, "type.googleapis.com/google.rpc.RetryInfo");
            any.message(2, |info| {
                info.message(1, |delay| {
                    delay.varint(1, seconds);
                    delay.varint(2, 500_000_000);
                });
            });
        });
        status.0
    }

    #[test]
    fn a_partial_success_is_read() {
        let taken = |rejected_spans, error_message: &str| {
            let partial_success = ExportTracePartialSuccess { rejected_spans, error_message: error_message.to_owned() };
            let response = ExportTraceServiceResponse { partial_success: Some(partial_success) }.encode_to_vec();
            match Attempt::taken(&response) {
                Attempt::Taken { rejected, message } => delivery(5, rejected, &message),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(taken(3, "too old").accepted, 2);
        assert_eq!(taken(3, "too old").problem.as_deref(), Some("the collector refused 3 of 5 spans: too old"));
        assert_eq!(taken(-1, "").accepted, 0, "nonsense does not count as sent");
        assert_eq!(taken(0, "old schema").accepted, 5);
        assert_eq!(taken(0, "old schema").problem.as_deref(), Some("the collector says: old schema"));
        assert_eq!(Attempt::taken(&[]), Attempt::Taken { rejected: 0, message: String::new() });
    }

    #[test]
    fn a_status_says_what_is_wrong_and_when_to_come_back() {
        assert_eq!(status_message(&status("full", 3)).as_deref(), Some("full"));
        assert_eq!(retry_delay(&status("full", 3)), Some(Duration::from_millis(3500)));
        assert_eq!(retry_delay(b"\x08\x08\x12\x04full"), None);
        assert_eq!(retry_delay(b"<html>"), None);
    }
}
