//! Finished spans in few buffers: what a pipeline keeps until they are exported.

use std::borrow::Cow;
use std::ops::Range;

use tracing::Level;

use crate::engine::events::Head as EventHead;
use crate::engine::fields::List;
use crate::engine::sampling::SAMPLED;
use crate::engine::{Closed, Fields, FinishedSpan, Link, SpanEvent, SpanKind};
use crate::log::json;
use crate::{Ended, SpanId, TraceId};

/// Spans one after another, their texts in one buffer. Filled again, it allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    heads: Vec<Head>,
    text: Vec<u8>,
    links: Vec<Link>,
    events: Vec<EventHead>,
}

/// What has a fixed size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) parent_is_remote: bool,
    pub(crate) flags: u8,
    pub(crate) kind: SpanKind,
    pub(crate) outcome: Option<Ended>,
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) location: Option<(&'static str, u32)>,
    pub(crate) start_unix_nanos: u64,
    pub(crate) duration_nanos: u64,
    /// It took longer than its operation may.
    pub(crate) slow: bool,
    /// How many events it had that are not here.
    pub(crate) dropped_events: u32,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    fixed: Fixed,
    /// The name where it is not in the text.
    name: &'static str,
    texts: Texts,
    text: usize,
    links: (usize, usize),
    events: (usize, usize),
}

/// The lengths of the texts, in their order.
#[derive(Clone, Copy, Debug)]
struct Texts {
    /// 0: the name is in the head.
    name: u32,
    trace_state: u32,
    fields: u32,
    /// None: it did not end in an error.
    error: Option<u32>,
    events: u32,
}

/// One of the spans in a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) fixed: &'a Fixed,
    pub(crate) trace_state: &'a [u8],
    pub(crate) name: &'a [u8],
    /// The name, where it is one that lives for ever.
    static_name: Option<&'static str>,
    /// `,"key":value` for each field.
    pub(crate) fields: &'a [u8],
    pub(crate) error: Option<&'a [u8]>,
    pub(crate) links: &'a [Link],
    event_heads: &'a [EventHead],
    event_text: &'a [u8],
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
}

impl Span<'_> {
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

    /// How long its texts are together.
    fn text_length(&self) -> usize {
        let name = if self.static_name.is_some() { 0 } else { self.name.len() };
        let error = self.error.map_or(0, <[u8]>::len);
        name + self.trace_state.len() + self.fields.len() + error + self.event_text.len()
    }

    /// Whether no other span of this process is above it.
    pub(crate) fn is_local_root(&self) -> bool {
        self.fixed.parent_id.is_none() || self.fixed.parent_is_remote
    }
}

/// How much memory a span takes besides its texts and links.
pub(crate) const FIXED: usize = size_of::<Head>();
/// The same for an event.
pub(crate) const EVENT: usize = size_of::<EventHead>();

/// How much a span takes in a request besides its texts, an event besides its own, and a link.
const SENT: usize = 128;
const SENT_EVENT: usize = 32;
const SENT_LINK: usize = 28;

/// What a span brings, from wherever it comes.
struct Parts<'a> {
    fixed: Fixed,
    name: Name<'a>,
    trace_state: &'a [u8],
    /// A record's fields, of which it shares some that it inherited: they come before its own.
    sharing: Option<&'a List>,
    fields: &'a [u8],
    error: Option<&'a [u8]>,
    links: &'a [Link],
    /// The texts of the events, in two pieces.
    events: (&'a [u8], &'a [u8]),
}

enum Name<'a> {
    Static(&'static str),
    Text(&'a [u8]),
}

impl<'a> From<&'a Cow<'static, str>> for Name<'a> {
    fn from(name: &'a Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Name::Static(name),
            Cow::Owned(name) => Name::Text(name.as_bytes()),
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

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// How much memory the spans need.
    pub(crate) fn bytes(&self) -> usize {
        self.heads.len() * FIXED + self.text.len() + size_of_val(&*self.links) + size_of_val(&*self.events)
    }

    /// How much memory is set aside for them.
    pub(crate) fn reserved(&self) -> usize {
        let events = self.events.capacity() * size_of::<EventHead>();
        self.heads.capacity() * FIXED + self.text.capacity() + self.links.capacity() * size_of::<Link>() + events
    }

    /// Sets memory aside for exactly one span of this size, where nothing is set aside.
    pub(crate) fn reserve_like(&mut self, span: &Span<'_>) {
        if self.heads.capacity() == 0 {
            self.heads.reserve_exact(1);
            self.text.reserve_exact(span.text_length());
        }
    }

    /// Forgets the spans and keeps the buffers, up to so many bytes.
    pub(crate) fn clear(&mut self, kept: usize) {
        self.heads.clear();
        self.text.clear();
        self.links.clear();
        self.events.clear();
        if self.heads.capacity() * FIXED + self.text.capacity() > kept {
            *self = Batch::default();
        }
    }

    /// Adds a span that ends now.
    #[inline]
    pub(crate) fn push(&mut self, span: &Closed<'_>) {
        let Closed { record, ids, meta, .. } = span;
        let trace = record.carried.as_ref().and_then(|carried| carried.trace.as_ref());
        let rare = record.rare();
        let duration_nanos = span.end.since(record.start);
        let events = self.events.len();
        let mut texts = (&[][..], &[][..]);
        if !record.events.is_empty() {
            // What tells the end is written when the span has ended already.
            let end = record.start.unix_nanos().saturating_add(duration_nanos);
            let heads = record.events.heads();
            self.events.extend(heads.map(|head| EventHead { unix_nanos: head.unix_nanos.min(end), ..*head }));
            texts = record.events.text();
        }
        self.put(
            events,
            Parts {
                fixed: Fixed {
                    trace_id: ids.trace,
                    span_id: ids.span,
                    parent_id: ids.parent,
                    parent_is_remote: ids.parent_is_remote,
                    flags: ids.flags,
                    kind: record.kind,
                    outcome: span.outcome,
                    level: *meta.level(),
                    target: meta.target(),
                    location: meta.file().zip(meta.line()),
                    start_unix_nanos: record.start.unix_nanos(),
                    duration_nanos,
                    slow: record.site.is_some_and(|site| site.is_slow(duration_nanos)),
                    dropped_events: record.events.dropped(),
                },
                name: rare.and_then(|rare| rare.name.as_ref()).map_or(Name::Static(meta.name()), Name::from),
                trace_state: trace.and_then(|trace| trace.state.as_deref()).unwrap_or_default().as_bytes(),
                sharing: record.fields.may_share().then_some(&record.fields),
                fields: record.fields.own_text(),
                error: span.error.map(str::as_bytes),
                links: rare.map_or(&[], |rare| &rare.links),
                events: texts,
            },
        );
    }

    /// Adds a span that has ended.
    pub(crate) fn push_finished(&mut self, span: &FinishedSpan) {
        let events = self.events.len();
        let mut texts = Vec::new();
        for event in &span.events {
            let begin = texts.len();
            json::string(&mut texts, &event.name);
            let message = (texts.len() - begin) as u32;
            texts.extend_from_slice(event.fields.text());
            let fields = event.fields.text().len() as u32;
            self.events.push(EventHead { unix_nanos: event.unix_nanos, level: event.level, message, fields });
        }
        self.put(
            events,
            Parts {
                fixed: Fixed {
                    trace_id: span.trace_id,
                    span_id: span.span_id,
                    parent_id: span.parent_id,
                    parent_is_remote: span.parent_is_remote,
                    flags: span.flags,
                    kind: span.kind,
                    outcome: span.outcome,
                    level: span.level,
                    target: span.target,
                    location: span.location,
                    start_unix_nanos: span.start_unix_nanos,
                    duration_nanos: span.duration_nanos,
                    slow: span.slow,
                    dropped_events: span.dropped_events,
                },
                name: Name::from(&span.name),
                trace_state: span.trace_state.as_deref().unwrap_or_default().as_bytes(),
                sharing: None,
                fields: span.fields.text(),
                error: span.error.as_deref().map(str::as_bytes),
                links: &span.links,
                events: (&texts, &[]),
            },
        );
    }

    /// Adds a span of another batch.
    pub(crate) fn push_span(&mut self, span: &Span<'_>) {
        self.push_span_as(span, span.fixed.flags, span.trace_state);
    }

    /// The same, with other flags and another `tracestate`.
    pub(crate) fn push_span_as(&mut self, span: &Span<'_>, flags: u8, trace_state: &[u8]) {
        let events = self.events.len();
        self.events.extend_from_slice(span.event_heads);
        self.put(
            events,
            Parts {
                fixed: Fixed { flags, ..*span.fixed },
                name: span.static_name.map_or(Name::Text(span.name), Name::Static),
                trace_state,
                sharing: None,
                fields: span.fields,
                error: span.error,
                links: span.links,
                events: (span.event_text, &[]),
            },
        );
    }

    /// Adds a span whose events begin here.
    // Inlined, so that what is put together here is put together where it will lie.
    #[inline(always)]
    fn put(&mut self, first_event: usize, parts: Parts<'_>) {
        let Parts { fixed, name, trace_state, sharing, fields, error, links, events } = parts;
        let text = self.text.len();
        let (name, own) = match name {
            Name::Static(name) => (name, &[][..]),
            Name::Text(name) => ("", name),
        };
        let mut add = |text: &[u8]| {
            if !text.is_empty() {
                self.text.extend_from_slice(text);
            }
            text.len() as u32
        };
        let texts = Texts {
            name: add(own),
            trace_state: add(trace_state),
            fields: sharing.map_or(0, |list| list.shared().map(&mut add).sum()) + add(fields),
            error: error.map(&mut add),
            events: add(events.0) + add(events.1),
        };
        let begin = self.links.len();
        self.links.extend_from_slice(links);
        let (links, events) = ((begin, self.links.len()), (first_event, self.events.len()));
        self.heads.push(Head { fixed, name, texts, text, links, events });
    }

    /// Takes over all the spans of another one, which is empty then.
    pub(crate) fn append(&mut self, other: &mut Batch) {
        if self.is_empty() {
            return std::mem::swap(self, other);
        }
        let (text, links, events) = (self.text.len(), self.links.len(), self.events.len());
        self.text.append(&mut other.text);
        self.links.append(&mut other.links);
        self.events.append(&mut other.events);
        self.heads.extend(other.heads.drain(..).map(|head| Head {
            text: head.text + text,
            links: (head.links.0 + links, head.links.1 + links),
            events: (head.events.0 + events, head.events.1 + events),
            ..head
        }));
    }

    /// The span of this number.
    pub(crate) fn get(&self, number: usize) -> Span<'_> {
        let head = &self.heads[number];
        let mut rest = &self.text[head.text..];
        let mut next = |length: u32| {
            let (taken, after) = rest.split_at(length as usize);
            rest = after;
            taken
        };
        let name = next(head.texts.name);
        Span {
            fixed: &head.fixed,
            name: if name.is_empty() { head.name.as_bytes() } else { name },
            static_name: name.is_empty().then_some(head.name),
            trace_state: next(head.texts.trace_state),
            fields: next(head.texts.fields),
            error: head.texts.error.map(&mut next),
            links: &self.links[head.links.0..head.links.1],
            event_heads: &self.events[head.events.0..head.events.1],
            event_text: next(head.texts.events),
        }
    }

    /// Some of the spans, for an exporter that is not ours.
    pub(crate) fn to_finished(&self, range: Range<usize>) -> Vec<FinishedSpan> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        range
            .map(|number| {
                let (head, span) = (&self.heads[number], self.get(number));
                let fixed = span.fixed;
                FinishedSpan {
                    trace_id: fixed.trace_id,
                    span_id: fixed.span_id,
                    parent_id: fixed.parent_id,
                    parent_is_remote: fixed.parent_is_remote,
                    flags: fixed.flags,
                    trace_state: (!span.trace_state.is_empty()).then(|| text(span.trace_state).into()),
                    name: if head.texts.name == 0 { head.name.into() } else { text(span.name).into() },
                    target: fixed.target,
                    location: fixed.location,
                    level: fixed.level,
                    kind: fixed.kind,
                    start_unix_nanos: fixed.start_unix_nanos,
                    duration_nanos: fixed.duration_nanos,
                    slow: fixed.slow,
                    fields: Fields::of(span.fields),
                    outcome: fixed.outcome,
                    error: span.error.map(|error| text(error).into()),
                    links: span.links.to_vec(),
                    events: span.events().map(SpanEvent::from).collect(),
                    dropped_events: fixed.dropped_events,
                }
            })
            .collect()
    }

    /// One span that ends now.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only a capture keeps single spans"))]
    pub(crate) fn one(span: &Closed<'_>) -> Option<FinishedSpan> {
        let mut batch = Batch::default();
        batch.push(span);
        batch.to_finished(0..1).pop()
    }

    /// The number behind the last span of a request that begins with the span `from`: of so many spans and about so many
    /// bytes at most, but of one span at least.
    pub(crate) fn end_of_request(&self, from: usize, spans: usize, bytes: usize) -> usize {
        let most = self.len().min(from.saturating_add(spans.max(1)));
        if from >= most {
            return from;
        }
        // Where a span would begin in a request with all of them.
        let begin = |number: usize| {
            let Head { text, links, events, .. } = &self.heads[number];
            text + number * SENT + events.0 * SENT_EVENT + links.0 * SENT_LINK
        };
        let fits = |number: usize| begin(number) - begin(from) <= bytes;
        (from + 1..most).find(|number| !fits(*number)).map_or(most, |number| (number - 1).max(from + 1))
    }
}
