//! What Loki answers: streams that are split by labels and structured metadata, each with its lines.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::{Cursor, Filter, StoreError};
use crate::collect::content::Content;
use crate::model::{Entry, Level, Stream, TraceId, timestamp};

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<StreamOfLines>,
}

#[derive(Deserialize)]
struct StreamOfLines {
    stream: BTreeMap<String, String>,
    values: Vec<Value>,
}

/// Time, line, and where the labels were asked to be apart, what is not in `stream`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Plain(String, String),
    Apart(String, String, serde_json::Value),
}

/// A line as Loki has it.
pub(super) struct Line {
    cursor: Cursor,
    labels: BTreeMap<String, String>,
    text: String,
}

/// All lines of an answer.
pub(super) fn lines(json: &[u8]) -> Result<Vec<Line>, StoreError> {
    let unreadable = || StoreError::Unreadable("an answer of Loki");
    let answer: Answer = serde_json::from_slice(json).map_err(|_| unreadable())?;
    let mut lines = Vec::new();
    for stream in answer.data.result {
        for value in stream.values {
            let (time, text, apart) = match value {
                Value::Plain(time, text) => (time, text, serde_json::Value::Null),
                Value::Apart(time, text, apart) => (time, text, apart),
            };
            let mut labels = stream.stream.clone();
            for part in [&apart, &apart["structuredMetadata"]] {
                let texts = part.as_object().into_iter().flatten();
                labels.extend(texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
            }
            let at = time.parse().map_err(|_| unreadable())?;
            lines.push(Line { cursor: Cursor { at, tie: tie(&labels, &text) }, labels, text });
        }
    }
    Ok(lines)
}

/// What tells lines of the same time from each other: the same in every answer.
fn tie(labels: &BTreeMap<String, String>, text: &str) -> u64 {
    let mut hash = Sha256::new();
    for name in ["output", "trace_id"] {
        let value = labels.get(name).map(String::as_str).unwrap_or_default();
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    hash.update(text);
    hash.finalize().iter().take(8).fold(0, |tie, byte| tie << 8 | u64::from(*byte))
}

impl Line {
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(super) fn time(&self) -> u64 {
        self.cursor.at
    }

    fn content(&self) -> Content<'_> {
        let mut content = Content::read(self.text.as_bytes(), false);
        // A text says nothing of its level; who sent it may have known.
        if content.level == Level::Info
            && let Some(level) = self.labels.get("level").and_then(|name| Level::named(name))
        {
            content.level = level;
        }
        content.trace_id = self.labels.get("trace_id").and_then(|id| TraceId::parse(id)).or(content.trace_id);
        content
    }

    /// Loki is asked for these lines alone; what it gives is looked at all the same.
    pub(super) fn matches(&self, filter: &Filter) -> bool {
        let content = self.content();
        let time = timestamp(i64::try_from(self.cursor.at).unwrap_or(i64::MAX));
        filter.since.is_none_or(|since| time >= since)
            && filter.until.is_none_or(|until| time < until)
            && filter.level.is_none_or(|level| content.level >= level)
            && filter.trace_id.is_none_or(|id| content.trace_id == Some(id))
            && filter.q.as_deref().is_none_or(|q| content.message.contains(q) || content.fields.contains(q))
    }

    pub(super) fn into_entry(self) -> Entry {
        let content = self.content();
        Entry {
            timestamp: timestamp(i64::try_from(self.cursor.at).unwrap_or(i64::MAX)),
            level: content.level,
            message: content.message.clone().into_owned(),
            seq: self.cursor.at,
            stream: match self.labels.get("output").map(String::as_str) {
                Some("stderr") => Stream::Stderr,
                _ => Stream::Stdout,
            },
            trace_id: content.trace_id,
            fields: Some(&content.fields)
                .filter(|fields| !fields.is_empty())
                .and_then(|fields| serde_json::from_str(fields).ok()),
            cut: self.labels.get("cut").is_some_and(|cut| cut == "true"),
        }
    }
}
