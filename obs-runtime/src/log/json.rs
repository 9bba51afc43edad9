//! JSON text, by RFC 8259.

use std::borrow::Cow;
use std::fmt;

use crate::engine::FieldValue;
use crate::ids;

/// The longest text of one value, in bytes: what is beyond is cut.
const LONGEST_VALUE: usize = 32 * 1024;

/// Appends `value` with everything escaped that a JSON string may not hold.
#[inline(always)]
pub(crate) fn escape(text: &mut Vec<u8>, value: &str) {
    if is_plain(value) { text.extend_from_slice(value.as_bytes()) } else { escape_runs(text, value) }
}

/// Whether nothing in `value` needs an escape.
#[inline]
pub(crate) fn is_plain(value: &str) -> bool {
    let bytes = value.as_bytes();
    // Sixteen bytes a step, compared all at once; the last step overlaps the one before.
    if let Some(last) = bytes.last_chunk() {
        return bytes.as_chunks().0.iter().all(is_plain_block) && is_plain_block(last);
    }
    // Of a short one the whole is in two words at most, which overlap.
    let found = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        specials(first) | specials(last)
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk()) {
        specials(&[*a, *b, *c, *d, *e, *f, *g, *h])
    } else {
        return !bytes.iter().any(|byte| is_special(*byte));
    };
    found & TOPS == 0
}

/// Without branches inside the block, so that the processor compares its bytes all at once. Between blocks there is one: without, the
/// compiler would take many of them together, for which a value is too short.
#[inline(always)]
fn is_plain_block(block: &[u8; 16]) -> bool {
    !block.iter().fold(false, |found, byte| found | is_special(*byte))
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// A bit at the top of each byte that needs an escape, and perhaps of bytes above such a one; what else there is says nothing.
#[inline]
const fn specials(word: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*word);
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    control | (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash)
}

#[inline]
fn is_special(byte: u8) -> bool {
    // One of the three is zero: control character, quote or slash. Said so, a block of bytes is asked once and not for each of them.
    (byte & !0x1f).min(byte ^ b'"').min(byte ^ b'\\') == 0
}

/// Copies the runs between what must be escaped.
#[cold]
fn escape_runs(text: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    let mut clean = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !is_special(byte) {
            continue;
        }
        text.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            _ => {
                text.extend_from_slice(b"\\u00");
                text.extend_from_slice(&ids::PAIRS[usize::from(byte)]);
            }
        }
    }
    text.extend_from_slice(&bytes[clean..]);
}

/// Appends `value` as a string.
#[inline]
pub(crate) fn string(text: &mut Vec<u8>, value: &str) {
    let value = shortened(value, LONGEST_VALUE);
    text.reserve(value.len() + 2);
    text.push(b'"');
    escape(text, value);
    text.push(b'"');
}

/// Appends `before`, which ends in a quote, and `value` as the string that this quote begins.
#[inline]
pub(crate) fn string_behind(text: &mut Vec<u8>, before: &str, value: &str) {
    let value = shortened(value, LONGEST_VALUE);
    text.reserve(before.len() + value.len() + 1);
    text.extend_from_slice(before.as_bytes());
    escape(text, value);
    text.push(b'"');
}

/// Appends an integer.
pub(crate) fn integer(text: &mut Vec<u8>, value: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number with a fraction; what JSON has no number for is a string.
pub(crate) fn float(text: &mut Vec<u8>, value: f64) {
    use std::io::Write;
    if value.is_finite() {
        // `{:?}` is the shortest text that reads back as the same number, with a `.0` or an exponent that tells it from an integer.
        let _ = write!(text, "{value:?}");
    } else {
        string(
            text,
            if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            },
        );
    }
}

/// Appends `true` or `false`.
pub(crate) fn boolean(text: &mut Vec<u8>, value: bool) {
    text.extend_from_slice(if value { b"true" } else { b"false" });
}

/// A formatter's output, escaped on its way, and cut where it is too long.
pub(crate) struct Escaped<'a> {
    text: &'a mut Vec<u8>,
    room: usize,
}

impl<'a> Escaped<'a> {
    pub(crate) fn new(text: &'a mut Vec<u8>) -> Self {
        Escaped { text, room: LONGEST_VALUE }
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let part = shortened(part, self.room);
        self.room -= part.len();
        escape(self.text, part);
        Ok(())
    }
}

/// The longest beginning of `value` of at most `length` bytes that ends between characters.
#[inline]
fn shortened(value: &str, length: usize) -> &str {
    if value.len() <= length { value } else { &value[..value.floor_char_boundary(length)] }
}

/// Reads `,"key":value` for each that was written by this module.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, FieldValue<'_>)> {
    raw_pairs(text).map(|(key, value)| (self::key(key), self::value(value)))
}

/// A key as [`raw_pairs`] gives it.
pub(crate) fn key(text: &[u8]) -> Cow<'_, str> {
    unescape(inside(text))
}

/// The same, with key and value as they were written.
pub(crate) fn raw_pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let key = rest.strip_prefix(b",")?;
        let (key, value) = key.split_at(end_of_value(key));
        let value = value.strip_prefix(b":")?;
        let (value, after) = value.split_at(end_of_value(value));
        rest = after;
        Some((key, value))
    })
}

/// What stands behind the colon of `,"key":value`.
pub(crate) fn after_key(piece: &[u8]) -> &[u8] {
    let key = piece.get(1..).unwrap_or_default();
    key.get(end_of_value(key) + 1..).unwrap_or_default()
}

/// How long the value is that `text` begins with.
fn end_of_value(text: &[u8]) -> usize {
    if text.first() != Some(&b'"') {
        return text.iter().position(|byte| *byte == b',').unwrap_or(text.len());
    }
    let mut escaped = false;
    let end = text[1..].iter().position(|byte| {
        let closes = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        closes
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A string without its quotes.
fn inside(text: &[u8]) -> &str {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Reads one value that was written by this module.
pub(crate) fn value(text: &[u8]) -> FieldValue<'_> {
    if text.first() == Some(&b'"') {
        return FieldValue::Str(unescape(inside(text)));
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let Ok(value) = text.parse::<bool>() {
        return FieldValue::Bool(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return FieldValue::I64(value);
    }
    if let Ok(value) = text.parse::<u64>() {
        return FieldValue::U64(value);
    }
    // An integer of 128 bits has no type on the wire: it stays text.
    match text.parse::<f64>() {
        Ok(value) if text.contains(['.', 'e', 'E']) => FieldValue::F64(value),
        _ => FieldValue::Str(Cow::Borrowed(text)),
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = &rest[(at + 2).min(rest.len())..];
        match escape {
            b'n' => plain.push('\n'),
            b'r' => plain.push('\r'),
            b't' => plain.push('\t'),
            b'u' => {
                let code = rest.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                plain.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = rest.get(4..).unwrap_or_default();
            }
            other => plain.push(char::from(other)),
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_round_trips() {
        let all: String = (0u32..0x300).filter_map(char::from_u32).chain("\u{2028}😀".chars()).collect();
        let mut text = Vec::new();
        string(&mut text, &all);
        let parsed: String = serde_json::from_slice(&text).expect("valid JSON");
        assert_eq!(parsed, all);
        assert_eq!(value(&text), FieldValue::Str(all.into()));
    }

    #[test]
    fn what_needs_an_escape_is_found_at_every_place() {
        for length in 0..40 {
            let plain = "é~a ".repeat(12)[..].chars().take(length).collect::<String>();
            assert!(is_plain(&plain));
            for at in 0..length {
                for special in ['"', '\\', '\n', '\0', '\u{1f}'] {
                    let found: String =
                        plain.chars().enumerate().map(|(n, c)| if n == at { special } else { c }).collect();
                    assert!(!is_plain(&found), "{found:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_keep_their_type() {
        let read = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut text = Vec::new();
            write(&mut text);
            match value(&text) {
                FieldValue::Str(text) => format!("str {text}"),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(read(&|text| integer(text, -7)), "I64(-7)");
        assert_eq!(read(&|text| integer(text, u64::MAX)), "U64(18446744073709551615)");
        assert_eq!(read(&|text| float(text, 1.0)), "F64(1.0)");
        assert_eq!(read(&|text| float(text, 1e300)), "F64(1e300)");
        assert_eq!(read(&|text| float(text, f64::NAN)), "str NaN");
        assert_eq!(read(&|text| integer(text, u128::MAX)), format!("str {}", u128::MAX));
    }

    #[test]
    fn a_value_beyond_the_bound_is_cut_between_characters() {
        let mut text = Vec::new();
        string(&mut text, &"é".repeat(LONGEST_VALUE));
        let parsed: String = serde_json::from_slice(&text).expect("valid JSON");
        assert_eq!(parsed.len(), LONGEST_VALUE);
    }
}
