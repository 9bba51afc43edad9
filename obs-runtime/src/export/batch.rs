//! Finished spans in few buffers: what a pipeline keeps until they are exported.

pub(crate) mod span;

use std::ops::Range;

use tracing::{Level, Metadata};

use crate::engine::events::Head as EventHead;
use crate::engine::{Closed, FinishedSpan, Link, SpanKind};
use crate::log::json;
use crate::{Ended, SpanId, TraceId};

use self::span::Span;

/// Spans one after another, their texts in one buffer. Filled again, it allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    heads: Vec<Head>,
    text: Vec<u8>,
    rare: Vec<Rare>,
    links: Vec<Link>,
    events: Vec<EventHead>,
}

/// What each span has, of a fixed size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) start_unix_nanos: u64,
    pub(crate) duration_nanos: u64,
    pub(crate) parent_is_remote: bool,
    pub(crate) flags: u8,
    pub(crate) kind: SpanKind,
    pub(crate) outcome: Option<Ended>,
    /// It took longer than its operation may.
    pub(crate) slow: bool,
}

/// A span in a [`Batch`]: small, as its thread writes it while it holds the lock of the buffer.
#[derive(Clone, Copy, Debug)]
struct Head {
    fixed: Fixed,
    /// Its callsite, unless the span comes from elsewhere.
    meta: Option<&'static Metadata<'static>>,
    /// Where its texts begin: its fields, then those that few spans have.
    text: usize,
    fields: u32,
    /// The number of what few spans have, counted from 1; 0 where it has nothing of that.
    rare: u32,
}

/// What few spans have. Texts are known by their lengths, in this order.
#[derive(Clone, Copy, Debug)]
struct Rare {
    /// Where a span without a callsite is from.
    place: Place,
    /// A name of its own.
    name: Option<u32>,
    trace_state: u32,
    /// None: it did not end in an error.
    error: Option<u32>,
    event_texts: u32,
    links: (usize, usize),
    events: (usize, usize),
    /// How many events it had that are not here.
    dropped_events: u32,
}

/// What most spans have of it.
static NO_RARE: Rare = Rare {
    place: Place { level: Level::INFO, target: "", location: None },
    name: None,
    trace_state: 0,
    error: None,
    event_texts: 0,
    links: (0, 0),
    events: (0, 0),
    dropped_events: 0,
};

/// Where a span is from.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: Level,
    target: &'static str,
    location: Option<(&'static str, u32)>,
}

impl Place {
    fn of(meta: &'static Metadata<'static>) -> Self {
        Place { level: *meta.level(), target: meta.target(), location: meta.file().zip(meta.line()) }
    }
}

/// Of what few spans have: what this one has, from wherever it comes.
struct Extra<'a> {
    place: Place,
    name: Option<&'a [u8]>,
    trace_state: &'a [u8],
    error: Option<&'a [u8]>,
    links: &'a [Link],
    /// The texts of the events, in two pieces, and where their heads begin, which are in the batch already.
    events: (&'a [u8], &'a [u8]),
    first_event: usize,
    dropped_events: u32,
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
        size_of_val(&*self.heads) + self.text.len() + self.bytes_of_rare()
    }

    fn bytes_of_rare(&self) -> usize {
        size_of_val(&*self.rare) + size_of_val(&*self.links) + size_of_val(&*self.events)
    }

    /// How much memory is set aside for them.
    pub(crate) fn reserved(&self) -> usize {
        self.heads.capacity() * size_of::<Head>()
            + self.text.capacity()
            + self.rare.capacity() * size_of::<Rare>()
            + self.links.capacity() * size_of::<Link>()
            + self.events.capacity() * size_of::<EventHead>()
    }

    /// Sets memory aside for exactly one span of this size, where nothing is set aside.
    pub(crate) fn reserve_like(&mut self, span: &Span<'_>) {
        if self.heads.capacity() == 0 {
            self.heads.reserve_exact(1);
            self.text.reserve_exact(span.text_length());
            self.rare.reserve_exact(usize::from(!span.is_common()));
        }
    }

    /// Forgets the spans and keeps the buffers, up to so many bytes.
    pub(crate) fn clear(&mut self, kept: usize) {
        self.heads.clear();
        self.text.clear();
        self.rare.clear();
        self.links.clear();
        self.events.clear();
        if self.reserved() > kept {
            *self = Batch::default();
        }
    }

    /// How much memory a span that ends now will take, or more.
    #[inline]
    pub(crate) fn needed(span: &Closed<'_>) -> usize {
        let fields = &span.record.fields;
        // Room for all that may be in it: what is not needed is not taken.
        let text = if fields.may_share() { fields.text() } else { fields.own_text() };
        let common = size_of::<Head>() + text.len();
        if span.is_common() { common } else { common + Self::needed_for_rare(span) }
    }

    fn needed_for_rare(span: &Closed<'_>) -> usize {
        let rare = span.record.rare();
        let name = rare.and_then(|rare| rare.name.as_ref()).map_or(0, |name| name.len());
        let texts = name + span.trace_state().len() + span.error.map_or(0, str::len) + span.record.events.text_length();
        let events = span.record.events.heads().len() * size_of::<EventHead>();
        size_of::<Rare>() + texts + rare.map_or(0, |rare| size_of_val(&*rare.links)) + events
    }

    /// How much memory a span that has ended will take.
    pub(crate) fn needed_for_finished(span: &FinishedSpan) -> usize {
        let texts = span.name.len()
            + span.trace_state.as_ref().map_or(0, |state| state.len())
            + span.error.as_ref().map_or(0, |error| error.len())
            + span.fields.text().len()
            + span.events.iter().map(|event| event.name.len() + 2 + event.fields.text().len()).sum::<usize>();
        let events = span.events.len() * size_of::<EventHead>();
        size_of::<Head>() + size_of::<Rare>() + texts + size_of_val(&*span.links) + events
    }

    /// Adds a span that ends now.
    #[inline]
    pub(crate) fn push(&mut self, span: &Closed<'_>) {
        let Closed { record, ids, meta, .. } = span;
        let text = self.text.len();
        if record.fields.may_share() {
            record.fields.shared().for_each(|field| self.text.extend_from_slice(field));
        }
        self.text.extend_from_slice(record.fields.own_text());
        let fields = (self.text.len() - text) as u32;
        let rare = if span.is_common() { 0 } else { self.put_rare_of(span) };
        let duration_nanos = span.end.since(record.start);
        // Made where it will lie.
        self.heads.push(Head {
            fixed: Fixed {
                trace_id: ids.trace,
                span_id: ids.span,
                parent_id: ids.parent,
                start_unix_nanos: record.start.unix_nanos(),
                duration_nanos,
                parent_is_remote: ids.parent_is_remote,
                flags: ids.flags,
                kind: record.kind,
                outcome: span.outcome,
                slow: record.site.is_some_and(|site| site.is_slow(duration_nanos)),
            },
            meta: Some(meta),
            text,
            fields,
            rare,
        });
    }

    #[inline(never)]
    fn put_rare_of(&mut self, span: &Closed<'_>) -> u32 {
        let record = span.record;
        let rare = record.rare();
        let first_event = self.events.len();
        // What tells the end is written when the span has ended already.
        let end = record.start.unix_nanos().saturating_add(span.end.since(record.start));
        let heads = record.events.heads();
        self.events.extend(heads.map(|head| EventHead { unix_nanos: head.unix_nanos.min(end), ..*head }));
        self.put_rare(&Extra {
            place: NO_RARE.place,
            name: rare.and_then(|rare| rare.name.as_ref()).map(|name| name.as_bytes()),
            trace_state: span.trace_state().as_bytes(),
            error: span.error.map(str::as_bytes),
            links: rare.map_or(&[], |rare| &rare.links),
            events: record.events.text(),
            first_event,
            dropped_events: record.events.dropped(),
        })
    }

    /// Adds a span that has ended.
    pub(crate) fn push_finished(&mut self, span: &FinishedSpan) {
        let first_event = self.events.len();
        let mut texts = Vec::new();
        for event in &span.events {
            let begin = texts.len();
            json::string(&mut texts, &event.name);
            let message = (texts.len() - begin) as u32;
            texts.extend_from_slice(event.fields.text());
            let fields = event.fields.text().len() as u32;
            self.events.push(EventHead { unix_nanos: event.unix_nanos, level: event.level, message, fields });
        }
        let fixed = Fixed {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            start_unix_nanos: span.start_unix_nanos,
            duration_nanos: span.duration_nanos,
            parent_is_remote: span.parent_is_remote,
            flags: span.flags,
            kind: span.kind,
            outcome: span.outcome,
            slow: span.slow,
        };
        let extra = Extra {
            place: Place { level: span.level, target: span.target, location: span.location },
            name: Some(span.name.as_bytes()),
            trace_state: span.trace_state.as_deref().unwrap_or_default().as_bytes(),
            error: span.error.as_deref().map(str::as_bytes),
            links: &span.links,
            events: (&texts, &[]),
            first_event,
            dropped_events: span.dropped_events,
        };
        self.put(fixed, None, span.fields.text(), Some(&extra));
    }

    /// Adds a span of another batch.
    pub(crate) fn push_span(&mut self, span: &Span<'_>) {
        self.push_span_as(span, span.fixed.flags, span.trace_state);
    }

    /// The same, with other flags and another `tracestate`.
    pub(crate) fn push_span_as(&mut self, span: &Span<'_>, flags: u8, trace_state: &[u8]) {
        let first_event = self.events.len();
        self.events.extend_from_slice(span.event_heads);
        let extra = Extra {
            place: span.rare.place,
            name: span.own_name(),
            trace_state,
            error: span.error,
            links: span.links,
            events: (span.event_text, &[]),
            first_event,
            dropped_events: span.rare.dropped_events,
        };
        let is_common = span.is_common() && trace_state.is_empty();
        self.put(Fixed { flags, ..*span.fixed }, span.meta, span.fields, (!is_common).then_some(&extra));
    }

    fn put(
        &mut self,
        fixed: Fixed,
        meta: Option<&'static Metadata<'static>>,
        fields: &[u8],
        extra: Option<&Extra<'_>>,
    ) {
        let text = self.text.len();
        self.text.extend_from_slice(fields);
        let rare = extra.map_or(0, |extra| self.put_rare(extra));
        self.heads.push(Head { fixed, meta, text, fields: fields.len() as u32, rare });
    }

    /// Adds what few spans have, behind the fields; its number.
    fn put_rare(&mut self, extra: &Extra<'_>) -> u32 {
        let mut add = |text: &[u8]| {
            self.text.extend_from_slice(text);
            text.len() as u32
        };
        let (name, trace_state, error) = (extra.name.map(&mut add), add(extra.trace_state), extra.error.map(&mut add));
        let event_texts = add(extra.events.0) + add(extra.events.1);
        let begin = self.links.len();
        self.links.extend_from_slice(extra.links);
        self.rare.push(Rare {
            place: extra.place,
            name,
            trace_state,
            error,
            event_texts,
            links: (begin, self.links.len()),
            events: (extra.first_event, self.events.len()),
            dropped_events: extra.dropped_events,
        });
        self.rare.len() as u32
    }

    /// Takes over all the spans of another one, which is empty then.
    pub(crate) fn append(&mut self, other: &mut Batch) {
        if self.is_empty() {
            return std::mem::swap(self, other);
        }
        let (text, rare, links, events) = (self.text.len(), self.rare.len(), self.links.len(), self.events.len());
        self.text.append(&mut other.text);
        self.links.append(&mut other.links);
        self.events.append(&mut other.events);
        self.rare.extend(other.rare.drain(..).map(|extra| Rare {
            links: (extra.links.0 + links, extra.links.1 + links),
            events: (extra.events.0 + events, extra.events.1 + events),
            ..extra
        }));
        self.heads.extend(other.heads.drain(..).map(|head| Head {
            text: head.text + text,
            rare: if head.rare == 0 { 0 } else { head.rare + rare as u32 },
            ..head
        }));
    }

    /// The span of this number.
    pub(crate) fn get(&self, number: usize) -> Span<'_> {
        let head = &self.heads[number];
        let rare = head.rare.checked_sub(1).map_or(&NO_RARE, |at| &self.rare[at as usize]);
        let mut rest = &self.text[head.text..];
        let mut next = |length: u32| {
            let (taken, after) = rest.split_at(length as usize);
            rest = after;
            taken
        };
        let fields = next(head.fields);
        let own_name = rare.name.map(&mut next);
        Span {
            fixed: &head.fixed,
            name: own_name.or(head.meta.map(|meta| meta.name().as_bytes())).unwrap_or_default(),
            trace_state: next(rare.trace_state),
            fields,
            error: rare.error.map(&mut next),
            links: &self.links[rare.links.0..rare.links.1],
            meta: head.meta,
            rare,
            event_heads: &self.events[rare.events.0..rare.events.1],
            event_text: next(rare.event_texts),
        }
    }

    /// Some of the spans, for an exporter that is not ours.
    pub(crate) fn to_finished(&self, range: Range<usize>) -> Vec<FinishedSpan> {
        range.map(|number| self.get(number).to_finished()).collect()
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
        let mut left = bytes;
        let fits = |number: &usize| match left.checked_sub(self.get(*number).sent()) {
            Some(less) => {
                left = less;
                true
            }
            None => false,
        };
        (from..most).take_while(fits).last().map_or(most.min(from + 1), |last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Fields, SpanEvent};

    fn finished(name: &'static str) -> FinishedSpan {
        let (trace_id, span_id) = (TraceId::random(), SpanId::random());
        FinishedSpan { name: name.into(), ..FinishedSpan::of(trace_id, span_id, None) }
    }

    #[test]
    fn spans_of_two_batches_keep_what_few_of_them_have() {
        let link = Link { trace_id: TraceId::random(), span_id: SpanId::random() };
        let event = SpanEvent { unix_nanos: 7, level: Level::WARN, name: "slow".into(), fields: Fields::default() };
        let all = [
            finished("one"),
            FinishedSpan { error: Some("broken".into()), dropped_events: 3, ..finished("two") },
            FinishedSpan {
                links: vec![link],
                events: vec![event],
                trace_state: Some("a=b".into()),
                ..finished("three")
            },
        ];
        let [mut first, mut second] = [Batch::default(), Batch::default()];
        first.push_finished(&all[0]);
        first.push_finished(&all[2]);
        second.push_finished(&all[1]);
        second.push_finished(&all[2]);
        assert_eq!(first.bytes(), Batch::needed_for_finished(&all[0]) + Batch::needed_for_finished(&all[2]));
        first.append(&mut second);
        let expected = [&all[0], &all[2], &all[1], &all[2]].map(|span| format!("{span:?}"));
        assert_eq!(first.to_finished(0..4).iter().map(|span| format!("{span:?}")).collect::<Vec<_>>(), expected);
        assert!(second.is_empty());
    }
}
