//! Ids: the trace's and the span's, made here, and the ones that travel in headers, judged here.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The id of a trace: 16 bytes, never all zero, printed as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

/// The id of a span: 8 bytes, never all zero, printed as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

impl TraceId {
    /// A new one, random in all its bits (as the `random` flag of W3C Trace Context level 2 promises).
    #[must_use]
    pub fn random() -> Self {
        TraceId((u128::from(random()) << 64) | u128::from(random()))
    }

    /// The id with these 128 bits, unless all are zero.
    ///
    /// ```
    /// # use obs_runtime::TraceId;
    /// assert_eq!(TraceId::from_u128(0x17).map(|id| id.to_string()).as_deref(), Some("00000000000000000000000000000017"));
    /// assert_eq!(TraceId::from_u128(0), None);
    /// ```
    #[must_use]
    pub const fn from_u128(bits: u128) -> Option<Self> {
        if bits == 0 { None } else { Some(TraceId(bits)) }
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }
}

impl SpanId {
    /// A new one, random in all its bits.
    #[must_use]
    pub fn random() -> Self {
        SpanId(random())
    }

    /// The id with these 64 bits, unless all are zero.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Option<Self> {
        if bits == 0 { None } else { Some(SpanId(bits)) }
    }

    /// Its 64 bits.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

thread_local! { static STATE: Cell<u64> = const { Cell::new(0) }; }

/// Other ids on this thread from here on than those of the process that has made this one by a fork.
pub(crate) fn reseed() {
    STATE.set(0);
}

/// xorshift64*, one state a thread, seeded by the keys that the operating system gave the standard library's hasher.
/// Never zero.
pub(crate) fn random() -> u64 {
    fn seed() -> u64 {
        RandomState::new().hash_one((std::thread::current().id(), std::process::id())) | 1
    }
    let step = |state: u64| {
        let mut x = if state == 0 { seed() } else { state };
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        (x, x.wrapping_mul(0x2545_f491_4f6c_dd1d))
    };
    STATE
        .try_with(|state| {
            let (next, value) = step(state.get());
            state.set(next);
            value
        })
        .unwrap_or_else(|_| step(seed()).1)
}

/// Why a text is not an id that may travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidId {
    /// It has no characters.
    Empty,
    /// It has more than [`MAX_ID_LENGTH`](crate::propagation::MAX_ID_LENGTH) characters.
    TooLong,
    /// It has a character other than visible ASCII (`!` to `~`).
    NotVisibleAscii,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InvalidId::Empty => "an id needs at least one character",
            InvalidId::TooLong => "an id has at most 128 characters",
            InvalidId::NotVisibleAscii => "an id is made of visible ASCII characters",
        })
    }
}

impl std::error::Error for InvalidId {}

/// What every id that travels in a header must be: 1 to 128 visible ASCII characters.
fn judge(text: &str) -> Result<(), InvalidId> {
    match text.len() {
        0 => Err(InvalidId::Empty),
        1..=128 if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        1..=128 => Err(InvalidId::NotVisibleAscii),
        _ => Err(InvalidId::TooLong),
    }
}

macro_rules! travelling_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new one: a UUID, version 4.
            #[must_use]
            pub fn generate() -> Self {
                $name(uuid_v4())
            }

            /// The id with this text.
            ///
            /// # Errors
            /// When it is not 1 to 128 visible ASCII characters.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                judge(text).map(|()| $name(text.into()))
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

travelling_id! {
    /// The id of an HTTP request: header `x-request-id`, field `request_id`.
    RequestId
}
travelling_id! {
    /// The id of a WebSocket session: header `x-session-id`, field `session_id`.
    SessionId
}
travelling_id! {
    /// The id of a chat message: header `x-message-id`, field `message_id`.
    MessageId
}

/// A random UUID, version 4, variant 1 (RFC 9562), in its usual text form.
fn uuid_v4() -> Arc<str> {
    let high = hex((random() & !0xf000) | 0x4000);
    let low = hex((random() & !(0b11 << 62)) | (0b10 << 62));
    let mut text = *b"00000000-0000-0000-0000-000000000000";
    for (at, digits) in [(0, &high[..8]), (9, &high[8..12]), (14, &high[12..]), (19, &low[..4]), (24, &low[4..])] {
        text[at..at + digits.len()].copy_from_slice(digits);
    }
    // Nothing but dashes and digits.
    std::str::from_utf8(&text).unwrap_or_default().into()
}

/// The two digits of every byte.
pub(crate) const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The 16 hexadecimal digits of `number`.
#[inline]
pub(crate) fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (at, byte) in number.to_be_bytes().into_iter().enumerate() {
        digits[2 * at..2 * at + 2].copy_from_slice(&PAIRS[usize::from(byte)]);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_line_is_refused() {
        assert_eq!(RequestId::parse("a\nb"), Err(InvalidId::NotVisibleAscii));
        assert_eq!(RequestId::parse(""), Err(InvalidId::Empty));
        assert_eq!(RequestId::parse(&"x".repeat(129)), Err(InvalidId::TooLong));
        assert!(RequestId::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn a_generated_id_is_a_uuid_of_version_4() {
        let id = RequestId::generate();
        assert_eq!(id.as_str().len(), 36);
        assert_eq!(&id.as_str()[14..15], "4");
        assert!(matches!(&id.as_str()[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn ids_differ_between_calls_and_threads() {
        let here: Vec<u64> = (0..100).map(|_| random()).collect();
        let there: Vec<u64> = std::thread::spawn(|| (0..100).map(|_| random()).collect()).join().expect("no panic");
        let all: std::collections::HashSet<u64> = here.into_iter().chain(there).collect();
        assert_eq!(all.len(), 200);
    }
}
