//! A span in a batch, as those see it who send it or judge it.

use std::borrow::Cow;

use tracing::{Level, Metadata};

use super::{Fixed, NO_RARE, Place, Rare};
use crate::Ended;
use crate::engine::events::Head as EventHead;
use crate::engine::sampling::SAMPLED;
use crate::engine::{Fields, FinishedSpan, Link, SpanEvent};
use crate::log::json;

/// One of the spans in a [`Batch`](super::Batch).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) fixed: &'a Fixed,
    pub(crate) trace_state: &'a [u8],
    pub(crate) name: &'a [u8],
    /// `,"key":value` for each field.
    pub(crate) fields: &'a [u8],
    pub(crate) error: Option<&'a [u8]>,
    pub(crate) links: &'a [Link],
    pub(super) meta: Option<&'static Metadata<'static>>,
    pub(super) rare: &'a Rare,
    pub(super) event_heads: &'a [EventHead],
    pub(super) event_text: &'a [u8],
}

/// One event of a [`Span`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) unix_nanos: u64,
    pub(crate) level: Level,
    /// As a JSON string.
    pub(crate) message: &'a [u8],
    /// `,"key":value` for each field.
    pub(crate) fields: &'a [u8],
}

/// How much a span takes in a request besides its texts, an event besides its own, and a link.
const SENT: usize = 128;
const SENT_EVENT: usize = 32;
const SENT_LINK: usize = 28;

impl<'a> Span<'a> {
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = Event<'a>> {
        let mut rest = self.event_text;
        self.event_heads.iter().map(move |head| {
            let (message, after) = rest.split_at(head.message as usize);
            let (fields, after) = after.split_at(head.fields as usize);
            rest = after;
            Event { unix_nanos: head.unix_nanos, level: head.level, message, fields }
        })
    }

    /// The description of the error, where it failed or panicked.
    #[cfg_attr(not(feature = "otlp"), allow(dead_code))]
    pub(crate) fn failure(&self) -> Option<&[u8]> {
        match (self.error, self.fixed.outcome) {
            (Some(error), _) => Some(error),
            (None, Some(outcome @ (Ended::Panicked | Ended::Error))) => Some(outcome.as_str().as_bytes()),
            _ => None,
        }
    }

    /// Whether tail sampling keeps its trace: it failed, panicked, was cancelled or was slow, or an error was told inside it.
    pub(crate) fn is_notable(&self) -> bool {
        self.fixed.slow
            || self.error.is_some()
            || self.fixed.outcome.is_some_and(|outcome| outcome != Ended::Ok)
            || self.event_heads.iter().any(|event| event.level == Level::ERROR)
    }

    /// Whether it goes out whatever else its trace brings.
    pub(crate) fn is_owed(&self) -> bool {
        self.fixed.flags & SAMPLED != 0 || self.is_notable()
    }

    /// The module path, or what its callsite says instead.
    pub(crate) fn target(&self) -> &'static str {
        self.meta.map_or(self.rare.place.target, Metadata::target)
    }

    /// The source file and line.
    pub(crate) fn location(&self) -> Option<(&'static str, u32)> {
        self.place().location
    }

    /// How many events it had that are not here.
    pub(crate) fn dropped_events(&self) -> u32 {
        self.rare.dropped_events
    }

    fn place(&self) -> Place {
        self.meta.map_or(self.rare.place, Place::of)
    }

    pub(super) fn is_common(&self) -> bool {
        std::ptr::eq(self.rare, &NO_RARE)
    }

    /// Its name, where it has one of its own.
    pub(super) fn own_name(&self) -> Option<&[u8]> {
        self.rare.name.map(|_| self.name)
    }

    /// How long its texts are together.
    pub(super) fn text_length(&self) -> usize {
        let name = self.own_name().map_or(0, <[u8]>::len);
        let error = self.error.map_or(0, <[u8]>::len);
        name + self.trace_state.len() + self.fields.len() + error + self.event_text.len()
    }

    /// About how much it takes in a request.
    pub(super) fn sent(&self) -> usize {
        SENT + self.text_length() + self.event_heads.len() * SENT_EVENT + self.links.len() * SENT_LINK
    }

    /// Whether no other span of this process is above it.
    pub(crate) fn is_local_root(&self) -> bool {
        self.fixed.parent_id.is_none() || self.fixed.parent_is_remote
    }

    /// For an exporter that is not ours.
    pub(super) fn to_finished(self) -> FinishedSpan {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fixed = self.fixed;
        let own_name = self.own_name().map(|name| Cow::Owned(text(name)));
        FinishedSpan {
            trace_id: fixed.trace_id,
            span_id: fixed.span_id,
            parent_id: fixed.parent_id,
            parent_is_remote: fixed.parent_is_remote,
            flags: fixed.flags,
            trace_state: (!self.trace_state.is_empty()).then(|| text(self.trace_state).into()),
            name: own_name.or(self.meta.map(|meta| meta.name().into())).unwrap_or_default(),
            target: self.target(),
            location: self.location(),
            level: self.place().level,
            kind: fixed.kind,
            start_unix_nanos: fixed.start_unix_nanos,
            duration_nanos: fixed.duration_nanos,
            slow: fixed.slow,
            fields: Fields::of(self.fields),
            outcome: fixed.outcome,
            error: self.error.map(|error| text(error).into()),
            links: self.links.to_vec(),
            events: self.events().map(SpanEvent::from).collect(),
            dropped_events: self.dropped_events(),
        }
    }
}

impl From<Event<'_>> for SpanEvent {
    fn from(event: Event<'_>) -> Self {
        SpanEvent {
            unix_nanos: event.unix_nanos,
            level: event.level,
            name: json::key(event.message).into_owned(),
            fields: Fields::of(event.fields),
        }
    }
}
