//! `/debug/spans`: what is running now, as JSON or for the eye.

use std::fmt::Write;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::engine::core::CoreRef;
use crate::engine::running::{self, Running};
use crate::log::json;

/// How many spans one answer has at most: the oldest.
const SHOWN: usize = 1_000;

/// What an answer says of spans of which only name, ids and age are known.
const NOTE: &str = "`fields` and `last_poll_seconds` of an observed call are known from its next poll on after the first request; \
                    this watch ends when nobody has asked for a minute";

pub(super) fn answer(core: &CoreRef, headers: &HeaderMap) -> Response {
    let (spans, watched) = running::all(core);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accept.trim_start().starts_with("text/plain") {
        ("text/plain; charset=utf-8", table(&spans))
    } else {
        ("application/json", object(&spans, watched))
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

fn seconds(duration: Duration) -> f64 {
    // Microseconds are fine enough.
    duration.as_micros() as f64 / 1e6
}

fn object(spans: &[Running], watched: Duration) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend_from_slice(b"{\"open\":");
    json::integer(&mut text, spans.len());
    text.extend_from_slice(b",\"watched_seconds\":");
    json::float(&mut text, seconds(watched));
    text.extend_from_slice(b",\"note\":");
    json::string(&mut text, NOTE);
    text.extend_from_slice(b",\"spans\":[");
    for (at, span) in spans.iter().take(SHOWN).enumerate() {
        text.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        span_object(&mut text, span);
    }
    text.extend_from_slice(b"\n]}\n");
    text
}

fn span_object(text: &mut Vec<u8>, span: &Running) {
    let string = |text: &mut Vec<u8>, key: &str, value: &str| {
        text.push(b',');
        json::string(text, key);
        text.push(b':');
        json::string(text, value);
    };
    text.extend_from_slice(b"{\"name\":");
    json::string(text, &span.name);
    string(text, "target", span.target);
    string(text, "trace_id", &span.trace_id.to_string());
    string(text, "span_id", &span.span_id.to_string());
    if let Some(parent) = span.seen.as_ref().and_then(|seen| seen.parent_id) {
        string(text, "parent_span_id", &parent.to_string());
    }
    text.extend_from_slice(b",\"open_seconds\":");
    json::float(text, seconds(span.age));
    let Some(seen) = &span.seen else {
        text.extend_from_slice(b",\"fields\":null,\"last_poll_seconds\":null}");
        return;
    };
    text.extend_from_slice(b",\"fields\":{");
    text.extend_from_slice(seen.fields.get(1..).unwrap_or_default());
    text.push(b'}');
    match &seen.polled {
        None => text.extend_from_slice(b",\"last_poll_seconds\":null"),
        Some(polled) => {
            text.extend_from_slice(b",\"last_poll_seconds\":");
            json::float(text, seconds(polled.ago()));
            string(text, if polled.is_inside { "running_on" } else { "last_ran_on" }, &place(polled));
        }
    }
    text.push(b'}');
}

/// The thread, and the task where there is one.
fn place(polled: &running::Polled) -> String {
    let thread = polled.thread.name().unwrap_or("unnamed");
    let mut place = format!("{thread} {:?}", polled.thread.id());
    if let Some(task) = &polled.task {
        let _ = write!(place, " task {task}");
    }
    place
}

fn table(spans: &[Running]) -> Vec<u8> {
    let mut text = format!("{} open spans, the oldest first\n", spans.len());
    for span in spans.iter().take(SHOWN) {
        let _ = write!(
            text,
            "{:12.3} s  {}::{}  {}/{}",
            seconds(span.age),
            span.target,
            span.name.escape_debug(),
            span.trace_id,
            span.span_id
        );
        match &span.seen {
            None => text.push_str("  (fields from its next poll on)"),
            Some(seen) => {
                if let Some(polled) = &seen.polled {
                    let verb = if polled.is_inside { "on" } else { "last on" };
                    let _ = write!(text, "  {verb} {} {:.3} s ago", place(polled), seconds(polled.ago()));
                }
                let fields = String::from_utf8_lossy(seen.fields.get(1..).unwrap_or_default());
                let _ = write!(text, "  {{{fields}}}");
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}
