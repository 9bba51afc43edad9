//! Fields, rendered once, as they will stand on a log line.

use std::borrow::Cow;
use std::fmt;

use crate::log::json;
use crate::names;

/// Fields in the order in which they were recorded, no key twice.
#[derive(Clone, Default)]
pub struct Fields {
    /// `,"key":value` for each.
    text: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Where a field stands in the text.
#[derive(Clone)]
struct Piece {
    key: Cow<'static, str>,
    start: usize,
    value: usize,
    end: usize,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Text.
    Str(Cow<'a, str>),
    /// An integer.
    I64(i64),
    /// An integer beyond the signed ones.
    U64(u64),
    /// A number with a fraction.
    F64(f64),
    /// True or false.
    Bool(bool),
}

impl Fields {
    /// Each key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, FieldValue<'_>)> {
        self.pieces.iter().map(|piece| (&*piece.key, json::value(&self.text[piece.value..piece.end])))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<FieldValue<'_>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// `,"key":value` for each, in order.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Each key with its value as JSON text, in order.
    pub(crate) fn rendered(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pieces.iter().map(|piece| (&*piece.key, &self.text[piece.value..piece.end]))
    }

    /// Records a field, in place of one of the same key. A key that every log line begins with gets a trailing `_`.
    pub(crate) fn put(&mut self, key: impl Into<Cow<'static, str>>, render: impl FnOnce(&mut Vec<u8>)) {
        let mut key = key.into();
        if names::RESERVED.contains(&&*key) {
            key = Cow::Owned(format!("{key}_"));
        }
        self.forget(&key);
        let start = self.text.len();
        self.text.extend_from_slice(b",\"");
        json::escape(&mut self.text, &key);
        self.text.extend_from_slice(b"\":");
        let value = self.text.len();
        render(&mut self.text);
        self.pieces.push(Piece { key, start, value, end: self.text.len() });
    }

    /// Records text.
    pub(crate) fn put_str(&mut self, key: impl Into<Cow<'static, str>>, value: &str) {
        self.put(key, |text| json::string(text, value));
    }

    /// Records all of `later`, which wins where a key is here already.
    pub(crate) fn merge(&mut self, later: &Fields) {
        for piece in &later.pieces {
            self.forget(&piece.key);
            let start = self.text.len();
            self.text.extend_from_slice(&later.text[piece.start..piece.end]);
            self.pieces.push(Piece {
                key: piece.key.clone(),
                start,
                value: start + (piece.value - piece.start),
                end: self.text.len(),
            });
        }
    }

    fn forget(&mut self, key: &str) {
        let Some(at) = self.pieces.iter().position(|piece| piece.key == key) else { return };
        let gone = self.pieces.remove(at);
        let length = gone.end - gone.start;
        self.text.drain(gone.start..gone.end);
        for piece in &mut self.pieces[at..] {
            piece.start -= length;
            piece.value -= length;
            piece.end -= length;
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Str(value) => f.write_str(value),
            FieldValue::I64(value) => value.fmt(f),
            FieldValue::U64(value) => value.fmt(f),
            FieldValue::F64(value) => value.fmt(f),
            FieldValue::Bool(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: &Fields) -> &str {
        std::str::from_utf8(fields.text()).expect("UTF-8")
    }

    #[test]
    fn a_field_recorded_again_stands_once_and_last() {
        let mut fields = Fields::default();
        fields.put_str("a", "1");
        fields.put_str("b", "2");
        fields.put_str("a", "3");
        assert_eq!(text(&fields), r#","b":"2","a":"3""#);
        assert_eq!(fields.get("a"), Some(FieldValue::Str("3".into())));
    }

    #[test]
    fn a_reserved_key_gets_an_underscore() {
        let mut fields = Fields::default();
        fields.put_str("trace_id", "forged");
        assert_eq!(text(&fields), r#","trace_id_":"forged""#);
    }

    #[test]
    fn the_inner_one_wins_a_merge() {
        let (mut outer, mut inner) = (Fields::default(), Fields::default());
        outer.put_str("user_id", "u1");
        outer.put_str("x", "outer");
        inner.put_str("x", "inner");
        outer.merge(&inner);
        assert_eq!(text(&outer), r#","user_id":"u1","x":"inner""#);
    }
}
