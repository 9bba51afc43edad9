//! What can carry a context: headers, maps, lists of pairs.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::loss::{self, Reason, Signal};
use crate::names;

/// Something that a context can be read from.
///
/// Keys are lower-case header names (`traceparent`); a carrier that keeps the case of its keys finds them in any case. Values are
/// bytes, since a header may hold any: whoever reads judges them.
///
/// A struct carries in one of its fields with `#[derive(Carrier)]`:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use obs_runtime::{Carrier, correlated, observed};
///
/// #[derive(Carrier, Default)]
/// struct PodTemplate {
///     image: String,
///     #[carrier]
///     annotations: BTreeMap<String, String>,
/// }
///
/// #[correlated(outbound)]
/// #[observed]
/// fn schedule(#[carrier] pod: &mut PodTemplate) -> usize {
///     pod.annotations.len()
/// }
///
/// # let seen = obs_runtime::propagation::extract(&PodTemplate::default());
/// # assert_eq!(seen.trace, None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a context",
    label = "not a carrier",
    note = "carriers are `http::HeaderMap`, `http::Request`, `BTreeMap<String, String>`, `HashMap<String, String>` and `Vec<(String, String)>`",
    note = "mark another argument with `#[carrier]`, or derive `obs_runtime::Carrier` for a struct that has such a field"
)]
pub trait Carrier {
    /// Every value of `key`, in order.
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]>;

    /// Which of the headers that travel may be in it: those that are not need not be asked for one by one.
    #[doc(hidden)]
    fn present(&self) -> Present {
        Present::ANY
    }
}

/// A header that travels: its place in [`names::TRAVELLING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Traceparent,
    Tracestate,
    Baggage,
    RequestId,
    SessionId,
    MessageId,
}

impl Header {
    pub(super) const fn name(self) -> &'static str {
        names::TRAVELLING[self as usize]
    }
}

/// Some of the headers that travel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present(u8);

impl Present {
    const ANY: Present = Present(u8::MAX);

    /// Whether none of them is there.
    pub(super) fn none(self) -> bool {
        self.0 == 0
    }

    /// Whether this one may be there.
    #[inline]
    pub(super) fn has(self, header: Header) -> bool {
        self.0 & (1 << header as u8) != 0
    }
}

/// Something that a context can be written into.
#[diagnostic::on_unimplemented(
    message = "no context can be written into `{Self}`",
    label = "not a carrier that can be written",
    note = "carriers are `http::HeaderMap`, `http::Request`, `BTreeMap<String, String>`, `HashMap<String, String>` and `Vec<(String, String)>`",
    note = "mark another argument with `#[carrier]`, or derive `obs_runtime::Carrier` for a struct that has such a field"
)]
pub trait CarrierMut: Carrier {
    /// Makes `value` the only value of `key`.
    fn set(&mut self, key: &'static str, value: &str);

    /// Takes every value of `key` away.
    fn remove(&mut self, key: &'static str);
}

impl<C: Carrier + ?Sized> Carrier for &C {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        C::values(self, key)
    }

    fn present(&self) -> Present {
        C::present(self)
    }
}

impl<C: Carrier + ?Sized> Carrier for &mut C {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        C::values(self, key)
    }

    fn present(&self) -> Present {
        C::present(self)
    }
}

impl<C: CarrierMut + ?Sized> CarrierMut for &mut C {
    fn set(&mut self, key: &'static str, value: &str) {
        C::set(self, key, value);
    }

    fn remove(&mut self, key: &'static str) {
        C::remove(self, key);
    }
}

/// What is not there says nothing, and is made when something is written.
impl<C: Carrier> Carrier for Option<C> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        self.iter().flat_map(move |carrier| carrier.values(key))
    }
}

impl<C: CarrierMut + Default> CarrierMut for Option<C> {
    fn set(&mut self, key: &'static str, value: &str) {
        self.get_or_insert_default().set(key, value);
    }

    fn remove(&mut self, key: &'static str) {
        if let Some(carrier) = self {
            carrier.remove(key);
        }
    }
}

/// The headers that travel, as keys of a map: nothing is parsed to look one up.
static NAMES: [HeaderName; 6] = [
    HeaderName::from_static(names::TRACEPARENT),
    HeaderName::from_static(names::TRACESTATE),
    HeaderName::from_static(names::BAGGAGE),
    HeaderName::from_static(names::X_REQUEST_ID),
    HeaderName::from_static(names::X_SESSION_ID),
    HeaderName::from_static(names::X_MESSAGE_ID),
];

/// Up to so many headers, looking at each once costs less than asking for six of them.
const FEW: usize = 24;

impl Carrier for HeaderMap {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        let values = match names::TRAVELLING.iter().position(|name| *name == key) {
            Some(at) => self.get_all(&NAMES[at]),
            None => self.get_all(key),
        };
        values.into_iter().map(HeaderValue::as_bytes)
    }

    fn present(&self) -> Present {
        if self.keys_len() > FEW {
            return Present::ANY;
        }
        let bit = |name: &HeaderName| match name.as_str() {
            names::TRACEPARENT => 1 << Header::Traceparent as u8,
            names::TRACESTATE => 1 << Header::Tracestate as u8,
            names::BAGGAGE => 1 << Header::Baggage as u8,
            names::X_REQUEST_ID => 1 << Header::RequestId as u8,
            names::X_SESSION_ID => 1 << Header::SessionId as u8,
            names::X_MESSAGE_ID => 1 << Header::MessageId as u8,
            _ => 0,
        };
        Present(self.keys().fold(0, |bits, name| bits | bit(name)))
    }
}

impl CarrierMut for HeaderMap {
    fn set(&mut self, key: &'static str, value: &str) {
        // A map of headers has room for 32,768 of them, and panics on the next unless asked like this.
        let name = match names::TRAVELLING.iter().position(|name| *name == key) {
            Some(at) => NAMES[at].clone(),
            None => HeaderName::from_static(key),
        };
        let written = HeaderValue::from_str(value).is_ok_and(|value| self.try_insert(name, value).is_ok());
        if !written {
            loss::lost(Signal::Context, Reason::WriteFailed, 1);
        }
    }

    fn remove(&mut self, key: &'static str) {
        HeaderMap::remove(self, key);
    }
}

impl<B> Carrier for http::Request<B> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        Carrier::values(self.headers(), key)
    }

    fn present(&self) -> Present {
        self.headers().present()
    }
}

impl<B> CarrierMut for http::Request<B> {
    fn set(&mut self, key: &'static str, value: &str) {
        CarrierMut::set(self.headers_mut(), key, value);
    }

    fn remove(&mut self, key: &'static str) {
        CarrierMut::remove(self.headers_mut(), key);
    }
}

/// The values of `pairs` whose key is `key` in any case of letters.
fn matching<'c>(pairs: impl Iterator<Item = (&'c String, &'c String)>, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
    pairs.filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_bytes())
}

impl Carrier for BTreeMap<String, String> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        matching(self.iter(), key)
    }
}

impl CarrierMut for BTreeMap<String, String> {
    fn set(&mut self, key: &'static str, value: &str) {
        CarrierMut::remove(self, key);
        self.insert(key.to_owned(), value.to_owned());
    }

    fn remove(&mut self, key: &'static str) {
        self.retain(|name, _| !name.eq_ignore_ascii_case(key));
    }
}

impl<S: BuildHasher> Carrier for HashMap<String, String, S> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        matching(self.iter(), key)
    }
}

impl<S: BuildHasher> CarrierMut for HashMap<String, String, S> {
    fn set(&mut self, key: &'static str, value: &str) {
        CarrierMut::remove(self, key);
        self.insert(key.to_owned(), value.to_owned());
    }

    fn remove(&mut self, key: &'static str) {
        self.retain(|name, _| !name.eq_ignore_ascii_case(key));
    }
}

impl Carrier for Vec<(String, String)> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        matching(self.iter().map(|(name, value)| (name, value)), key)
    }
}

impl CarrierMut for Vec<(String, String)> {
    fn set(&mut self, key: &'static str, value: &str) {
        CarrierMut::remove(self, key);
        self.push((key.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, key: &'static str) {
        self.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
    }
}
