//! What stores have in common that keep lines in a service.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::block::Record;
use super::{Batch, Checkpoint, StoreError};
use crate::collect::Position;
use crate::collect::content::Content;
use crate::metrics::{Fault, FaultLabels, metrics};
use crate::model::{Level, Stream};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Lines may bear a time that is a little ahead of ours.
pub(super) const AHEAD: Duration = Duration::from_secs(60);

/// The text of a line: its message, or JSON where there is more to say, or where the message itself would be read as that. `extra` are
/// members that the service has no other place for, each with a comma behind it.
pub(super) fn text(record: &Record<'_>, extra: &str) -> String {
    let message = String::from_utf8_lossy(record.message);
    let fields = str::from_utf8(record.fields).unwrap_or_default();
    let plain = extra.is_empty() && fields.is_empty() && record.level == Level::Info;
    if plain && !message.starts_with('{') {
        return message.into_owned();
    }
    let mut text = format!(r#"{{{extra}"level":"{}","message":{}"#, record.level, Value::from(&*message));
    match fields.strip_prefix('{') {
        Some(rest) => {
            text.push(',');
            text.push_str(rest);
        }
        None => text.push('}'),
    }
    text
}

impl Content<'_> {
    /// What was read from a text, as a line.
    pub(super) fn record(&self, timestamp: i64, stream: Stream, cut: bool) -> Record<'_> {
        let (message, fields) = (self.message.as_bytes(), self.fields.as_bytes());
        Record { timestamp, stream, level: self.level, trace_id: self.trace_id, cut, message, fields }
    }
}

impl Fault {
    /// What a status says, if one came.
    pub(super) fn of(status: Option<u16>) -> Self {
        match status {
            Some(429) => Fault::Throttled,
            Some(400..=499) => Fault::Refused,
            _ => Fault::Unavailable,
        }
    }
}

/// The error of a service that did not answer as it should; it is counted.
pub(super) fn failed(what: &'static str, fault: Fault, status: Option<u16>, source: Option<BoxError>) -> StoreError {
    metrics().remote_errors_total.with(FaultLabels { reason: fault }).inc();
    StoreError::Remote { what, status, source }
}

/// How far the files are read, in a file of our own: the service has no place for it.
pub(super) struct Checkpoints {
    file: Option<PathBuf>,
    /// Those of all files, as in that file.
    known: Mutex<HashMap<String, Position>>,
}

impl Checkpoints {
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self, StoreError> {
        let known = match file.as_ref().map(std::fs::read) {
            Some(Ok(json)) => {
                serde_json::from_slice(&json).map_err(|_| StoreError::Unreadable("the file of the checkpoints"))?
            }
            Some(Err(err)) if err.kind() != io::ErrorKind::NotFound => return Err(StoreError::Directory(err)),
            _ => HashMap::new(),
        };
        Ok(Checkpoints { file, known: Mutex::new(known) })
    }

    /// Keeps those of a batch whose lines the service has.
    pub(super) fn keep(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut known = self.known();
        known.extend(batch.checkpoints().iter().map(|one| (one.file.clone(), one.position.clone())));
        let Some(file) = &self.file else { return Ok(()) };
        let json = serde_json::to_vec(&*known).map_err(|_| StoreError::Unreadable("a checkpoint"))?;
        let unfinished = file.with_extension("new");
        std::fs::write(&unfinished, json)
            .and_then(|()| std::fs::rename(&unfinished, file))
            .map_err(StoreError::Directory)
    }

    pub(super) fn all(&self) -> Vec<Checkpoint> {
        let known = self.known();
        known.iter().map(|(file, position)| Checkpoint { file: file.clone(), position: position.clone() }).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Position>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
