//! Lines on their way to Loki.

use serde_json::{Map, Value, json};

use super::super::block::{Block, Lines, Record};
use super::super::remote::text;
use super::super::{Batch, StoreError};
use crate::model::{Level, Stream};

/// A request has about so many bytes at most.
const REQUEST: usize = 1 << 20;

/// The body of a push.
pub(super) struct Request {
    pub(super) body: Vec<u8>,
    pub(super) lines: u64,
}

/// The lines of a batch as bodies of pushes, in their order.
pub(super) fn requests(batch: &Batch) -> Result<Vec<Request>, StoreError> {
    let mut requests = Requests { done: Vec::new(), streams: Vec::new(), bytes: 0, lines: 0 };
    for lines in batch.agents() {
        let agent = lines.owner().agent_id.as_str();
        for block in &lines.blocks {
            let mut by_level: [Vec<Value>; Level::ALL.len()] = Default::default();
            for record in Lines::of(&block.bytes) {
                let record = record?;
                by_level[record.level as usize].push(value(&record));
            }
            let streams = Level::ALL.iter().zip(by_level).filter(|(_, values)| !values.is_empty());
            let streams = streams.map(|(level, values)| {
                json!({"stream": {"stream": "agent", "agent_id": agent, "level": level.as_str()}, "values": values})
            });
            requests.add(streams, block);
        }
    }
    requests.finish();
    Ok(requests.done)
}

struct Requests {
    done: Vec<Request>,
    streams: Vec<Value>,
    bytes: usize,
    lines: u64,
}

impl Requests {
    fn add(&mut self, streams: impl Iterator<Item = Value>, block: &Block) {
        if self.bytes + block.bytes.len() > REQUEST {
            self.finish();
        }
        self.streams.extend(streams);
        self.bytes += block.bytes.len();
        self.lines += u64::from(block.summary.lines);
    }

    fn finish(&mut self) {
        if self.streams.is_empty() {
            return;
        }
        let body = json!({"streams": std::mem::take(&mut self.streams)}).to_string().into_bytes();
        self.done.push(Request { body, lines: std::mem::take(&mut self.lines) });
        self.bytes = 0;
    }
}

/// Time, line and structured metadata.
fn value(record: &Record<'_>) -> Value {
    let mut metadata = Map::new();
    if record.stream == Stream::Stderr {
        metadata.insert("output".to_owned(), "stderr".into());
    }
    if record.cut {
        metadata.insert("cut".to_owned(), "true".into());
    }
    if let Some(id) = record.trace_id {
        metadata.insert("trace_id".to_owned(), id.to_string().into());
    }
    json!([record.timestamp.to_string(), text(record, ""), metadata])
}
