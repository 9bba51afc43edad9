//! A line as the text of an event, which has no place for anything else but a time.

use super::super::block::Record;
use super::super::remote;
use crate::model::Stream;

/// How the texts begin, behind their brace, that are not whole lines of the standard output.
const MARKS: [(&str, Stream, bool); 3] = [
    (r#""obs_line":"stderr","#, Stream::Stderr, false),
    (r#""obs_line":"cut","#, Stream::Stdout, true),
    (r#""obs_line":"stderr, cut","#, Stream::Stderr, true),
];

/// The text of an event.
pub(super) fn of(record: &Record<'_>) -> String {
    let mark = MARKS.iter().find(|(_, stream, cut)| (*stream, *cut) == (record.stream, record.cut));
    let mut extra = mark.map_or_else(String::new, |(mark, ..)| (*mark).to_owned());
    if let Some(id) = record.trace_id {
        extra.push_str(&format!(r#""trace_id":"{id}","#));
    }
    let text = remote::text(record, &extra);
    // CloudWatch refuses events without one.
    if text.is_empty() { r#"{"message":""}"#.to_owned() } else { text }
}

/// The text without its mark, and what the mark said. Whoever else sends events has no marks.
pub(super) fn unmarked(mut text: String) -> (String, Stream, bool) {
    let behind_brace = text.strip_prefix('{').unwrap_or_default();
    match MARKS.iter().find(|(mark, ..)| behind_brace.starts_with(mark)) {
        Some((mark, stream, cut)) => {
            text.replace_range(1..=mark.len(), "");
            (text, *stream, *cut)
        }
        None => (text, Stream::Stdout, false),
    }
}
