//! The engine as a `tracing::Subscriber`.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::{Interest, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::copies;
use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::fields::List;
use crate::engine::record::Record;
use crate::engine::stack::{self, Frame, Place};
use crate::engine::visit::{EventVisitor, SpanVisitor};
use crate::engine::{FieldValue, Link, SpanKind, local, slots};
use crate::loss::{Reason, Signal, lost};
use crate::metrics::scope;
use crate::names;

/// A complete subscriber: spans, ids, log lines and finished spans, without a `Registry`.
pub(crate) struct Engine(pub(crate) CoreRef);

/// The id of a span that found no slot: known to nobody.
const NOBODY: u64 = u64::MAX;

impl Engine {
    /// Runs `f` at what a span or an event hangs under: what it says itself, else what is around it.
    fn at<R>(&self, root: bool, contextual: bool, parent: Option<&Id>, mut f: impl FnMut(Place<'_>) -> R) -> R {
        if root {
            return f(Place::Nowhere);
        }
        if contextual {
            return stack::at_current(self.0.address(), f);
        }
        let id = parent.map_or(0, Id::into_u64);
        match stack::at_slot(self.0.address(), id, |record| f(Place::Record(record, id))) {
            Some(result) => result,
            None => f(Place::Nowhere),
        }
    }
}

impl Engine {
    /// Runs `f` on the span that an event happened in.
    #[cold]
    fn in_span(&self, event: &Event<'_>, f: impl FnOnce(&mut Record)) {
        if event.is_contextual() {
            stack::in_span(self.0.address(), f);
        } else if let Some(id) = event.parent() {
            stack::at_slot(self.0.address(), id.into_u64(), f);
        }
    }
}

impl Subscriber for Engine {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        if copies::is_one(meta) {
            copies::met(meta, self.0.is_process());
            return Interest::never();
        }
        self.0.filter.register(meta)
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        self.0.filter.enabled(meta, self.0.address())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.filter.max_level()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut record = local::fresh();
        let meta = attributes.metadata();
        self.at(attributes.is_root(), attributes.is_contextual(), attributes.parent(), |place| {
            self.0.open_at(&mut record, meta, place);
        });
        // The user's `Display` runs with nothing held.
        attributes.record(&mut SpanVisitor(&mut record.fields));
        adopt_conventions(&mut record);
        record.scope = scope::current();
        record.start = Moment::now();
        let watches = self.0.filter.watches_spans();
        let id = match local::insert(record) {
            Ok(id) => id,
            Err(record) => {
                lost(Signal::Spans, Reason::QueueFull, 1);
                local::recycle(record);
                return Id::from_u64(NOBODY);
            }
        };
        if watches {
            self.0.filter.opened(attributes, id);
        }
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Values<'_>) {
        let mut later = List::new();
        values.record(&mut SpanVisitor(&mut later));
        slots::with(id.into_u64(), |record| {
            record.record(&later);
            adopt_conventions(record);
        });
        self.0.filter.recorded(id, values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        let engine = self.0.address();
        let Some(Some(ids)) = stack::at_slot(engine, follows.into_u64(), |other| other.ids) else { return };
        slots::with(id.into_u64(), |record| record.link(Link { trace_id: ids.trace, span_id: ids.span }));
    }

    fn event(&self, event: &Event<'_>) {
        let meta = event.metadata();
        let Some(held_back) = self.0.admits(meta) else { return };
        local::with_event(|visitor: &mut EventVisitor| {
            visitor.suppressed(held_back);
            event.record(visitor);
            let visitor = &*visitor;
            local::with_line(|text| {
                local::with_origin(meta, |origin| {
                    let at = self.at(event.is_root(), event.is_contextual(), event.parent(), |place| {
                        self.0.render(text, origin, place, visitor)
                    });
                    if self.0.events.want(*meta.level()) {
                        self.in_span(event, |record| self.0.happened(record, at, origin, visitor));
                    }
                });
                // Handed over with nothing held: with the policy `block` this may wait.
                self.0.out.line(text, *meta.level());
            });
        });
    }

    fn enter(&self, id: &Id) {
        let id = id.into_u64();
        if let Some(frame) = Frame::of_slot(id)
            && stack::push(frame).is_ok()
        {
            self.0.filter.entered(id);
        }
    }

    fn exit(&self, id: &Id) {
        let exited = id.into_u64();
        if stack::take_where(|frame| matches!(frame, Frame::Slot { id, .. } if *id == exited)).is_some() {
            self.0.filter.exited(exited);
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        slots::retain(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let Some(mut record) = local::release(id.into_u64()) else { return false };
        // An observed call ends its span itself: what is given back here was only a handle on it.
        if record.site.is_none() {
            self.0.finish(&mut record, Moment::now(), None, None);
            self.0.filter.closed(id.into_u64());
        }
        local::recycle(record);
        true
    }

    fn current_span(&self) -> Current {
        // `tracing` clones the id that it is given here, and never gives this one back.
        match stack::current_span(self.0.address()) {
            Some((id, meta)) => Current::new(Id::from_u64(id), meta),
            None => Current::none(),
        }
    }
}

/// The field names by which `tracing` code speaks to OpenTelemetry.
fn adopt_conventions(record: &mut Record) {
    if !record.fields.may_have(names::OTEL_NAME) && !record.fields.may_have(names::OTEL_KIND) {
        return;
    }
    let mut name = None;
    for (key, value) in record.fields.own() {
        match (key, value) {
            (names::OTEL_NAME, FieldValue::Str(value)) => name = Some(value.into_owned().into()),
            (names::OTEL_KIND, FieldValue::Str(value)) => {
                record.kind = SpanKind::parse(&value.to_ascii_lowercase()).unwrap_or(record.kind);
            }
            _ => {}
        }
    }
    if name.is_some() {
        record.rare_mut().name = name;
    }
}

/// The dispatcher of an engine that is the subscriber of some scopes only.
///
/// While `tracing` knows one dispatcher alone, it asks the subscriber of the thread at hand in its place: a callsite that is
/// first met by a thread outside those scopes would be off in them too. So there is one more, which wants nothing.
pub(crate) fn scoped(engine: Engine) -> Dispatch {
    static OTHER: OnceLock<Dispatch> = OnceLock::new();
    OTHER.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    Dispatch::new(engine)
}

/// The engine behind a dispatcher, if it is one.
#[inline]
pub(crate) fn of(dispatch: &Dispatch) -> Option<&CoreRef> {
    dispatch.downcast_ref::<Engine>().map(|engine| &engine.0)
}
