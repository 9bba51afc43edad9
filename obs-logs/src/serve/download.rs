//! A whole log, one JSON object a line.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use obs_runtime::warn;

use super::Shared;
use super::admit::Admitted;
use super::refusal::Refusal;
use crate::store::{Cursor, Direction, Page, Start, StoreError};

/// Lines that are read at once: what a slow client keeps in memory.
const LINES: usize = 1000;

/// Streams what is there now; lines that come meanwhile are not in it.
pub(super) async fn download(shared: Arc<Shared>, admitted: Admitted) -> Response {
    let end = match shared.store.read(admitted.read(Start::Outside, Direction::Backward, 0)).await {
        Ok(page) => page.began,
        Err(err) => return Refusal::Store(err).into_response(),
    };
    let name =
        HeaderValue::from_str(&format!("attachment; filename=\"{}.ndjson\"", file_name(admitted.agent.as_str())));
    let download = Download { shared, admitted, end, start: Some(Start::Outside) };
    let body = stream::try_unfold(download, async |mut download| {
        let lines = download.next().await.inspect_err(|err| {
            warn!(error = err as &dyn std::error::Error, "A download breaks off");
        })?;
        Ok::<_, StoreError>(lines.map(|lines| (lines, download)))
    });
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = name {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    response
}

struct Download {
    shared: Arc<Shared>,
    admitted: Admitted,
    /// The newest line when the download began.
    end: Cursor,
    /// Where to read on; `None` when all is read.
    start: Option<Start>,
}

impl Download {
    /// Some more lines; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while let Some(start) = self.start {
            let page = self.shared.store.read(self.admitted.read(start, Direction::Forward, LINES)).await?;
            let over = page.done || page.ended >= self.end;
            self.start = (!over).then_some(Start::After(page.ended));
            let lines = self.lines(&page);
            if !lines.is_empty() {
                return Ok(Some(lines.into()));
            }
        }
        Ok(None)
    }

    fn lines(&self, page: &Page) -> Vec<u8> {
        let mut lines = Vec::with_capacity(page.found.len() * 128);
        for found in page.found.iter().filter(|found| found.cursor <= self.end) {
            // An entry is always written to memory.
            if serde_json::to_writer(&mut lines, &found.entry).is_ok() {
                lines.push(b'\n');
            }
        }
        lines
    }
}

/// The id with nothing in it that means something in a header or a directory.
fn file_name(id: &str) -> String {
    let plain = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '.' | '_' | '-');
    id.chars().map(|byte| if plain(byte) { byte } else { '_' }).collect()
}
