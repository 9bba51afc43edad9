//! What is known of a request, by OpenTelemetry's semantic conventions for HTTP.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::uri::Authority;
use http::{HeaderMap, Request, Version, header};
use obs_runtime::operation::Operation;

/// The most bytes of a caller's text that a field takes.
const MAX_TEXT: usize = 1024;

pub(crate) const METHOD: &str = "http.request.method";
pub(crate) const METHOD_ORIGINAL: &str = "http.request.method_original";
pub(crate) const ROUTE: &str = "http.route";
pub(crate) const STATUS: &str = "http.response.status_code";
pub(crate) const REQUEST_SIZE: &str = "http.request.body.size";
pub(crate) const RESPONSE_SIZE: &str = "http.response.body.size";
const PATH: &str = "url.path";
const QUERY: &str = "url.query";
const SCHEME: &str = "url.scheme";
const CLIENT: &str = "client.address";
const SERVER: &str = "server.address";
const PORT: &str = "server.port";
const USER_AGENT: &str = "user_agent.original";
const PROTOCOL: &str = "network.protocol.version";

/// All of them, and those that the runtime records at the end.
pub(crate) const ALL: [&str; 17] = [
    METHOD,
    METHOD_ORIGINAL,
    ROUTE,
    STATUS,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    PATH,
    QUERY,
    SCHEME,
    CLIENT,
    SERVER,
    PORT,
    USER_AGENT,
    PROTOCOL,
    "outcome",
    "error",
    "error.type",
];

/// What only the span needs: recorded when it ends, so that the log lines of the request do not all bear it.
pub(crate) struct Late {
    path: String,
    query: Option<String>,
    scheme: String,
    client: Option<String>,
    server: Option<Authority>,
    user_agent: Option<String>,
    protocol: Option<&'static str>,
}

impl Late {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        Late {
            path: cut(uri.path()).to_owned(),
            query: uri.query().map(redacted),
            scheme: uri.scheme_str().unwrap_or("http").to_owned(),
            client: request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string()),
            server: uri.authority().cloned().or_else(|| host(request.headers())),
            user_agent: text(request.headers(), header::USER_AGENT),
            protocol: match request.version() {
                Version::HTTP_10 => Some("1.0"),
                Version::HTTP_11 => Some("1.1"),
                Version::HTTP_2 => Some("2"),
                Version::HTTP_3 => Some("3"),
                _ => None,
            },
        }
    }

    pub(crate) fn record(&self, operation: &mut Operation) {
        operation.record(PATH, self.path.as_str());
        operation.record(SCHEME, self.scheme.as_str());
        let texts = [
            (QUERY, self.query.as_deref()),
            (CLIENT, self.client.as_deref()),
            (SERVER, self.server.as_ref().map(Authority::host)),
            (USER_AGENT, self.user_agent.as_deref()),
            (PROTOCOL, self.protocol),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                operation.record(key, value);
            }
        }
        if let Some(port) = self.server.as_ref().and_then(Authority::port_u16) {
            operation.record(PORT, port);
        }
    }
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    Authority::try_from(headers.get(header::HOST)?.as_bytes()).ok()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    Some(cut(&value).to_owned())
}

/// The keys of a query. Its values may be anybody's secrets.
pub(crate) fn redacted(query: &str) -> String {
    let pairs = cut(query).split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) => Cow::Owned(format!("{key}=REDACTED")),
        None if pair.is_empty() => Cow::Borrowed(""),
        None => Cow::Borrowed("REDACTED"),
    });
    pairs.collect::<Vec<_>>().join("&")
}

pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_of_a_query_is_kept() {
        assert_eq!(redacted("tail=100&token=s3&s3&=s3&"), "tail=REDACTED&token=REDACTED&REDACTED&=REDACTED&");
        assert!(!redacted(&"s3cret=s3cret&".repeat(1000)).contains("=s3cret"));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(1000)).len(), MAX_TEXT);
        assert_eq!(cut(&format!("a{}", "ä".repeat(1000))).len(), MAX_TEXT - 1);
    }
}
