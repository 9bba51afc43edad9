//! JSON text, by RFC 8259.

use std::borrow::Cow;
use std::fmt;

use crate::engine::FieldValue;

/// The longest text of one value, in bytes: what is beyond is cut.
const LONGEST_VALUE: usize = 32 * 1024;

/// Appends `value` with everything escaped that a JSON string may not hold.
pub(crate) fn escape(text: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    let mut clean = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
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
                const HEX: &[u8; 16] = b"0123456789abcdef";
                text.extend_from_slice(b"\\u00");
                text.push(HEX[usize::from(byte >> 4)]);
                text.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    text.extend_from_slice(&bytes[clean..]);
}

/// Appends `value` as a string.
pub(crate) fn string(text: &mut Vec<u8>, value: &str) {
    text.push(b'"');
    escape(text, shortened(value, LONGEST_VALUE));
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
fn shortened(value: &str, length: usize) -> &str {
    if value.len() <= length { value } else { &value[..value.floor_char_boundary(length)] }
}

/// Reads one value that was written by this module.
pub(crate) fn value(text: &[u8]) -> FieldValue<'_> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let Some(inside) = text.strip_prefix('"') {
        return FieldValue::Str(unescape(inside.strip_suffix('"').unwrap_or(inside)));
    }
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
