//! What an agent said in a line: level, message and trace from a line of JSON, else the text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::{Level, TraceId};

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    pub(crate) level: Level,
    pub(crate) message: Cow<'a, str>,
    pub(crate) trace_id: Option<TraceId>,
    /// The members of the object that are not in the above, as an object; or empty.
    pub(crate) fields: String,
}

impl<'a> Content<'a> {
    /// Reads a line. `cut` says that its end is missing.
    pub(crate) fn read(line: &'a [u8], cut: bool) -> Self {
        let line = if cut { whole_characters(line) } else { line };
        // The end of a line on Windows.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        match &text {
            Cow::Borrowed(json) if json.starts_with('{') => object(json),
            Cow::Owned(json) if json.starts_with('{') => object(json).map(Content::into_owned),
            _ => None,
        }
        .unwrap_or(Content { level: Level::Info, message: text, trace_id: None, fields: String::new() })
    }

    fn into_owned<'b>(self) -> Content<'b> {
        Content { message: Cow::Owned(self.message.into_owned()), ..self }
    }
}

/// Without the bytes of a character that was cut in two.
fn whole_characters(line: &[u8]) -> &[u8] {
    match str::from_utf8(line) {
        Err(err) if err.error_len().is_none() => &line[..err.valid_up_to()],
        _ => line,
    }
}

/// Reads a line that is one JSON object with a message.
fn object(json: &str) -> Option<Content<'_>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let object = deserializer.deserialize_map(ObjectVisitor).ok()?;
    deserializer.end().ok()?;
    let Object { level, message, trace_id, mut fields } = object;
    if !fields.is_empty() {
        fields.push('}');
    }
    Some(Content { level: level.unwrap_or_default(), message: message?, trace_id, fields })
}

#[derive(Default)]
struct Object<'a> {
    level: Option<Level>,
    message: Option<Cow<'a, str>>,
    trace_id: Option<TraceId>,
    /// Empty, or an object without its closing brace.
    fields: String,
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "level" | "severity" | "lvl" | "log_level" if object.level.is_none() => {
                    let value: &RawValue = map.next_value()?;
                    match level(value.get()) {
                        Some(level) => object.level = Some(level),
                        None => object.keep(&key, value.get()),
                    }
                }
                "message" | "msg" if object.message.is_none() => {
                    let value: &RawValue = map.next_value()?;
                    match serde_json::from_str(value.get()) {
                        Ok(Text(message)) => object.message = Some(message),
                        Err(_) => object.keep(&key, value.get()),
                    }
                }
                "trace_id" | "traceId" if object.trace_id.is_none() => {
                    let value: &RawValue = map.next_value()?;
                    match serde_json::from_str(value.get()).ok().and_then(|Text(id)| TraceId::parse(&id)) {
                        Some(id) => object.trace_id = Some(id),
                        // A line outside of any span says `null`.
                        None if value.get() == "null" => {}
                        None => object.keep(&key, value.get()),
                    }
                }
                // The runtime's time is the line's, and the same for all agents.
                "timestamp" | "time" | "ts" | "@timestamp" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => object.keep(&key, map.next_value::<&RawValue>()?.get()),
            }
        }
        Ok(object)
    }
}

impl Object<'_> {
    fn keep(&mut self, key: &str, value: &str) {
        self.fields.push(if self.fields.is_empty() { '{' } else { ',' });
        // A string is always written.
        self.fields.push_str(&serde_json::to_string(key).unwrap_or_default());
        self.fields.push(':');
        self.fields.push_str(value);
    }
}

/// A level by name, or by number as pino and bunyan write it.
fn level(json: &str) -> Option<Level> {
    if let Ok(Text(name)) = serde_json::from_str(json) {
        return Level::named(&name);
    }
    match json.parse::<u32>().ok()? {
        10..20 => Some(Level::Trace),
        20..30 => Some(Level::Debug),
        30..40 => Some(Level::Info),
        40..50 => Some(Level::Warn),
        50..=60 => Some(Level::Error),
        _ => None,
    }
}

/// A string, borrowed where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Level, String, Option<String>, String) {
        let content = Content::read(line.as_bytes(), false);
        (content.level, content.message.into_owned(), content.trace_id.map(|id| id.to_string()), content.fields)
    }

    fn text(line: &str) -> (Level, String, Option<String>, String) {
        (Level::Info, line.to_owned(), None, String::new())
    }

    #[test]
    fn a_line_of_json_says_its_level_its_message_and_its_trace() {
        let line = concat!(
            r#"{"timestamp":"2026-01-15T10:30:00.123Z","level":"WARN","target":"a::b","message":"low \"mem\"","#,
            r#""trace_id":"0af7651916cd43dd8448eb211c80319c","line":42,"more":{"a":[1, 2]}}"#
        );
        assert_eq!(
            read(line),
            (
                Level::Warn,
                "low \"mem\"".to_owned(),
                Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
                r#"{"target":"a::b","line":42,"more":{"a":[1, 2]}}"#.to_owned()
            )
        );
    }

    #[test]
    fn the_loggers_of_other_languages_are_understood() {
        assert_eq!(read(r#"{"level":50,"time":1,"msg":"x"}"#), (Level::Error, "x".to_owned(), None, String::new()));
        assert_eq!(read(r#"{"severity":"CRITICAL","message":"x"}"#).0, Level::Error);
        assert_eq!(read(r#"{"lvl":"warning","msg":""}"#), (Level::Warn, String::new(), None, String::new()));
    }

    #[test]
    fn what_is_of_another_kind_than_expected_is_kept_among_the_fields() {
        assert_eq!(
            read(r#"{"level":"loud","message":"x","trace_id":"7","trace_id":null,"\u0022":1}"#),
            (Level::Info, "x".to_owned(), None, r#"{"level":"loud","trace_id":"7","\"":1}"#.to_owned())
        );
    }

    #[test]
    fn a_line_that_is_no_object_with_a_message_is_its_text() {
        for line in [
            "",
            "hello",
            "{",
            "{}",
            r#"{"level":"error"}"#,
            r#"{"message":1}"#,
            r#"{"message":"x"} and more"#,
            r#"["message"]"#,
            r#"{"message":"x","level":}"#,
        ] {
            assert_eq!(read(line), text(line), "{line}");
        }
    }

    #[test]
    fn nesting_without_end_is_text() {
        let line = r#"{"a":"#.repeat(100_000);
        assert_eq!(read(&line), text(&line));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        let content = Content::read(b"{\"message\":\"a\xff\",\"level\":\"error\"}", false);
        assert_eq!((content.level, &*content.message), (Level::Error, "a\u{fffd}"));
        assert_eq!(&*Content::read(b"\xc3(\r", false).message, "\u{fffd}(");
    }

    #[test]
    fn a_cut_line_ends_with_a_whole_character() {
        assert_eq!(&*Content::read("ab\u{20ac}".as_bytes().get(..4).unwrap(), true).message, "ab");
    }
}
