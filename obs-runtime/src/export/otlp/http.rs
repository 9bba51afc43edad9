//! One attempt over HTTP with protocol buffers.

use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

use super::answer::{Attempt, status_message};
use super::grpc::described;
use super::{OtlpError, tls};
use crate::config::{ObservabilityConfig, OtlpCompression};

/// What is appended to the endpoint of all signals.
const PATH: &str = "v1/traces";
/// The most that is read of an answer.
const LONGEST_ANSWER: usize = 4 << 20;

/// Where spans go; made where nothing runs yet, so that mistakes are told at the start.
pub(super) struct Address {
    uri: Uri,
    headers: HeaderMap,
    gzip: bool,
    connector: tls::Connector,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Address {
    pub(super) fn new(endpoint: &str, config: &ObservabilityConfig, mut headers: HeaderMap) -> Result<Self, OtlpError> {
        let whole = match config.otlp_endpoint_is_whole {
            true => endpoint.to_owned(),
            false => format!("{}/{PATH}", endpoint.trim_end_matches('/')),
        };
        let uri = whole
            .parse()
            .map_err(|source| OtlpError::Endpoint { endpoint: whole.clone(), source: Box::new(source) })?;
        let gzip = config.otlp_compression == OtlpCompression::Gzip;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(super::exporter::USER_AGENT));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Address { uri, headers, gzip, connector: tls::http(endpoint, config)? })
    }

    /// To be called inside the runtime that will send. Connects at the first request.
    pub(super) fn client(&self) -> Client {
        Client {
            client: legacy::Client::builder(TokioExecutor::new()).build(self.connector.clone()),
            uri: self.uri.clone(),
            headers: self.headers.clone(),
        }
    }

    /// The body of the request.
    pub(super) fn body(&self, request: Bytes) -> Bytes {
        if !self.gzip {
            return request;
        }
        let mut out = GzEncoder::new(Vec::with_capacity(request.len() / 4), Compression::fast());
        // Writing to memory does not fail; if it did, the collector would refuse what is not gzip, and say so.
        match out.write_all(&request).and_then(|()| out.finish()) {
            Ok(packed) => packed.into(),
            Err(_) => request,
        }
    }
}

#[derive(Clone)]
pub(super) struct Client {
    client: legacy::Client<tls::Connector, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HTTP")
    }
}

impl Client {
    /// Sends the body once.
    pub(super) async fn send(&self, body: Bytes) -> Attempt {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(err) => return Attempt::Later { problem: described(&err), after: None },
        };
        let (head, body) = response.into_parts();
        match Limited::new(body, LONGEST_ANSWER).collect().await {
            Ok(body) => judged(head.status, &head.headers, &body.to_bytes()),
            // It is not known whether the spans were taken: sent again, they may arrive twice, but they arrive.
            Err(err) => Attempt::Later { problem: format!("the answer broke off: {err}"), after: None },
        }
    }
}

/// Whether the same request may succeed later, by the table of the OpenTelemetry Protocol.
fn judged(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Attempt {
    if status.is_success() {
        return Attempt::taken(body);
    }
    let problem = match status_message(body).filter(|message| !message.is_empty()) {
        Some(message) => format!("{status}: {message}"),
        None => status.to_string(),
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Attempt::Later { problem, after: retry_after(headers) },
        _ => Attempt::Refused(problem),
    }
}

/// How long the collector wants to be left alone: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(date(text)?).saturating_sub(now))
}

/// Seconds since the Unix epoch of a date like `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that HTTP has today.
fn date(text: &str) -> Option<u64> {
    let mut words = text.strip_suffix(" GMT")?.split_once(", ")?.1.split([' ', ':']);
    let day: u64 = words.next()?.parse().ok()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = words.next()?;
    let month = months.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut next = || words.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // From the first of March of the year 0 to the epoch.
    days.checked_sub(719_468).map(|days| days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::status;
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        [(RETRY_AFTER, retry_after.parse().expect("a value"))].into_iter().collect()
    }

    #[test]
    fn a_date_is_read() {
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        for wrong in
            ["", "tomorrow", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 GMT", "Sun, 06 Nov 1 1:1:1 GMT"]
        {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_pause_is_read_in_both_forms() {
        assert_eq!(retry_after(&headers("120")), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn only_what_the_specification_names_is_tried_again() {
        for status in [429, 502, 503, 504] {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = judged(status, &headers("7"), b"");
            assert!(matches!(found, Attempt::Later { after: Some(after), .. } if after.as_secs() == 7), "{found:?}");
        }
        for status in [301, 400, 401, 404, 413, 500, 501] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(matches!(judged(status, &headers("7"), b""), Attempt::Refused(_)), "{status}");
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let refused = judged(StatusCode::BAD_REQUEST, &HeaderMap::new(), &status("no such field", 0));
        assert_eq!(refused, Attempt::Refused("400 Bad Request: no such field".to_owned()));
        let refused = judged(StatusCode::NOT_FOUND, &HeaderMap::new(), b"<html>");
        assert_eq!(refused, Attempt::Refused("404 Not Found".to_owned()));
    }
}
