//! What Loki answers: streams that are split by labels and structured metadata, each with its lines.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::read::Matcher;
use super::super::{Cursor, StoreError};
use crate::collect::content::Content;
use crate::model::{Entry, Level, Stream, TraceId};

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

    /// The line as a reader sees it, if it is wanted: Loki is asked for such lines alone; what it gives is looked at all the same.
    pub(super) fn entry(&self, matcher: &Matcher<'_>) -> Option<Entry> {
        let label = |name| self.labels.get(name).map(String::as_str);
        let mut content = Content::read(self.text.as_bytes(), false);
        // A text says nothing of its level; who sent it may have known.
        if content.level == Level::Info
            && let Some(level) = label("level").and_then(Level::named)
        {
            content.level = level;
        }
        content.trace_id = label("trace_id").and_then(TraceId::parse).or(content.trace_id);
        let stream = if label("output") == Some("stderr") { Stream::Stderr } else { Stream::Stdout };
        let time = i64::try_from(self.cursor.at).unwrap_or(i64::MAX);
        let record = content.record(time, stream, label("cut") == Some("true"));
        matcher.wants(&record).then(|| record.entry(self.cursor.at))
    }
}
