//! Ready-made labels for HTTP.

use std::fmt;
use std::sync::Arc;

use crate::metrics::label::{LabelValue, Values};

/// The method of a request: those of RFC 9110 and `PATCH`, and `_OTHER` for what is none of them, as OpenTelemetry's
/// semantic conventions for HTTP ask. Made from an `http::Method`: `Method::from(request.method())`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl Method {
    const ALL: [&'static str; 10] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER"];

    /// The text of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize]
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        match method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "CONNECT" => Method::Connect,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }
}

impl LabelValue for Method {
    const VALUES: Values = Values::Closed(&Method::ALL);

    #[inline]
    fn index(&self) -> usize {
        *self as usize
    }
}

/// The status of a response, as its number: `200`. Made from an `http::StatusCode`: `Status::from(StatusCode::OK)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(http::StatusCode);

impl Status {
    /// The number.
    #[must_use]
    pub fn as_u16(self) -> u16 {
        self.0.as_u16()
    }
}

impl From<http::StatusCode> for Status {
    fn from(status: http::StatusCode) -> Self {
        Status(status)
    }
}

impl LabelValue for Status {
    // From 100 to 999. A handful is used, so they are kept in a map.
    const VALUES: Values = Values::Open { max: 900 };

    #[inline]
    fn ready(&self) -> Option<&str> {
        Some(self.0.as_str())
    }

    fn text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

/// The template of a route, `/v1/agents/{agent_id}`: never the path that was asked for. At most 1,000.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route(Option<Arc<str>>);

impl Route {
    /// The route with this template.
    #[must_use]
    pub fn new(template: impl Into<Arc<str>>) -> Self {
        Route(Some(template.into()))
    }

    /// What matched no route, whatever its path was: `_unmatched`.
    #[must_use]
    pub const fn unmatched() -> Self {
        Route(None)
    }

    /// The text of the label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("_unmatched")
    }
}

impl LabelValue for Route {
    const VALUES: Values = Values::Open { max: 1_000 };

    #[inline]
    fn ready(&self) -> Option<&str> {
        Some(self.as_str())
    }

    fn text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
