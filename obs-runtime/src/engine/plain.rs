//! Spans and events of plain `tracing`, in whichever form they come in: by our own subscriber, or by a layer of somebody else's.

use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Level};

use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::fields::List;
use crate::engine::local::Scratch;
use crate::engine::record::Record;
use crate::engine::stack::{self, Place};
use crate::engine::visit::SpanVisitor;
use crate::engine::{FieldValue, Link, SpanKind, local, running, slots};
use crate::log::Origin;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::scope;
use crate::names;

/// What a span or an event hangs under.
#[derive(Clone, Copy)]
pub(crate) enum Around {
    /// What is around the caller.
    Current,
    /// The record in this slot.
    Slot(u64),
    Nothing,
}

impl CoreRef {
    #[inline]
    fn at<R>(&self, around: Around, mut f: impl FnMut(Place<'_>) -> R) -> R {
        match around {
            Around::Current => stack::at_current(self.address(), f),
            Around::Slot(id) => match stack::at_slot(self.address(), id, |record| f(Place::Record(record, id))) {
                Some(result) => result,
                None => f(Place::Nowhere),
            },
            Around::Nothing => f(Place::Nowhere),
        }
    }

    /// Opens a span; its slot, unless a million spans are open.
    #[inline]
    pub(crate) fn new_span(&self, attributes: &Attributes<'_>, around: Around) -> Option<u64> {
        let mut record = local::fresh();
        self.at(around, |place| self.open_at(&mut record, attributes.metadata(), place));
        // The user's `Display` runs with nothing held.
        attributes.record(&mut SpanVisitor(&mut record.fields));
        adopt_conventions(&mut record);
        record.scope = scope::current();
        record.start = Moment::now();
        match local::insert(record) {
            Ok(slot) => {
                if self.filter.watches_spans() {
                    self.filter.opened(attributes, slot);
                }
                Some(slot)
            }
            Err(record) => {
                lost(Signal::Spans, Reason::QueueFull, 1);
                local::recycle(record);
                None
            }
        }
    }

    /// Records late fields.
    pub(crate) fn record(&self, slot: u64, values: &Values<'_>) {
        local::with_list(|later| {
            values.record(&mut SpanVisitor(later));
            slots::with(slot, |record| {
                record.record(later);
                adopt_conventions(record);
            });
        });
        self.filter.recorded(&Id::from_u64(slot), values);
    }

    /// Writes a line.
    #[inline]
    pub(crate) fn event(&self, event: &Event<'_>, around: Around) {
        let meta = event.metadata();
        let Some(held_back) = self.admits(meta) else { return };
        local::with_scratch(|Scratch { event: visitor, line }| {
            visitor.suppressed(held_back);
            event.record(visitor);
            let origin = if meta.target() == "log" { log_origin(*meta.level(), &mut visitor.fields) } else { None };
            let visitor = &*visitor;
            let mut told = |origin: &Origin| {
                if let Some(at) = self.at(around, |place| self.render(line, origin, place, visitor)) {
                    self.in_span(around, |record| self.happened(record, at, origin, visitor));
                }
            };
            match &origin {
                Some(origin) => told(origin),
                None => local::with_origin(meta, told),
            }
            // Handed over with nothing held: with the policy `block` this may wait.
            self.out.line(line, *meta.level());
        });
    }

    /// Runs `f` on the span that an event happened in.
    #[cold]
    fn in_span(&self, around: Around, f: impl FnOnce(&mut Record)) {
        match around {
            Around::Current => stack::in_span(self.address(), f),
            Around::Slot(id) => drop(stack::at_slot(self.address(), id, f)),
            Around::Nothing => {}
        }
    }

    /// Refers from the span in one slot to that in another.
    pub(crate) fn follows_from(&self, slot: u64, follows: u64) {
        let Some(Some(ids)) = stack::at_slot(self.address(), follows, |other| other.ids) else { return };
        slots::with(slot, |record| record.link(Link { trace_id: ids.trace, span_id: ids.span }));
    }

    /// Puts this thread into the span in a slot.
    #[inline]
    pub(crate) fn enter(&self, slot: u64) {
        if running::is_watched() {
            slots::with(slot, running::entered);
        }
        if stack::push_plain(slot) {
            self.filter.entered(slot);
        }
    }

    /// Takes it out again. Guards may be dropped out of order, or on threads that never entered.
    #[inline]
    pub(crate) fn exit(&self, slot: u64) {
        if stack::take_where(|frame| frame.lies_in(slot)).is_some() {
            running::left(slot);
            self.filter.exited(slot);
        }
    }
}

/// Where a record of the `log` crate comes from, that `tracing-log` has made an event of: it tells it by fields.
#[cold]
fn log_origin(level: Level, fields: &mut List) -> Option<Origin> {
    let (mut target, mut file, mut line) = (None, None, None);
    for (key, value) in fields.own() {
        match (key, value) {
            ("log.target", FieldValue::Str(value)) => target = Some(value.into_owned()),
            ("log.file", FieldValue::Str(value)) => file = Some(value.into_owned()),
            ("log.line", FieldValue::I64(value)) => line = u32::try_from(value).ok(),
            _ => {}
        }
    }
    let origin = Origin::new(level, &target?, file.as_deref(), line);
    ["log.target", "log.module_path", "log.file", "log.line"].into_iter().for_each(|key| fields.forget(key));
    Some(origin)
}

/// One reference to a slot less; whether it was the last. With the last one a span of plain `tracing` ends; an observed call
/// ends its span itself, and what is given back here was only a handle on it.
#[inline]
pub(crate) fn close(slot: u64) -> bool {
    let Some(mut record) = local::release(slot) else { return false };
    if record.site.is_none()
        && let Some(core) = record.core.take()
    {
        core.finish(&mut record, Moment::now(), None, None);
        core.filter.closed(slot);
    }
    local::recycle(record);
    true
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span};

    use super::*;
    use crate::engine::Closed;
    use crate::engine::core::{Core, Out};
    use crate::engine::sampling::Sampler;
    use crate::engine::subscriber::{self, Engine};
    use crate::log::Render;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Out for Arc<Lines> {
        fn line(&self, line: &[u8], _: Level) {
            self.0.lock().expect("not poisoned").push(String::from_utf8_lossy(line).into_owned());
        }

        fn span(&self, _: &Closed<'_>) {}
    }

    #[test]
    fn what_logs_while_the_stack_is_in_use_is_written_without_a_span() {
        let lines = Arc::<Lines>::default();
        let sampler = Sampler::new(1.0, &std::collections::BTreeMap::new());
        let core = Core::new("info".parse().expect("a filter"), sampler, Render::Json, Box::new(Arc::clone(&lines)));
        let dispatch = subscriber::scoped(Engine(CoreRef::Shared(Arc::new(core))));
        tracing::dispatcher::with_default(&dispatch, || {
            let span = info_span!("around", user_id = "u1");
            let _inside = span.enter();
            // As an allocator or a signal handler would that logs.
            local::with_stack(|_| {
                info!("from below");
                let _ = info_span!("below").entered();
                let _ = tracing::Span::current();
            });
            info!("as ever");
        });
        let lines = lines.0.lock().expect("not poisoned");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("\"message\":\"from below\",\"trace_id\":null,\"span_id\":null"), "{}", lines[0]);
        assert!(lines[1].contains("\"user_id\":\"u1\""), "{}", lines[1]);
    }
}
