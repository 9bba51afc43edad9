//! One line, as JSON with its keys in their published order, or for the eye.

use std::cell::Cell;

use tracing::{Level, Metadata};

use crate::engine::fields::List;
use crate::log::{json, pretty};

/// Where a line comes from: the same for all of one callsite, so its JSON is rendered once.
pub(crate) struct Origin {
    pub(crate) level: Level,
    pub(crate) target: String,
    /// `{"timestamp":…,"level":…,"target":…,"message":`, with the time still to be put in.
    before: Vec<u8>,
    /// `,"file":…,"line":…`, behind the ids.
    after: Vec<u8>,
}

impl Origin {
    pub(crate) fn of(meta: &Metadata<'_>) -> Self {
        Origin::new(*meta.level(), meta.target(), meta.file(), meta.line())
    }

    pub(crate) fn new(level: Level, target: &str, file: Option<&str>, line: Option<u32>) -> Self {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        before.extend_from_slice(b"{\"timestamp\":\"");
        before.extend_from_slice(&[0; STAMP_LENGTH]);
        before.extend_from_slice(b"\",\"level\":\"");
        before.extend_from_slice(name(level).as_bytes());
        before.extend_from_slice(b"\",\"target\":");
        json::string(&mut before, target);
        before.extend_from_slice(b",\"message\":");
        after.extend_from_slice(b",\"file\":");
        match file {
            Some(file) => json::string(&mut after, file),
            None => after.extend_from_slice(b"null"),
        }
        after.extend_from_slice(b",\"line\":");
        match line {
            Some(number) => json::integer(&mut after, number),
            None => after.extend_from_slice(b"null"),
        }
        Origin { level, target: target.to_owned(), before, after }
    }
}

/// What a line tells.
pub(crate) struct Line<'a> {
    pub(crate) unix_nanos: u64,
    pub(crate) origin: &'a Origin,
    /// As a JSON string, or empty.
    pub(crate) message: &'a [u8],
    /// `,"trace_id":…,"span_id":…`.
    pub(crate) ids: &'a [u8],
    /// The fields of the spans around.
    pub(crate) around: &'a List,
    /// The line's own.
    pub(crate) fields: &'a List,
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Render {
    /// One JSON object a line.
    Json,
    /// For a terminal, in colours.
    Pretty,
}

impl Render {
    /// Appends the line and its line feed.
    pub(crate) fn line(self, text: &mut Vec<u8>, line: &Line<'_>) {
        match self {
            Render::Json => json_line(text, line),
            Render::Pretty => pretty::line(text, line),
        }
    }
}

#[inline]
fn json_line(text: &mut Vec<u8>, line: &Line<'_>) {
    let start = text.len();
    text.extend_from_slice(&line.origin.before);
    if let Some(stamp) = text.get_mut(start + STAMP_AT..start + STAMP_AT + STAMP_LENGTH) {
        stamp.copy_from_slice(&timestamp(line.unix_nanos));
    }
    text.extend_from_slice(if line.message.is_empty() { b"\"\"" } else { line.message });
    text.extend_from_slice(line.ids);
    text.extend_from_slice(&line.origin.after);
    line.around.append_to(text, line.fields);
    text.extend_from_slice(line.fields.text());
    text.extend_from_slice(b"}\n");
}

/// The level's name in lower case.
pub(crate) fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const STAMP_LENGTH: usize = 24;
/// Where the time stands in a line.
const STAMP_AT: usize = b"{\"timestamp\":\"".len();

/// `2026-01-15T10:30:00.123Z`, as a thread has it ready for the millisecond.
#[inline]
pub(crate) fn timestamp(unix_nanos: u64) -> [u8; STAMP_LENGTH] {
    let millis = unix_nanos / 1_000_000;
    match STAMP.get() {
        (known, text) if known == millis => text,
        (known, text) => renewed(millis, known, text),
    }
}

thread_local! { static STAMP: Cell<(u64, [u8; STAMP_LENGTH])> = const { Cell::new((u64::MAX, [0; STAMP_LENGTH])) }; }

#[cold]
fn renewed(millis: u64, known: u64, mut text: [u8; STAMP_LENGTH]) -> [u8; STAMP_LENGTH] {
    // The date is worked out once a second.
    if known / 1_000 != millis / 1_000 {
        text = date(millis / 1_000);
    }
    digits(&mut text[20..23], (millis % 1_000) as u32);
    STAMP.set((millis, text));
    text
}

fn date(second: u64) -> [u8; STAMP_LENGTH] {
    // Days to a civil date, by the proleptic Gregorian calendar, in eras of 400 years that begin in March.
    let days = second / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let time = second % 86_400;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: std::ops::Range<usize>, number: u64| digits(&mut text[at], number as u32);
    put(0..4, era * 400 + year + carry);
    put(5..7, month);
    put(8..10, day_of_month);
    put(11..13, time / 3_600);
    put(14..16, time / 60 % 60);
    put(17..19, time % 60);
    text
}

fn digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let text = |millis: u64| String::from_utf8(timestamp(millis * 1_000_000).to_vec()).expect("ASCII");
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(1_768_473_000_123), "2026-01-15T10:30:00.123Z");
        assert_eq!(text(4_107_542_400_001), "2100-03-01T00:00:00.001Z");
    }

    #[test]
    fn a_line_has_its_keys_in_order() {
        let (mut around, mut fields) = (List::new(), List::new());
        around.put_str("agent_id", "a1");
        fields.put_str("status", "running");
        let line = Line {
            unix_nanos: 1_768_473_000_123_000_000,
            origin: &Origin::new(Level::INFO, "swarm::lifecycle", Some("src/lifecycle.rs"), Some(42)),
            message: b"\"Agent started\"",
            ids: br#","trace_id":"000000000000000000000000000000af","span_id":"00000000000000b7""#,
            around: &around,
            fields: &fields,
        };
        let mut text = Vec::new();
        Render::Json.line(&mut text, &line);
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            concat!(
                r#"{"timestamp":"2026-01-15T10:30:00.123Z","level":"info","target":"swarm::lifecycle","#,
                r#""message":"Agent started","trace_id":"000000000000000000000000000000af","span_id":"00000000000000b7","#,
                r#""file":"src/lifecycle.rs","line":42,"agent_id":"a1","status":"running"}"#,
                "\n"
            )
        );
    }
}
