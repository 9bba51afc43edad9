//! What travels between processes: the trace, the baggage and the ids, and the carriers that they travel in.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use obs_runtime::propagation;
//!
//! let mut annotations = BTreeMap::new();
//! annotations.insert("traceparent".to_owned(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
//! annotations.insert("x-request-id".to_owned(), "r-17".to_owned());
//!
//! let correlation = propagation::extract(&annotations);
//! assert_eq!(correlation.request_id.as_ref().map(|id| id.as_str()), Some("r-17"));
//!
//! let mut headers = http::HeaderMap::new();
//! propagation::inject(&correlation, &mut headers);
//! assert_eq!(headers["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
//! ```
//!
//! Whatever arrives is judged by W3C Trace Context level 2 and W3C Baggage, to the letter, and ids by [`RequestId::parse`]. What is
//! refused appears nowhere: it is as if it had not been sent, and `obs_dropped_total{signal="context",reason="malformed"}` counts it.
//! Two headers where one may be (`traceparent` and the ids) are as none.
//!
//! `tracestate` goes out as it came: this toolkit has no member of its own in it, as all that it needs to know of a caller's trace is in
//! the flags of `traceparent`. So there is none to move to the front.

mod baggage;
mod carrier;
mod environment;
mod traceparent;
pub(crate) mod tracestate;
mod trust;

#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;

use std::sync::Arc;

use crate::engine;
use crate::loss::{self, Reason, Signal};
use crate::{MessageId, RequestId, SessionId, SpanId, TraceId};

pub use self::baggage::{Baggage, MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS};
use self::carrier::Header;
#[doc(hidden)]
pub use self::carrier::Present;
pub use self::carrier::{Carrier, CarrierMut};
pub use self::environment::into_environment;
pub use self::trust::default_trust;
pub(crate) use self::trust::{baggage_fields, set_baggage_fields, set_default_trust};
pub use crate::config::Trust;

/// The most characters that an id may have.
pub const MAX_ID_LENGTH: usize = 128;

/// The context that one process hands to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    /// The trace and the span that the next span is a child of.
    pub trace: Option<TraceContext>,
    /// The caller's span, where the next span begins a trace of its own and only refers to it ([`Trust::Ids`]).
    pub link: Option<TraceContext>,
    /// The HTTP request.
    pub request_id: Option<RequestId>,
    /// The WebSocket session.
    pub session_id: Option<SessionId>,
    /// The chat message.
    pub message_id: Option<MessageId>,
    /// The caller's key-value pairs.
    pub baggage: Baggage,
}

/// A position in a trace, by W3C Trace Context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The flags: bit 0 sampled, bit 1 random.
    pub flags: u8,
    /// `tracestate`, as it goes out.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// Whether the caller records this trace.
    #[must_use]
    pub const fn sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl Correlation {
    /// The correlation of the current span, or of the context that this thread is in; empty outside of both.
    #[must_use]
    pub fn current() -> Self {
        engine::current().unwrap_or_default()
    }

    /// It, unless it says nothing: then that of the current span.
    #[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
    fn or_current(self) -> Self {
        if self == Correlation::default() { Correlation::current() } else { self }
    }

    /// What is left of it under a policy of `trust`.
    #[must_use]
    pub fn trusted(self, trust: Trust) -> Self {
        match trust {
            Trust::All => self,
            Trust::Ids => Correlation { link: self.trace, request_id: self.request_id, ..Correlation::default() },
            Trust::None => Correlation::default(),
        }
    }

    /// The same, with a request id of our own where none came.
    #[must_use]
    pub fn with_request_id(mut self) -> Self {
        self.request_id.get_or_insert_with(RequestId::generate);
        self
    }
}

/// Reads what `carrier` says. Never fails: what is malformed is as if it were not there, and counted.
#[must_use]
pub fn extract<C: Carrier + ?Sized>(carrier: &C) -> Correlation {
    let present = carrier.present();
    if present.none() {
        return Correlation::default();
    }
    let mut arrived = Arrived { carrier, present, refused: 0 };
    let correlation = Correlation {
        trace: arrived.trace(),
        link: None,
        request_id: arrived.id(Header::RequestId, RequestId::parse),
        session_id: arrived.id(Header::SessionId, SessionId::parse),
        message_id: arrived.id(Header::MessageId, MessageId::parse),
        baggage: arrived.baggage(),
    };
    if arrived.refused > 0 {
        loss::lost(Signal::Context, Reason::Malformed, arrived.refused);
    }
    correlation
}

/// Makes `carrier` say what `correlation` says: our six headers are written, or taken away where `correlation` has nothing for them;
/// all others stay. Where `correlation` names no span, nothing is touched.
pub fn inject<C: CarrierMut + ?Sized>(correlation: &Correlation, carrier: &mut C) {
    let present = carrier.present();
    headers(correlation, |header, value| match value {
        Some(value) => carrier.set(header.name(), value),
        None if present.has(header) => carrier.remove(header.name()),
        None => {}
    });
}

/// Hands each of our six headers on, with its value where there is one; none where there is no span.
fn headers(correlation: &Correlation, mut each: impl FnMut(Header, Option<&str>)) {
    let Some(trace) = &correlation.trace else { return };
    each(Header::Traceparent, Some(traceparent::render(trace).as_str()));
    each(Header::Tracestate, trace.state.as_deref());
    each(Header::Baggage, correlation.baggage.render().as_deref());
    each(Header::RequestId, correlation.request_id.as_ref().map(RequestId::as_str));
    each(Header::SessionId, correlation.session_id.as_ref().map(SessionId::as_str));
    each(Header::MessageId, correlation.message_id.as_ref().map(MessageId::as_str));
}

/// A carrier that is being read.
struct Arrived<'a, C: ?Sized> {
    carrier: &'a C,
    present: Present,
    /// How much of it was malformed.
    refused: u64,
}

impl<C: Carrier + ?Sized> Arrived<'_, C> {
    fn trace(&mut self) -> Option<TraceContext> {
        if !self.present.has(Header::Traceparent) {
            return None;
        }
        let trace = match only(self.carrier.values(Header::Traceparent.name())) {
            Only::None => return None,
            Only::Several => None,
            Only::One(value) => traceparent::parse(value),
        };
        let Some(mut trace) = trace else {
            self.refused += 1;
            return None;
        };
        if self.present.has(Header::Tracestate) {
            match tracestate::join(self.carrier.values(Header::Tracestate.name())) {
                Ok(state) => trace.state = state,
                Err(tracestate::Invalid) => self.refused += 1,
            }
        }
        Some(trace)
    }

    fn baggage(&mut self) -> Baggage {
        if !self.present.has(Header::Baggage) {
            return Baggage::default();
        }
        let (baggage, whole) = Baggage::parse(self.carrier.values(Header::Baggage.name()));
        self.refused += u64::from(!whole);
        baggage
    }

    fn id<T, E>(&mut self, header: Header, parse: fn(&str) -> Result<T, E>) -> Option<T> {
        if !self.present.has(header) {
            return None;
        }
        let id = match only(self.carrier.values(header.name())) {
            Only::None => return None,
            Only::Several => None,
            Only::One(value) => std::str::from_utf8(trim_ows(value)).ok().and_then(|text| parse(text).ok()),
        };
        self.refused += u64::from(id.is_none());
        id
    }
}

enum Only<'c> {
    None,
    One(&'c [u8]),
    Several,
}

fn only<'c>(mut values: impl Iterator<Item = &'c [u8]>) -> Only<'c> {
    match (values.next(), values.next()) {
        (None, _) => Only::None,
        (Some(value), None) => Only::One(value),
        (Some(_), Some(_)) => Only::Several,
    }
}

/// `text` without the optional white space (space and tab) around it.
fn trim_ows(text: &[u8]) -> &[u8] {
    let white = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !white(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !white(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed() -> u64 {
        loss::all()
            .filter(|(signal, reason, _)| (*signal, *reason) == (Signal::Context, Reason::Malformed))
            .map(|it| it.2)
            .sum()
    }

    #[test]
    fn each_refused_part_is_counted() {
        let pairs =
            [("traceparent", "00-0-0-0"), ("baggage", "no pair"), ("x-request-id", "a b"), ("x-session-id", "s")];
        let carrier: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let before = malformed();
        let correlation = extract(&carrier);
        // Other tests count too.
        assert!(malformed() >= before + 3);
        assert_eq!(correlation.session_id.expect("sound").as_str(), "s");
    }
}
