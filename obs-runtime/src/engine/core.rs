//! What one engine is made of; its spans hold on to it.

use std::ops::Deref;
use std::sync::Arc;

use tracing::{Level, Metadata};

use crate::engine::clock::Moment;
use crate::engine::events::Rules;
use crate::engine::fields::List;
use crate::engine::filter::Filter;
use crate::engine::record::{Ids, Record};
use crate::engine::sampling::{SAMPLED, Sampler};
use crate::engine::stack::{self, Place};
use crate::engine::visit::EventVisitor;
use crate::engine::{Closed, Link};
use crate::ids;
use crate::log::{Limit, Line, Origin, Render};
use crate::names;
use crate::outcome::Ended;
use crate::propagation::{self, Correlation};
use crate::{SpanId, TraceId};

/// Where an engine's lines and spans go. Nothing in here may fail, and nothing but `flush` may block.
pub(crate) trait Out: Send + Sync {
    /// A whole log line, with its line feed.
    fn line(&self, line: &[u8], level: Level);

    /// A span that has ended.
    fn span(&self, span: &Closed<'_>);

    /// Somebody asks for the lines so far to be written, and waits for a while.
    fn flush(&self) {}

    /// Whether spans that are not sampled are wanted too.
    fn wants_unsampled(&self) -> bool {
        false
    }
}

/// An engine: its filter, its sampling, and where things go.
pub(crate) struct Core {
    pub(crate) filter: Filter,
    pub(crate) sampler: Sampler,
    pub(crate) render: Render,
    /// How many lines a callsite may write, where that is bounded.
    pub(crate) limit: Option<Limit>,
    /// Which lines are events of their span.
    pub(crate) events: Rules,
    pub(crate) out: Box<dyn Out>,
}

/// A hold on an engine. That of the whole process lives for ever, and a hold on it costs nothing.
#[derive(Clone)]
pub(crate) enum CoreRef {
    Process(&'static Core),
    Shared(Arc<Core>),
}

impl Deref for CoreRef {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        match self {
            CoreRef::Process(core) => core,
            CoreRef::Shared(core) => core,
        }
    }
}

impl CoreRef {
    /// Makes it the engine of the whole process, which lives as long as that does.
    pub(crate) fn of_process(core: Core) -> Self {
        CoreRef::Process(Box::leak(Box::new(core)))
    }

    /// Whether it is the engine of the whole process.
    pub(crate) fn is_process(&self) -> bool {
        matches!(self, CoreRef::Process(_))
    }

    /// Which engine it is.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref::<Core>(self).addr()
    }

    /// A new span of this engine in `record`, under what is around the caller.
    pub(crate) fn open(&self, record: &mut Record, meta: &'static Metadata<'static>) {
        stack::at_current(self.address(), |place| self.open_at(record, meta, place));
    }

    /// A new span of this engine in `record`, at this place: in its trace, or in a new one.
    #[inline]
    pub(crate) fn open_at(&self, record: &mut Record, meta: &'static Metadata<'static>, place: Place<'_>) {
        self.measure_at(record, meta, place);
        let span = SpanId::random();
        record.ids = Some(match record.ids {
            Some(around) => Ids { span, parent: Some(around.span), parent_is_remote: false, ..around },
            None if record.carried.is_some() => self.arrive(record, meta, span),
            None => self.root(record, meta, span),
        });
        record.key = span.to_u64();
        record.on = true;
    }

    /// The ids of a span that begins a trace.
    #[inline]
    fn root(&self, record: &mut Record, meta: &'static Metadata<'static>, span: SpanId) -> Ids {
        let trace = TraceId::random();
        let (flags, said) = self.sampler.root(trace, meta.name());
        if let Some(said) = said {
            hand_on(record, said);
        }
        Ids { trace, span, parent: None, parent_is_remote: false, flags }
    }

    /// The ids of a span that continues what has arrived from elsewhere, which it takes note of.
    #[cold]
    fn arrive(&self, record: &mut Record, meta: &'static Metadata<'static>, span: SpanId) -> Ids {
        let Some(correlation) = record.carried.clone() else { return self.root(record, meta, span) };
        arrived_ids(&correlation, &mut record.fields);
        if let Some(caller) = &correlation.link {
            record.link(Link { trace_id: caller.trace_id, span_id: caller.span_id });
        }
        match &correlation.trace {
            Some(caller) => Ids {
                trace: caller.trace_id,
                span,
                parent: Some(caller.span_id),
                parent_is_remote: true,
                flags: caller.flags,
            },
            None => self.root(record, meta, span),
        }
    }

    /// A call whose span is off: it measures, and hands on what is around it.
    pub(crate) fn measure(&self, record: &mut Record, meta: &'static Metadata<'static>) {
        stack::at_current(self.address(), |place| self.measure_at(record, meta, place));
        record.key = ids::random();
    }

    /// The same, at this place.
    #[inline]
    pub(crate) fn measure_at(&self, record: &mut Record, meta: &'static Metadata<'static>, place: Place<'_>) {
        record.core = Some(self.clone());
        record.meta = Some(meta);
        match place {
            Place::Record(parent, slot) => record.inherit(parent, slot),
            Place::Context(correlation) => record.carried = Some(Arc::clone(correlation)),
            Place::Nowhere => {}
        }
    }
}

impl Core {
    pub(crate) fn new(filter: Filter, sampler: Sampler, render: Render, out: Box<dyn Out>) -> Self {
        // The clock takes a while to find out how fast it ticks: now, and not in the first call.
        Moment::now();
        Core { filter, sampler, render, limit: None, events: Rules::OFF, out }
    }

    /// The same with so many lines a second of one callsite; 0 for no bound.
    pub(crate) fn limited(self, lines_a_second: u32) -> Self {
        Core { limit: Limit::new(lines_a_second), ..self }
    }

    /// The same with such lines as events of their spans.
    pub(crate) fn telling(self, events: Rules) -> Self {
        Core { events, ..self }
    }

    /// Whether an event may be told now; if so, how many of its callsite were held back before it. Asked before its fields
    /// are looked at.
    #[inline]
    pub(crate) fn admits(&self, meta: &'static Metadata<'static>) -> Option<u64> {
        self.limit.as_ref().map_or(Some(0), |limit| limit.admits(meta))
    }

    /// Whether a span with these ids is handed out when it ends.
    #[inline]
    fn exports(&self, ids: &Ids) -> bool {
        ids.flags & SAMPLED != 0 || self.out.wants_unsampled()
    }

    /// What a line tells, as an event of the span that it was written in.
    #[inline(never)]
    pub(crate) fn happened(&self, record: &mut Record, unix_nanos: u64, origin: &Origin, event: &EventVisitor) {
        let (Some(ids), Some(meta), true) = (&record.ids, record.meta, record.on && !record.ended) else { return };
        if self.exports(ids) {
            let target = (origin.target != meta.target()).then_some(origin.target.as_str());
            record.events.put(&self.events, unix_nanos, origin.level, event, target);
        }
    }

    /// Ends the span in `record`, once: what comes later changes nothing.
    #[inline]
    pub(crate) fn finish(&self, record: &mut Record, end: Moment, outcome: Option<Ended>, error: Option<(&str, &str)>) {
        if std::mem::replace(&mut record.ended, true) || !record.on {
            return;
        }
        let (Some(ids), Some(meta)) = (record.ids, record.meta) else { return };
        if self.exports(&ids) {
            self.hand_over(record, ids, meta, end, outcome, error);
        }
    }

    fn hand_over(
        &self,
        record: &mut Record,
        ids: Ids,
        meta: &'static Metadata<'static>,
        end: Moment,
        outcome: Option<Ended>,
        error: Option<(&str, &str)>,
    ) {
        if let Some(outcome) = outcome {
            record.fields.put_outcome(outcome);
        }
        if let Some((text, kind)) = error {
            record.fields.put_str(names::ERROR, text);
            record.fields.put_str(names::ERROR_TYPE, kind);
        }
        self.out.span(&Closed { record, ids, meta, end, outcome, error: error.map(|(text, _)| text) });
    }

    /// Renders the log line of what happened at `place`, and puts it among the events of the span that is there. When that
    /// was, where the span around a call whose own is off still has to be told.
    pub(crate) fn render(
        &self,
        text: &mut Vec<u8>,
        origin: &Origin,
        place: Place<'_>,
        event: &EventVisitor,
    ) -> Option<u64> {
        const NO_IDS: &[u8] = b",\"trace_id\":null,\"span_id\":null";
        let unix_nanos = Moment::now().unix_nanos();
        let mut line = |ids: &[u8], around: &List| {
            let line = Line { unix_nanos, origin, message: &event.message, ids, around, fields: &event.fields };
            text.clear();
            self.render.line(text, &line);
        };
        match place {
            Place::Record(record, _) => {
                let (head, fields) = record.head_and_fields();
                line(head.unwrap_or(NO_IDS), fields);
                if self.events.want(origin.level) {
                    if !record.on {
                        return Some(unix_nanos);
                    }
                    self.happened(record, unix_nanos, origin, event);
                }
            }
            Place::Context(correlation) => {
                let mut arrived = List::new();
                arrived_ids(correlation, &mut arrived);
                line(NO_IDS, &arrived);
            }
            Place::Nowhere => line(NO_IDS, const { &List::new() }),
        }
        None
    }
}

/// Lets the spans of a new trace hand on by which rate it was sampled.
#[cold]
fn hand_on(record: &mut Record, said: &Arc<Correlation>) {
    record.carried = Some(match &record.carried {
        None => Arc::clone(said),
        Some(own) => Arc::new(Correlation { trace: said.trace.clone(), ..(**own).clone() }),
    });
}

/// The ids that came with a request, as fields, and what of its baggage the configuration wants to see.
fn arrived_ids(correlation: &Correlation, fields: &mut List) {
    if !correlation.baggage.is_empty() {
        for key in propagation::baggage_fields() {
            if let Some(value) = correlation.baggage.get(key) {
                fields.put_str(key, value);
            }
        }
    }
    if let Some(id) = &correlation.session_id {
        fields.put_str(names::SESSION_ID, id.as_str());
    }
    if let Some(id) = &correlation.request_id {
        fields.put_str(names::REQUEST_ID, id.as_str());
    }
    if let Some(id) = &correlation.message_id {
        fields.put_str(names::MESSAGE_ID, id.as_str());
    }
}
