//! What must hold of a context, whatever a caller sends. Each target takes the values of one header, a line each.
//!
//! `cargo +nightly fuzz run traceparent` and so on, in the folder above. On stable the tests of the workspace include this file and
//! replay `corpus/`, as it is and with changes (`tests/tests/fuzz_corpus.rs`).

use http::HeaderMap;
use obs_runtime::propagation::{self, Carrier, Correlation, MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS, MAX_ID_LENGTH};
use obs_runtime::{MessageId, RequestId, SessionId};

/// Headers as they came off a wire that checked nothing.
struct Raw<'d>(Vec<(&'static str, &'d [u8])>);

impl Carrier for Raw<'_> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        self.0.iter().filter(move |(name, _)| *name == key).map(|(_, value)| *value)
    }
}

const TRACEPARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Reads `traceparent`.
pub fn traceparent(data: &[u8]) {
    judge(&Raw(lines("traceparent", data).collect()));
}

/// Reads `tracestate`, beside a sound `traceparent`.
pub fn tracestate(data: &[u8]) {
    let correlation = judge(&Raw(beside("tracestate", data)));
    assert!(correlation.trace.is_some(), "an invalid tracestate leaves the traceparent alone");
}

/// Reads `baggage`, beside a sound `traceparent`.
pub fn baggage(data: &[u8]) {
    judge(&Raw(beside("baggage", data)));
}

/// Reads the request, the session and the message id, beside a sound `traceparent`.
pub fn ids(data: &[u8]) {
    let mut headers = beside("x-request-id", data);
    headers.extend(lines("x-session-id", data));
    headers.extend(lines("x-message-id", data).take(1));
    judge(&Raw(headers));
}

fn lines<'d>(name: &'static str, data: &'d [u8]) -> impl Iterator<Item = (&'static str, &'d [u8])> {
    data.split(|byte| *byte == b'\n').map(move |value| (name, value))
}

fn beside<'d>(name: &'static str, data: &'d [u8]) -> Vec<(&'static str, &'d [u8])> {
    let mut headers = vec![("traceparent", TRACEPARENT)];
    headers.extend(lines(name, data));
    headers
}

/// What came is bounded, and what goes out is sound and read as the same again.
fn judge(headers: &Raw<'_>) -> Correlation {
    let arrived = propagation::extract(headers);
    if let Some(trace) = &arrived.trace {
        assert!(trace.flags <= 0b11, "{:?}", trace.flags);
        let state = trace.state.as_deref().unwrap_or("a=1");
        assert!(state.split(',').count() <= 32 && visible(state), "{state:?}");
    }
    let ids = [
        arrived.request_id.as_ref().map(RequestId::as_str),
        arrived.session_id.as_ref().map(SessionId::as_str),
        arrived.message_id.as_ref().map(MessageId::as_str),
    ];
    for id in ids.into_iter().flatten() {
        assert!((1..=MAX_ID_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
    }
    assert!(arrived.baggage.len() <= MAX_BAGGAGE_MEMBERS);

    let mut sent = HeaderMap::new();
    propagation::inject(&arrived, &mut sent);
    for (name, value) in &sent {
        let text = value.to_str().expect("visible ASCII");
        assert!(visible(text), "{name}: {text:?}");
    }
    assert!(sent.get("baggage").is_none_or(|value| value.len() <= MAX_BAGGAGE_BYTES));
    if arrived.trace.is_some() {
        assert_eq!(propagation::extract(&sent), arrived, "what goes out is read as the same");
    } else {
        assert!(sent.is_empty(), "{sent:?}");
    }
    arrived
}

fn visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}
