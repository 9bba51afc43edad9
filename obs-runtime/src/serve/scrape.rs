//! One answer to a scrape: in the format that was asked for, compressed if wished, and never whole in memory.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use super::MetricsText;
use crate::metrics::text::Format;
use crate::metrics::{CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE};

/// So many scrapes are written at a time; others wait for their turn, without a thread.
static AT_A_TIME: Semaphore = Semaphore::const_new(8);

/// Who reads slower than a piece in so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

type Piece = Result<Bytes, Broken>;

pub(super) async fn answer(text: MetricsText, headers: HeaderMap) -> Response {
    let format = format(&headers);
    let gzip = accepts_gzip(&headers);
    let turn = AT_A_TIME.acquire().await;
    let (pieces, mut written) = mpsc::channel::<Piece>(2);
    // Callbacks of users run in it, which may be slow or panic: not on a thread that serves others.
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let encoded = catch_unwind(AssertUnwindSafe(|| write(&text, format, gzip, &pieces)));
        if encoded.is_err() {
            hand_on(&pieces, Err(Broken));
        }
    });
    let Some(Ok(first)) = written.recv().await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "a callback of a metric panicked\n").into_response();
    };
    let content_type = match format {
        Format::Text => CONTENT_TYPE,
        Format::OpenMetrics => OPENMETRICS_CONTENT_TYPE,
    };
    // A text of one piece goes out with its length.
    let body = match written.recv().await {
        None => Body::from(first),
        Some(second) => Body::new(Pieces { first: Some(first), second: Some(second), written }),
    };
    let mut response =
        ([(header::CONTENT_TYPE, content_type), (header::VARY, "accept, accept-encoding")], body).into_response();
    if gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    response
}

fn write(text: &MetricsText, format: Format, gzip: bool, pieces: &mpsc::Sender<Piece>) {
    if !gzip {
        return text(format, &mut |piece| hand_on(pieces, Ok(Bytes::from(std::mem::take(piece)))));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    text(format, &mut |piece| {
        // Writing to memory does not fail.
        let _ = encoder.write_all(piece.as_bytes());
        let compressed = std::mem::take(encoder.get_mut());
        compressed.is_empty() || hand_on(pieces, Ok(Bytes::from(compressed)))
    });
    if let Ok(last) = encoder.finish() {
        hand_on(pieces, Ok(Bytes::from(last)));
    }
}

/// Waits until there is room for `piece`; says whether it was taken.
fn hand_on(pieces: &mpsc::Sender<Piece>, mut piece: Piece) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        piece = match pieces.try_send(piece) {
            Ok(()) => return true,
            Err(TrySendError::Closed(_)) => return false,
            Err(TrySendError::Full(piece)) => piece,
        };
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The pieces as they are written.
struct Pieces {
    first: Option<Bytes>,
    second: Option<Piece>,
    written: mpsc::Receiver<Piece>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(second) = self.second.take() {
            return Poll::Ready(Some(second.map(Frame::data)));
        }
        self.written.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// It broke off: what was read is not the whole.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a callback of a metric panicked")
    }
}

impl Error for Broken {}

/// OpenMetrics where it is preferred, or preferred as much. Other versions of it than 1 are not known.
fn format(headers: &HeaderMap) -> Format {
    let (mut text, mut openmetrics) = (0, 0);
    for (range, weight) in ranges(headers, header::ACCEPT) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let version = parts.find_map(|part| part.strip_prefix("version=")).map(|version| version.trim_matches('"'));
        if media.eq_ignore_ascii_case("application/openmetrics-text") && version.is_none_or(|v| v.starts_with("1.")) {
            openmetrics = openmetrics.max(weight);
        } else if ["text/plain", "text/*", "*/*"].iter().any(|known| media.eq_ignore_ascii_case(known)) {
            text = text.max(weight);
        }
    }
    if openmetrics > 0 && openmetrics >= text { Format::OpenMetrics } else { Format::Text }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    ranges(headers, header::ACCEPT_ENCODING).any(|(range, weight)| {
        weight > 0 && range.split(';').next().is_some_and(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
    })
}

/// What a header lists, each with its weight in thousandths.
fn ranges(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = (&str, u32)> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|range| {
        let weight = range.split(';').map(str::trim).find_map(|part| part.strip_prefix("q="));
        let weight = weight.and_then(|weight| weight.parse::<f64>().ok()).unwrap_or(1.0);
        (range.trim(), (weight.clamp(0.0, 1.0) * 1_000.0) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a header"));
        format(&headers)
    }

    #[test]
    fn openmetrics_is_for_those_who_prefer_it() {
        for accept in [
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text",
        ] {
            assert_eq!(asked(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "*/*",
            "",
            "text/plain",
            "text/html,*/*;q=0.8",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=2.0.0,text/plain;q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9",
        ] {
            assert_eq!(asked(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accept, taken) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().expect("a header"));
            assert_eq!(accepts_gzip(&headers), taken, "{accept}");
        }
    }
}
