//! The form for terminals.

use std::io::Write;
use std::str;

use tracing::Level;

use crate::log::json;
use crate::log::line::{Line, name, timestamp};

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// `10:30:00.123  INFO swarm::lifecycle Agent started agent_id=a1 trace_id=0af7…`.
pub(crate) fn line(text: &mut Vec<u8>, line: &Line<'_>) {
    let stamp = timestamp(line.unix_nanos);
    let time = str::from_utf8(&stamp[11..23]).unwrap_or_default();
    let colour = match line.origin.level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    };
    let name = name(line.origin.level).to_ascii_uppercase();
    let _ = write!(text, "{DIM}{time}{PLAIN} {colour}{name:>5}{PLAIN} {DIM}");
    show(text, &line.origin.target);
    let _ = write!(text, "{PLAIN} {BOLD}");
    show(text, inside(line.message));
    text.extend_from_slice(PLAIN.as_bytes());
    let mut fields = Vec::new();
    line.around.append_to(&mut fields, line.fields);
    fields.extend_from_slice(line.fields.text());
    fields.extend_from_slice(line.ids);
    for (key, value) in json::raw_pairs(&fields).filter(|(_, value)| *value != b"null") {
        let _ = write!(text, " {DIM}");
        show(text, inside(key));
        let _ = write!(text, "={PLAIN}");
        show(text, inside(value));
    }
    text.push(b'\n');
}

/// A JSON string without its quotes, or any other value as it is.
fn inside(value: &[u8]) -> &str {
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    str::from_utf8(value).unwrap_or_default()
}

/// Appends text that somebody else has chosen: nothing in it moves the cursor, changes colours, ends the line or turns the
/// direction of writing. What would is shown as `\u{9b}`.
fn show(text: &mut Vec<u8>, shown: &str) {
    let mut rest = shown;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| acts(*c)) {
        let (before, after) = rest.split_at(at);
        let _ = write!(text, "{before}{}", c.escape_unicode());
        rest = &after[c.len_utf8()..];
    }
    text.extend_from_slice(rest.as_bytes());
}

/// Whether a terminal does something else with it than showing it: controls, also DEL and U+0080 to U+009F, ends of lines, and
/// marks of direction.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fields::List;
    use crate::log::{Origin, Render};

    #[test]
    fn nothing_that_somebody_else_has_chosen_acts_on_the_terminal() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let all: &'static str = all.leak();
        let (mut around, mut fields, mut message) = (List::new(), List::new(), Vec::new());
        around.put_str("around", all);
        fields.put_str(all, all);
        json::string(&mut message, all);
        let line = Line {
            unix_nanos: 0,
            origin: &Origin::new(Level::WARN, all, Some(all), Some(1)),
            message: &message,
            ids: b",\"trace_id\":null,\"span_id\":null",
            around: &around,
            fields: &fields,
        };
        let mut text = Vec::new();
        Render::Pretty.line(&mut text, &line);
        let text = String::from_utf8(text).expect("UTF-8");
        let shown = text.strip_suffix('\n').expect("one line");
        let ours =
            ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m"].iter().fold(shown.to_owned(), |s, own| s.replace(own, ""));
        assert_eq!(ours.chars().find(|c| acts(*c)), None);
        assert!(shown.contains("\\u{7f}\\u{80}") && shown.contains("\\u{9b}") && shown.contains("\\u{202e}"));
        assert!(shown.contains("\u{e9}"), "what is only shown stays as it is");
    }
}
