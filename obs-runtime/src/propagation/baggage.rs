//! The header `baggage`, by W3C Baggage: the caller's key-value pairs.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::propagation::trim_ows;

/// The most members that travel.
pub const MAX_BAGGAGE_MEMBERS: usize = 64;

/// The most bytes that the header may have, white space not counted.
pub const MAX_BAGGAGE_BYTES: usize = 8192;

/// The most bytes looked at, so that a header of nothing but white space and commas costs little too.
const MAX_BYTES_READ: usize = 64 * 1024;

/// The caller's key-value pairs, in the order of the header. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage(Arc<[Member]>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    key: Box<str>,
    /// Decoded.
    value: Box<str>,
    /// What stands behind the first `;`, as it came.
    properties: Box<str>,
}

impl Baggage {
    /// The baggage of these pairs: a key is a token of HTTP, a value any text. Pairs with another key, and pairs beyond
    /// [`MAX_BAGGAGE_MEMBERS`] or [`MAX_BAGGAGE_BYTES`], are left out.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut list = List::default();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            let fits = is_token(key.as_bytes()) && list.take(key.len() + 1 + encoded_length(value));
            if fits {
                list.members.push(Member { key: key.into(), value: value.into(), properties: Box::default() });
            }
        }
        Baggage(list.members.into())
    }

    /// Each key with its value, decoded, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|member| (&*member.key, &*member.value))
    }

    /// The first value of `key`, decoded.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs of the headers with these `values`, and whether everything in them could be kept.
    pub(super) fn parse<'c>(values: impl Iterator<Item = &'c [u8]>) -> (Self, bool) {
        let mut list = List::default();
        let mut read = 0;
        let mut whole = true;
        'headers: for value in values {
            for member in value.split(|byte| *byte == b',') {
                read += member.len() + 1;
                if read > MAX_BYTES_READ {
                    whole = false;
                    break 'headers;
                }
                let member = trim_ows(member);
                if member.is_empty() {
                    continue;
                }
                match Member::parse(member) {
                    Some(member) if list.take(member.length()) => list.members.push(member),
                    _ => whole = false,
                }
            }
        }
        // Nothing is allocated for nothing.
        let baggage = if list.members.is_empty() { Baggage::default() } else { Baggage(list.members.into()) };
        (baggage, whole)
    }

    /// The header, or nothing if there is no pair.
    pub(super) fn render(&self) -> Option<String> {
        let mut text = String::new();
        for Member { key, value, properties } in self.0.iter() {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push('=');
            for byte in value.bytes() {
                if is_plain(byte) {
                    text.push(char::from(byte));
                } else {
                    // Writing into a `String` cannot fail.
                    let _ = write!(text, "%{byte:02X}");
                }
            }
            if !properties.is_empty() {
                text.push(';');
                text.push_str(properties);
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// The members taken so far, within the limits.
#[derive(Default)]
struct List {
    members: Vec<Member>,
    bytes: usize,
}

impl List {
    /// Whether one more member of this length still fits; then it is counted.
    fn take(&mut self, length: usize) -> bool {
        let bytes = self.bytes + length + usize::from(!self.members.is_empty());
        let fits = self.members.len() < MAX_BAGGAGE_MEMBERS && bytes <= MAX_BAGGAGE_BYTES;
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Member {
    fn parse(member: &[u8]) -> Option<Self> {
        let (pair, properties) = match member.iter().position(|byte| *byte == b';') {
            Some(at) => (&member[..at], trim_ows(&member[at + 1..])),
            None => (member, &[][..]),
        };
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (trim_ows(&pair[..equals]), trim_ows(&pair[equals + 1..]));
        let sound = is_token(key)
            && value.iter().copied().all(is_octet)
            && properties.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        sound.then(|| Member {
            key: String::from_utf8_lossy(key).into(),
            value: decode(value).into(),
            properties: String::from_utf8_lossy(properties).into(),
        })
    }

    /// How many bytes it has in the header that goes out.
    fn length(&self) -> usize {
        let properties = if self.properties.is_empty() { 0 } else { self.properties.len() + 1 };
        self.key.len() + 1 + encoded_length(&self.value) + properties
    }
}

fn encoded_length(value: &str) -> usize {
    value.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// A `token` of RFC 9110.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// A `baggage-octet`: printable ASCII without space, `"`, `,`, `;` and `\`.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// What needs no percent-encoding.
fn is_plain(byte: u8) -> bool {
    is_octet(byte) && byte != b'%'
}

/// Undoes percent-encoding. A `%` without two digits stands for itself; what is not UTF-8 afterwards becomes U+FFFD, as the specification says.
fn decode(value: &[u8]) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let pair = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> (Baggage, bool) {
        Baggage::parse(values.iter().map(|value| value.as_bytes()))
    }

    fn kept(value: &str) -> Vec<(String, String)> {
        let (baggage, whole) = parse(&[value]);
        assert!(whole, "{value}");
        baggage.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn values_are_percent_decoded_and_encoded_again() {
        assert_eq!(kept("user=Am%C3%A9lie%20B%2C"), [pair("user", "Amélie B,")]);
        assert_eq!(parse(&["user=Am%C3%A9lie%20B%2C"]).0.render().as_deref(), Some("user=Am%C3%A9lie%20B%2C"));
        assert_eq!(kept("a=%zz%4"), [pair("a", "%zz%4")]);
        assert_eq!(kept("a=%ff"), [pair("a", "\u{fffd}")]);
    }

    #[test]
    fn white_space_is_not_part_of_keys_and_values() {
        assert_eq!(kept(" a = 1 ,\tb\t=\t2 , c=a=b"), [pair("a", "1"), pair("b", "2"), pair("c", "a=b")]);
        assert_eq!(kept("empty="), [pair("empty", "")]);
    }

    #[test]
    fn properties_travel_on() {
        let (baggage, _) = parse(&["a=1 ; ttl=5; secret , b=2"]);
        assert_eq!(baggage.get("a"), Some("1"));
        assert_eq!(baggage.render().as_deref(), Some("a=1;ttl=5; secret,b=2"));
    }

    #[test]
    fn a_malformed_member_is_dropped_and_the_others_stay() {
        for bad in ["novalue", "=1", "k k=1", "k=a b", "k=a\"b", "k=\u{e9}", "k=1;p=\u{7f}", "k@=1"] {
            let (baggage, whole) = parse(&[&format!("a=1,{bad},b=2")]);
            assert_eq!(baggage.render().as_deref(), Some("a=1,b=2"), "{bad}");
            assert!(!whole, "{bad}");
        }
    }

    #[test]
    fn sixty_four_members_and_8192_bytes_travel() {
        let members = |n: usize| (0..n).map(|i| format!("k{i}=1")).collect::<Vec<_>>();
        assert_eq!(kept(&members(64).join(",")).len(), 64);
        for n in [65, 10_000] {
            let (baggage, whole) = parse(&[&members(n).join(",")]);
            assert_eq!((baggage.len(), whole), (64, false));
        }
        assert_eq!(kept(&format!("k={}", "v".repeat(MAX_BAGGAGE_BYTES - 2))).len(), 1);
        let (baggage, whole) = parse(&[&format!("a=1,k={},b=2", "v".repeat(MAX_BAGGAGE_BYTES))]);
        assert_eq!((baggage.render().as_deref(), whole), (Some("a=1,b=2"), false));
        let (baggage, whole) = parse(&[&" ,".repeat(1 << 19)]);
        assert_eq!((baggage.len(), whole), (0, false));
    }

    #[test]
    fn what_is_made_here_obeys_the_same_limits() {
        let baggage = Baggage::new((0..100).map(|i| (format!("k{i}"), "ä".repeat(100))));
        let header = baggage.render().expect("some");
        assert!(header.len() <= MAX_BAGGAGE_BYTES);
        assert_eq!(parse(&[&header]), (baggage, true));
        assert!(Baggage::new([("not a key", "1")]).is_empty());
    }
}
