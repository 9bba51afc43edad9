//! Lines on their way to CloudWatch, within its bounds.

use std::mem;

use aws_sdk_cloudwatchlogs::types::RejectedLogEventsInfo;

use super::super::block::Lines;
use super::super::{AgentLines, StoreError};
use super::text;
use crate::metrics::{Skipped, skipped};

/// A request has so many bytes at most, each event counted with [`OVERHEAD`]; an event alone has no more either.
const BYTES: usize = 1 << 20;
const OVERHEAD: usize = 26;
/// A request has so many events at most.
const EVENTS: usize = 10_000;
/// The events of a request lie less than a day apart.
const SPAN: i64 = 24 * 60 * 60 * 1000;

/// A line as CloudWatch keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) text: String,
}

/// An agent's lines as events, in the order of their times; those of the same millisecond stay in the order in which they were written.
pub(super) fn events(lines: &AgentLines) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    for block in &lines.blocks {
        for record in Lines::of(&block.bytes) {
            let record = record?;
            events.push(Event { time: record.timestamp.div_euclid(1_000_000), text: text::of(&record) });
        }
    }
    let all = events.len();
    events.retain(|event| size(event) <= BYTES);
    if events.len() < all {
        let lines = (all - events.len()) as u64;
        skipped(Skipped::Refused, lines);
        obs_runtime::warn!(lines, "Lines are too long for CloudWatch");
    }
    events.sort_by_key(|event| event.time);
    Ok(events)
}

/// The events as requests.
pub(super) fn requests(events: Vec<Event>) -> Vec<Vec<Event>> {
    let (mut requests, mut request, mut bytes) = (Vec::new(), Vec::<Event>::new(), 0);
    for event in events {
        let ends = bytes + size(&event) > BYTES
            || request.len() == EVENTS
            || request.first().is_some_and(|first| event.time - first.time >= SPAN);
        if ends {
            requests.push(mem::take(&mut request));
            bytes = 0;
        }
        bytes += size(&event);
        request.push(event);
    }
    if !request.is_empty() {
        requests.push(request);
    }
    requests
}

/// How many events of a request were refused: too old ones come first, too new ones last.
pub(super) fn refused(info: &RejectedLogEventsInfo, events: usize) -> usize {
    let index = |index: Option<i32>| index.and_then(|index| usize::try_from(index).ok());
    let old = index(info.too_old_log_event_end_index).max(index(info.expired_log_event_end_index)).unwrap_or(0);
    let new = index(info.too_new_log_event_start_index).unwrap_or(events);
    old.saturating_add(events.saturating_sub(new)).min(events)
}

fn size(event: &Event) -> usize {
    event.text.len() + OVERHEAD
}
