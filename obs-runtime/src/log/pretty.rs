//! The form for terminals.

use std::io::Write;

use tracing::Level;

use crate::log::json;
use crate::log::line::{Line, name, timestamp};

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// `10:30:00.123  INFO swarm::lifecycle Agent started agent_id=a1 trace_id=0af7…`.
pub(crate) fn line(text: &mut Vec<u8>, line: &Line<'_>) {
    let stamp = timestamp(line.unix_nanos);
    let time = std::str::from_utf8(&stamp[11..23]).unwrap_or_default();
    let colour = match line.origin.level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    };
    let name = name(line.origin.level).to_ascii_uppercase();
    let _ = write!(text, "{DIM}{time}{PLAIN} {colour}{name:>5}{PLAIN} {DIM}{}{PLAIN} {BOLD}", line.origin.target);
    text.extend_from_slice(inside(line.message));
    text.extend_from_slice(PLAIN.as_bytes());
    let mut fields = Vec::new();
    line.around.append_to(&mut fields, line.fields);
    fields.extend_from_slice(line.fields.text());
    fields.extend_from_slice(line.ids);
    for (key, value) in json::raw_pairs(&fields).filter(|(_, value)| *value != b"null") {
        let _ = write!(text, " {DIM}");
        text.extend_from_slice(inside(key));
        let _ = write!(text, "={PLAIN}");
        // Still escaped: what a caller sent must not write to the terminal.
        text.extend_from_slice(inside(value));
    }
    text.push(b'\n');
}

/// A JSON string without its quotes, or any other value as it is.
fn inside(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}
