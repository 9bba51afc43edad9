//! Fields, rendered once, as they will stand on a log line.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::engine::record::Parent;
use crate::log::json;
use crate::names;
use crate::outcome::Ended;
use crate::propagation;

/// The fields of a span that has ended, in the order in which they were recorded, no key twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// `,"key":value` for each.
    text: Vec<u8>,
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
    /// `text` is what a [`List`] has rendered.
    pub(crate) fn of(text: &[u8]) -> Self {
        Fields { text: text.to_vec() }
    }

    /// Each key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, FieldValue<'_>)> {
        json::pairs(&self.text)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<FieldValue<'_>> {
        self.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// `,"key":value` for each.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Adds a field, unless there is one of that key.
    #[cfg(test)]
    pub(crate) fn put(&mut self, key: &str, render: impl FnOnce(&mut Vec<u8>)) {
        if self.get(key).is_none() {
            self.text.push(b',');
            json::string(&mut self.text, key);
            self.text.push(b':');
            render(&mut self.text);
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

/// Fields while they are recorded: inherited ones first, then one's own, no key twice.
#[derive(Default)]
pub(crate) struct List {
    /// `,"key":value` for each.
    text: Vec<u8>,
    pieces: Vec<Piece>,
    /// One bit a key: where two lists have no bit in common, they have no key in common.
    mask: u64,
    /// Where one's own fields begin, in the text and in the pieces.
    own_text: usize,
    own_pieces: usize,
    /// The spans above the parent, the nearest last: a field that comes late to one is looked for there, once those below it have closed.
    above: Vec<Ancestor>,
}

/// A span further up than the parent.
#[derive(Clone, Copy)]
pub(crate) struct Ancestor {
    pub(crate) span: Parent,
    /// Where the pieces end that it has recorded or inherited.
    pieces: usize,
}

/// So many of the nearest are known.
const ABOVE_KEPT: usize = 8;

/// A key that is known before its first value: rendered once.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The name as a field bears it.
    public: &'static str,
    /// `,"key":"`: the last quote is for a value that is text.
    text: Box<str>,
    bit: u64,
}

impl Key {
    pub(crate) fn new(name: &'static str) -> Self {
        let public = unreserved(name);
        let mut text = Vec::new();
        text.extend_from_slice(b",\"");
        json::escape(&mut text, public);
        text.extend_from_slice(b"\":\"");
        Key { name, public, text: String::from_utf8_lossy(&text).into(), bit: bit(public) }
    }
}

/// Where a field stands in the text.
#[derive(Clone, Copy)]
struct Piece {
    key: &'static str,
    start: u32,
    end: u32,
}

/// A buffer beyond this is given back when its record is used again.
const LARGEST_KEPT: usize = 8 * 1024;

impl List {
    pub(crate) const fn new() -> Self {
        List { text: Vec::new(), pieces: Vec::new(), mask: 0, own_text: 0, own_pieces: 0, above: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
        self.above.clear();
        (self.mask, self.own_text, self.own_pieces) = (0, 0, 0);
        if self.text.capacity() > LARGEST_KEPT {
            self.text = Vec::new();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// `,"key":value` for each, in order.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The same for one's own.
    pub(crate) fn own_text(&self) -> &[u8] {
        &self.text[self.own_text..]
    }

    /// Whether there may be inherited fields that spans bear all the same: no is certain.
    #[inline]
    pub(crate) fn may_share(&self) -> bool {
        self.own_pieces > 0 && (self.mask & TRAVELLING_BITS != 0 || !propagation::baggage_fields().is_empty())
    }

    /// What a span bears of its inherited fields: the ids that travel, and what the configuration wants to see of the baggage.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &[u8]> {
        let baggage = propagation::baggage_fields();
        let is_shared =
            |key| names::TRAVELLING_IDS.contains(&key) || baggage.iter().any(|chosen| unreserved(chosen) == key);
        self.pieces[..self.own_pieces].iter().filter(move |piece| is_shared(piece.key)).map(|piece| self.piece(piece))
    }

    /// Each of one's own.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&'static str, FieldValue<'_>)> {
        self.pieces[self.own_pieces..].iter().map(|piece| (piece.key, json::value(json::after_key(self.piece(piece)))))
    }

    /// The value of a field, inherited or not, as JSON.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        if !self.may_have(key) {
            return None;
        }
        self.pieces.iter().find(|piece| piece.key == key).map(|piece| json::after_key(self.piece(piece)))
    }

    fn piece(&self, piece: &Piece) -> &[u8] {
        &self.text[piece.start as usize..piece.end as usize]
    }

    /// Whether there may be a field of this name: no is certain.
    #[inline]
    pub(crate) fn may_have(&self, key: &str) -> bool {
        self.mask & bit(key) != 0
    }

    /// Begins with all that `parent` has; what follows is one's own. What that inherits from is `above`.
    pub(crate) fn inherit(&mut self, parent: &List, above: Parent) {
        self.text.extend_from_slice(&parent.text);
        self.pieces.extend_from_slice(&parent.pieces);
        self.mask = parent.mask;
        (self.own_text, self.own_pieces) = (self.text.len(), self.pieces.len());
        if above.key != 0 {
            self.above.extend_from_slice(&parent.above[parent.above.len().saturating_sub(ABOVE_KEPT - 1)..]);
            self.above.push(Ancestor { span: above, pieces: parent.own_pieces });
        }
    }

    /// The spans above the parent, the nearest last.
    pub(crate) fn above(&self) -> &[Ancestor] {
        &self.above
    }

    /// Records a field, in place of one of the same key. A key that every log line begins with gets a trailing `_`.
    #[inline]
    pub(crate) fn put(&mut self, key: &'static str, render: impl FnOnce(&mut Vec<u8>)) {
        let key = unreserved(key);
        if self.mask & bit(key) != 0 {
            self.forget(key);
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(b",\"");
        json::escape(&mut self.text, key);
        self.text.extend_from_slice(b"\":");
        render(&mut self.text);
        self.add(key, start);
    }

    /// The same for a key that is rendered already.
    #[inline]
    pub(crate) fn put_key(&mut self, key: &'static Key, render: impl FnOnce(&mut Vec<u8>)) {
        if self.mask & key.bit != 0 {
            self.forget(key.public);
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(&key.text.as_bytes()[..key.text.len() - 1]);
        render(&mut self.text);
        self.pieces.push(Piece { key: key.public, start, end: self.text.len() as u32 });
        self.mask |= key.bit;
    }

    /// The same for text, which is what most values are.
    #[inline]
    pub(crate) fn put_key_str(&mut self, key: &'static Key, value: &str) {
        if self.mask & key.bit != 0 {
            self.forget(key.public);
        }
        let start = self.text.len() as u32;
        json::string_behind(&mut self.text, &key.text, value);
        self.pieces.push(Piece { key: key.public, start, end: self.text.len() as u32 });
        self.mask |= key.bit;
    }

    /// Records how a call ended.
    #[inline]
    pub(crate) fn put_outcome(&mut self, outcome: Ended) {
        /// `outcome` with each of its values.
        const TEXTS: [&str; Ended::ALL.len()] =
            [r#","outcome":"ok""#, r#","outcome":"error""#, r#","outcome":"cancelled""#, r#","outcome":"panicked""#];
        if self.mask & const { bit(names::OUTCOME) } != 0 {
            self.forget(names::OUTCOME);
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(TEXTS[outcome as usize].as_bytes());
        self.add(names::OUTCOME, start);
    }

    #[inline]
    fn add(&mut self, key: &'static str, start: u32) {
        self.pieces.push(Piece { key, start, end: self.text.len() as u32 });
        self.mask |= bit(key);
    }

    /// Records text.
    pub(crate) fn put_str(&mut self, key: &'static str, value: &str) {
        self.put(key, |text| json::string(text, value));
    }

    /// Records all of `later`, which wins where a key is here already.
    pub(crate) fn merge(&mut self, later: &List) {
        self.merge_pieces(later, 0..later.pieces.len());
    }

    /// Records what `later` has of its own.
    pub(crate) fn merge_own(&mut self, later: &List) {
        self.merge_pieces(later, later.own_pieces..later.pieces.len());
    }

    fn merge_pieces(&mut self, later: &List, which: Range<usize>) {
        for piece in &later.pieces[which] {
            if self.mask & bit(piece.key) != 0 {
                self.forget(piece.key);
            }
            let start = self.text.len() as u32;
            self.text.extend_from_slice(later.piece(piece));
            self.add(piece.key, start);
        }
    }

    /// Puts what a span around has now in place of what came from it: the parent, or `span` where so many between them have closed.
    /// What those had recorded stays, and so does one's own.
    pub(crate) fn inherit_again(&mut self, around: &List, above: Parent, span: Parent, closed: usize) {
        let mut fresh = List::new();
        fresh.inherit(around, above);
        let between = &self.above[self.above.len() - closed..];
        let spans = std::iter::once(span).chain(between.iter().skip(1).map(|ancestor| ancestor.span));
        let ends = between.iter().skip(1).map(|ancestor| ancestor.pieces).chain([self.own_pieces]);
        let mut begin = between.first().map_or(self.own_pieces, |ancestor| ancestor.pieces);
        for ((span, end), _) in spans.zip(ends).zip(between) {
            fresh.above.push(Ancestor { span, pieces: fresh.pieces.len() });
            fresh.merge_pieces(self, begin..end);
            begin = end;
        }
        (fresh.own_text, fresh.own_pieces) = (fresh.text.len(), fresh.pieces.len());
        fresh.merge_pieces(self, begin..self.pieces.len());
        *self = fresh;
    }

    /// Appends the fields that `over` does not have.
    #[inline]
    pub(crate) fn append_to(&self, text: &mut Vec<u8>, over: &List) {
        if self.mask & over.mask == 0 {
            text.extend_from_slice(&self.text);
        } else {
            self.append_some(text, over);
        }
    }

    #[cold]
    fn append_some(&self, text: &mut Vec<u8>, over: &List) {
        for piece in self.pieces.iter().filter(|piece| !over.pieces.iter().any(|other| other.key == piece.key)) {
            text.extend_from_slice(self.piece(piece));
        }
    }

    /// Takes a field away, if it is there.
    #[cold]
    pub(crate) fn forget(&mut self, key: &str) {
        let Some(at) = self.pieces.iter().position(|piece| piece.key == key) else { return };
        let gone = self.pieces.remove(at);
        self.text.drain(gone.start as usize..gone.end as usize);
        let length = gone.end - gone.start;
        for piece in &mut self.pieces[at..] {
            piece.start -= length;
            piece.end -= length;
        }
        if at < self.own_pieces {
            self.own_pieces -= 1;
            self.own_text -= length as usize;
        }
        for ancestor in self.above.iter_mut().filter(|ancestor| at < ancestor.pieces) {
            ancestor.pieces -= 1;
        }
    }
}

const fn bit(key: &str) -> u64 {
    let key = key.as_bytes();
    if key.is_empty() {
        return 1;
    }
    let mixed = key.len() + key[0] as usize * 7 + key[key.len() - 1] as usize * 31 + key[key.len() / 2] as usize * 3;
    1 << (mixed & 63)
}

const RESERVED_BITS: u64 = bits(&names::RESERVED);
const TRAVELLING_BITS: u64 = bits(&names::TRAVELLING_IDS);

const fn bits(keys: &[&str]) -> u64 {
    let mut bits = 0;
    let mut at = 0;
    while at < keys.len() {
        bits |= bit(keys[at]);
        at += 1;
    }
    bits
}

#[inline]
fn unreserved(key: &'static str) -> &'static str {
    if bit(key) & RESERVED_BITS == 0 { key } else { renamed(key) }
}

#[cold]
fn renamed(key: &'static str) -> &'static str {
    match names::RESERVED.iter().position(|reserved| *reserved == key) {
        Some(at) => names::RESERVED_AS_FIELDS[at],
        None => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: &List) -> &str {
        std::str::from_utf8(list.text()).expect("UTF-8")
    }

    #[test]
    fn a_field_recorded_again_stands_once_and_last() {
        let mut list = List::new();
        list.put_str("a", "1");
        list.put_str("b", "2");
        list.put_str("a", "3");
        assert_eq!(text(&list), r#","b":"2","a":"3""#);
        assert_eq!(list.own().last(), Some(("a", FieldValue::Str("3".into()))));
    }

    #[test]
    fn an_outcome_is_recorded_as_its_text() {
        for outcome in Ended::ALL {
            let (mut ready, mut rendered) = (List::new(), List::new());
            ready.put_str(names::OUTCOME, "mine");
            ready.put_outcome(outcome);
            rendered.put_str(names::OUTCOME, outcome.as_str());
            assert_eq!(text(&ready), text(&rendered));
        }
    }

    #[test]
    fn a_reserved_key_gets_an_underscore() {
        let mut list = List::new();
        list.put_str("trace_id", "forged");
        assert_eq!(text(&list), r#","trace_id_":"forged""#);
    }

    #[test]
    fn an_inherited_field_that_is_recorded_again_becomes_ones_own() {
        let (mut parent, mut child) = (List::new(), List::new());
        parent.put_str("user_id", "u1");
        parent.put_str("x", "outer");
        child.inherit(&parent, Parent::default());
        child.put_str("x", "inner");
        assert_eq!(text(&child), r#","user_id":"u1","x":"inner""#);
        assert_eq!(child.own_text(), br#","x":"inner""#);
    }

    #[test]
    fn what_is_inherited_again_leaves_ones_own_in_place() {
        let (mut parent, mut child) = (List::new(), List::new());
        parent.put_str("user_id", "u1");
        child.inherit(&parent, Parent::default());
        child.put_str("x", "mine");
        parent.put_str("agent_id", "a1");
        parent.put_str("x", "late");
        child.inherit_again(&parent, Parent::default(), Parent::default(), 0);
        assert_eq!(text(&child), r#","user_id":"u1","agent_id":"a1","x":"mine""#);
        assert_eq!(child.own_text(), br#","x":"mine""#);
    }

    #[test]
    fn a_line_leaves_out_what_its_own_fields_override_even_where_bits_collide() {
        let (mut span, mut event) = (List::new(), List::new());
        span.put_str("ab", "1");
        span.put_str("cd", "2");
        event.put_str("ab", "3");
        let mut line = Vec::new();
        span.append_to(&mut line, &event);
        assert_eq!(line, br#","cd":"2""#);
    }

    #[test]
    fn fields_read_back_as_they_were_written() {
        let mut list = List::new();
        list.put("odd \"key\", with: all", |text| json::integer(text, 7));
        list.put_str("text", "a \"quoted\", comma: and \\ slash\n");
        list.put("yes", |text| json::boolean(text, true));
        let fields = Fields::of(list.own_text());
        let read: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(read, ["odd \"key\", with: all=7", "text=a \"quoted\", comma: and \\ slash\n", "yes=true"]);
        assert_eq!(list.own().next(), Some(("odd \"key\", with: all", FieldValue::I64(7))));
    }
}
