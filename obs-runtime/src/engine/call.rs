//! An observed call, from its first instruction to its outcome, in all three signals.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing::field::{self, Field, Value, ValueSet};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, dispatcher};

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::fields::{Key, List};
use crate::engine::held::Held;
use crate::engine::layer::EngineLayer;
use crate::engine::made::MadeEvent;
use crate::engine::record::{Parent, Rare, Record};
use crate::engine::stack::{self, Place};
use crate::engine::{FieldValue, Link, SpanKind, context, layer, local, running, slots, subscriber, visit};
use crate::log::json;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::scope;
use crate::names;
use crate::outcome::Ended;
use crate::propagation::Correlation;

/// How many runtimes and captures there are: with none, an observed call does not even measure.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

/// Calls are measured while one of these lives.
#[derive(Debug)]
pub(crate) struct Active(());

impl Active {
    pub(crate) fn begin() -> Self {
        ACTIVE.fetch_add(1, Relaxed);
        Active(())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Relaxed);
    }
}

/// Whether nobody listens: no runtime, and no subscriber for this level.
#[inline]
pub(crate) fn idle(site: &'static Callsite) -> bool {
    ACTIVE.load(Relaxed) == 0 && *site.meta().level() > LevelFilter::current()
}

/// What a span hangs under, where that is not simply what is around the call.
pub(crate) enum Under {
    /// The span of a caller elsewhere.
    Context(Correlation),
    /// A span of `tracing`, kept open meanwhile.
    Span(tracing::Span),
    /// One that is known by its id only.
    Id(Id),
    /// Nothing.
    Root,
}

/// A span that is being opened: its fields are still to come.
pub(crate) struct Opening {
    record: Box<Record>,
    site: &'static Callsite,
    /// Where the engine is a layer: the slot of the record that it has made of the span; else 0.
    slot: u64,
}

/// A span is opened without values: they follow one by one, as any subscriber understands.
fn no_values(meta: &'static Metadata<'static>) -> ValueSet<'static> {
    const NONE: [(&Field, Option<&dyn Value>); 0] = [];
    meta.fields().value_set(&NONE)
}

/// Who will see the span of a call.
enum Viewer {
    /// This engine, which has opened what is in the record.
    Engine(Box<Record>),
    /// An engine that is a layer, and the other layers. Its own filter may hide the span from it: then there is no slot.
    Layer(CoreRef, tracing::Span, Option<u64>),
    Foreign(tracing::Span),
    Nobody,
}

/// Looks who will see the span of a call, and lets `open` open it where that is one of ours. `open` is given the dispatcher, as
/// `tracing` gives none to who asks for it meanwhile.
#[inline]
fn viewer(
    site: &'static Callsite,
    under: Option<&Under>,
    open: impl Fn(&Dispatch, &CoreRef, &mut Record, bool),
) -> Viewer {
    let interest = site.interest();
    dispatcher::get_default(|dispatch| {
        let meta = site.meta();
        let on = interest.is_always() || (!interest.is_never() && dispatch.enabled(meta));
        let opened = |core: &CoreRef, on| {
            let mut record = local::fresh();
            open(dispatch, core, &mut record, on);
            Viewer::Engine(record)
        };
        if let Some(core) = subscriber::bare(dispatch) {
            return opened(core, on);
        }
        match layer::of(dispatch) {
            Some(layer) if on => layered(layer, dispatch, meta, under),
            Some(layer) => opened(layer.core(), false),
            // What a subscriber of another thread wants always, is cached as wanted by this one's, which may be none.
            None if on && !dispatch.is::<NoSubscriber>() => Viewer::Foreign(foreign_span(dispatch, meta, under)),
            None => Viewer::Nobody,
        }
    })
}

/// A span of a subscriber that is not ours.
fn foreign_span(dispatch: &Dispatch, meta: &'static Metadata<'static>, under: Option<&Under>) -> tracing::Span {
    let values = no_values(meta);
    match under {
        None | Some(Under::Context(_)) => tracing::Span::new_with(meta, &values, dispatch),
        Some(Under::Span(span)) => tracing::Span::child_of_with(span.id(), meta, &values, dispatch),
        Some(Under::Id(id)) => tracing::Span::child_of_with(id.clone(), meta, &values, dispatch),
        Some(Under::Root) => tracing::Span::new_root_with(meta, &values, dispatch),
    }
}

/// A span that the engine sees as a layer among others.
#[cold]
fn layered(
    layer: &EngineLayer,
    dispatch: &Dispatch,
    meta: &'static Metadata<'static>,
    under: Option<&Under>,
) -> Viewer {
    let span = {
        // The layer opens its record under what is around the caller: there, the context is.
        let _context = match under {
            Some(Under::Context(correlation)) => Some(context::enter(Arc::new(correlation.clone()))),
            _ => None,
        };
        // An id that the registry does not know would make it panic.
        let is_there = |id: &Id| layer.slot(dispatch, id).is_some();
        let under = match under {
            Some(Under::Span(span)) if !span.id().is_some_and(|id| is_there(&id)) => Some(&Under::Root),
            Some(Under::Id(id)) if !is_there(id) => Some(&Under::Root),
            under => under,
        };
        foreign_span(dispatch, meta, under)
    };
    let slot = span.id().and_then(|id| layer.own_slot(dispatch, &id));
    Viewer::Layer(layer.core().clone(), span, slot)
}

impl Opening {
    /// Begins to open a span, or only a measurement where the span is off; nothing when nobody listens.
    #[inline]
    pub(crate) fn begin(site: &'static Callsite) -> Option<Self> {
        let meta = site.meta();
        let open = |_: &Dispatch, core: &CoreRef, record: &mut Record, on| {
            if on { core.open(record, meta) } else { core.measure(record, meta) }
        };
        match viewer(site, None, open) {
            Viewer::Engine(record) => Some(Self::measured(record, site)),
            viewer => Self::elsewhere(site, viewer, None),
        }
    }

    /// The same for a span that may hang somewhere else than where the caller is.
    pub(crate) fn begin_at(site: &'static Callsite, under: Option<Under>) -> Option<Self> {
        let Some(under) = under else { return Self::begin(site) };
        let open = |dispatch: &Dispatch, core: &CoreRef, record: &mut Record, on| {
            open_under(dispatch, core, record, site, &under, on);
        };
        match viewer(site, Some(&under), open) {
            Viewer::Engine(record) => Some(Self::measured(record, site)),
            viewer => Self::elsewhere(site, viewer, Some(under)),
        }
    }

    /// A call whose span is not made by an engine of ours, or not directly: it is measured all the same, and hands on what is around it.
    #[cold]
    fn elsewhere(site: &'static Callsite, viewer: Viewer, under: Option<Under>) -> Option<Self> {
        if matches!(viewer, Viewer::Nobody) && ACTIVE.load(Relaxed) == 0 {
            return None;
        }
        let mut record = local::fresh();
        if let Viewer::Layer(core, span, seen) = viewer {
            core.measure(&mut record, site.meta());
            record.rare_mut().foreign = Some(span);
            record.watched = true;
            return Some(Opening { slot: seen.unwrap_or(0), ..Self::measured(record, site) });
        }
        if !matches!(under, Some(Under::Root)) {
            stack::at_current(0, |place| {
                if let Place::Record(around, slot) = place {
                    record.inherit(around, slot);
                }
            });
        }
        record.meta = Some(site.meta());
        record.key = crate::ids::random();
        if let Some(Under::Context(correlation)) = under {
            record.carried = Some(Arc::new(correlation));
        }
        if let Viewer::Foreign(span) = viewer {
            record.rare_mut().foreign = Some(span);
            record.watched = true;
        }
        Some(Self::measured(record, site))
    }

    #[inline]
    fn measured(mut record: Box<Record>, site: &'static Callsite) -> Self {
        record.site = Some(site);
        record.kind = site.kind();
        if ACTIVE.load(Relaxed) > 0 {
            record.scope = scope::current();
            record.measured = site.operation();
        }
        Opening { record, site, slot: 0 }
    }

    /// Refers to another span.
    pub(crate) fn link(&mut self, link: Link) {
        self.record.link(link);
    }

    /// Whether its fields will be seen: else their expressions do not run.
    #[inline]
    pub(crate) fn wants_fields(&self) -> bool {
        self.record.on || self.record.foreign().is_some()
    }

    #[inline]
    pub(crate) fn recorder(&mut self) -> Recorder<'_> {
        let record = &mut *self.record;
        match record.foreign_and_fields() {
            (Some(span), _) => Recorder::Foreign(span),
            (None, fields) => Recorder::Engine(fields),
        }
    }

    /// The open span. Its call is in flight from here on.
    #[inline]
    pub(crate) fn finish(self) -> Held {
        let Opening { mut record, site, slot } = self;
        record.start = Moment::now();
        if let Some(operation) = record.measured {
            operation.begin(record.scope.as_ref());
        }
        if slot != 0 {
            return adopt(record, slot);
        }
        match record.on && record.watching_core().is_some() {
            true => watched(record, site),
            false => {
                if record.on {
                    running::begun(&mut record, site);
                }
                Held::Own(record)
            }
        }
    }
}

/// Opens a span, or a measurement, where the attribute says. What has ended meanwhile, or is of another engine, is nowhere.
#[cold]
fn open_under(
    dispatch: &Dispatch,
    core: &CoreRef,
    record: &mut Record,
    site: &'static Callsite,
    under: &Under,
    on: bool,
) {
    let meta = site.meta();
    let mut open = |place: Place<'_>| {
        if on {
            core.open_at(record, meta, place);
        } else {
            core.measure_at(record, meta, place);
            record.key = crate::ids::random();
        }
    };
    let slot = |id: &Id, dispatch: &Dispatch| {
        subscriber::of(dispatch).filter(|own| own.address() == core.address())?;
        subscriber::slot(dispatch, id)
    };
    let id = match under {
        Under::Context(correlation) => return open(Place::Context(&Arc::new(correlation.clone()))),
        Under::Span(span) => span.with_subscriber(|(id, dispatch)| slot(id, dispatch)).flatten(),
        Under::Id(id) => slot(id, dispatch),
        Under::Root => None,
    };
    let id = id.unwrap_or(0);
    if id == 0 || stack::at_slot(core.address(), id, |parent| open(Place::Record(parent, id))).is_none() {
        open(Place::Nowhere);
    }
}

/// Makes the record that the engine, as a layer, has made of the span the call's own: until here the call had a draft.
#[cold]
fn adopt(mut draft: Box<Record>, slot: u64) -> Held {
    slots::retain(slot);
    slots::with(slot, |record| {
        record.site = draft.site;
        record.start = draft.start;
        record.measured = draft.measured;
        record.scope = draft.scope.take();
        record.watched = true;
        if draft.kind != SpanKind::Internal {
            record.kind = draft.kind;
        }
        let Rare { links, foreign, .. } = draft.take_rare();
        record.rare_mut().foreign = foreign;
        links.into_iter().for_each(|link| record.link(link));
    });
    local::recycle(draft);
    Held::Slot(slot)
}

/// Puts the record where a filter with directives on spans knows it by its id, and tells the filter.
#[cold]
fn watched(mut record: Box<Record>, site: &'static Callsite) -> Held {
    record.watched = true;
    let Some(core) = record.core.clone() else { return Held::Own(record) };
    match local::insert(record) {
        Ok(id) => {
            core.filter.opened(&Attributes::new(site.meta(), &no_values(site.meta())), id);
            let mut later = List::new();
            slots::with(id, |record| later.merge_own(&record.fields));
            tell_filter(&core, id, site, &later);
            Held::Slot(id)
        }
        Err(record) => Held::Own(record),
    }
}

/// Hands an observed call's fields to a filter with directives on the values of fields.
fn tell_filter(core: &CoreRef, id: u64, site: &'static Callsite, fields: &List) {
    let names = site.meta().fields();
    for (name, value) in fields.own() {
        let Some(field) = names.field(name) else { continue };
        let value: &dyn Value = match &value {
            FieldValue::Str(value) => &&**value,
            FieldValue::I64(value) => value,
            FieldValue::U64(value) => value,
            FieldValue::F64(value) => value,
            FieldValue::Bool(value) => value,
        };
        let values = [(&field, Some(value))];
        core.filter.recorded(&Id::from_u64(id), &tracing::span::Record::new(&names.value_set(&values)));
    }
}

/// A value on its way to a field.
pub(crate) enum Recorded<'a> {
    Str(&'a str),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Bool(bool),
    Display(&'a dyn Display),
    Debug(&'a dyn Debug),
}

/// Where the fields of an observed call go.
pub(crate) enum Recorder<'a> {
    Engine(&'a mut List),
    Foreign(&'a tracing::Span),
}

impl Recorder<'_> {
    pub(crate) fn reborrow(&mut self) -> Recorder<'_> {
        match self {
            Recorder::Engine(fields) => Recorder::Engine(fields),
            Recorder::Foreign(span) => Recorder::Foreign(span),
        }
    }

    /// Records one value under a key of the callsite.
    #[inline]
    pub(crate) fn record(&mut self, key: &'static Key, value: &Recorded<'_>) {
        match self {
            Recorder::Engine(fields) => match *value {
                Recorded::Str(value) => fields.put_key_str(key, value),
                _ => fields.put_key(key, |text| value.render(text)),
            },
            Recorder::Foreign(span) => value.hand_to(span, key.name),
        }
    }

    /// Records one value under any key.
    pub(crate) fn record_named(&mut self, name: &'static str, value: &Recorded<'_>) {
        match self {
            Recorder::Engine(fields) => fields.put(name, |text| value.render(text)),
            Recorder::Foreign(span) => value.hand_to(span, name),
        }
    }
}

impl Recorded<'_> {
    #[inline]
    fn render(&self, text: &mut Vec<u8>) {
        match *self {
            Recorded::Str(value) => json::string(text, value),
            Recorded::I64(value) => json::integer(text, value),
            Recorded::U64(value) => json::integer(text, value),
            Recorded::I128(value) => json::integer(text, value),
            Recorded::U128(value) => json::integer(text, value),
            Recorded::F64(value) => json::float(text, value),
            Recorded::Bool(value) => json::boolean(text, value),
            Recorded::Display(value) => visit::formatted(text, format_args!("{value}")),
            Recorded::Debug(value) => visit::formatted(text, format_args!("{value:?}")),
        }
    }

    fn hand_to(&self, span: &tracing::Span, name: &'static str) {
        match *self {
            Recorded::Str(value) => span.record(name, value),
            Recorded::I64(value) => span.record(name, value),
            Recorded::U64(value) => span.record(name, value),
            Recorded::I128(value) => span.record(name, value),
            Recorded::U128(value) => span.record(name, value),
            Recorded::F64(value) => span.record(name, value),
            Recorded::Bool(value) => span.record(name, value),
            Recorded::Display(value) => span.record(name, field::display(value)),
            Recorded::Debug(value) => span.record(name, field::debug(value)),
        };
    }
}

/// Records late fields of the innermost call of `site` on this thread. Outside of one the value is dropped, and counted.
pub(crate) fn record(site: &'static Callsite, fields: impl FnOnce(&mut Recorder<'_>)) {
    if idle(site) {
        return;
    }
    match stack::with_site(site, |record| record.key) {
        Some(key) => record_on(&mut Held::Away(key), fields),
        None => lost(Signal::Spans, Reason::NoSpan, 1),
    }
}

/// Records late fields of a call. They are rendered first, with nothing held, as that runs the user's code.
pub(crate) fn record_on(held: &mut Held, fields: impl FnOnce(&mut Recorder<'_>)) {
    match held.with(|record| (record.on, record.foreign().cloned())) {
        Some((_, Some(span))) => fields(&mut Recorder::Foreign(&span)),
        Some((true, None)) => local::with_list(|later| {
            fields(&mut Recorder::Engine(later));
            let watched = held.with(|record| {
                record.record(later);
                record.watched.then(|| (record.core.clone(), record.site, record.key))
            });
            if let Some(Some((Some(core), Some(site), key))) = watched
                && let Some(id) = stack::slot_of(key)
            {
                tell_filter(&core, id, site, later);
            }
        }),
        _ => {}
    }
}

/// A failure, as its value tells it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its text first; then its alternate text and those of its sources, to know it again further up.
    pub(crate) texts: Vec<String>,
    /// `error.type`.
    pub(crate) kind: Cow<'static, str>,
    /// The level that its type asks for.
    pub(crate) level: Level,
}

/// Ends a call while it is still on the stack: metrics, events, span. It is left, and nothing is held any more.
pub(crate) fn end(site: &'static Callsite, held: &mut Held, outcome: Ended, failure: Option<&Failure>) {
    let end = Moment::now();
    // Nothing to tell, nobody who watches, and the record on top of the stack: the usual end takes it off at once.
    if failure.is_none()
        && site.ends_quietly()
        && let Held::Away(key) = *held
        && let Some(mut record) = stack::pop_quiet(key)
    {
        *held = Held::Gone;
        count(&record, end, outcome);
        if let Some(core) = record.core.take() {
            core.finish(&mut record, end, Some(outcome), None);
        }
        return local::recycle(record);
    }
    end_told(site, held, end, outcome, failure);
}

/// The same where there may be something to tell, or somebody to be told.
#[cold]
fn end_told(site: &'static Callsite, held: &mut Held, end: Moment, outcome: Ended, failure: Option<&Failure>) {
    let begun = held.with(|record| {
        let passed_on = failure.is_some_and(|failure| record.passes_on(&failure.texts));
        (count(record, end, outcome), record.parent, passed_on)
    });
    if let Some((nanos, parent, passed_on)) = begun {
        tell(&Told { site, nanos, outcome }, parent, failure, passed_on);
    }
    close(held, end, outcome, failure);
}

/// Counts a call that has ended, and says how many nanoseconds it took.
#[inline]
fn count(record: &Record, end: Moment, outcome: Ended) -> u64 {
    let nanos = end.since(record.start);
    if let Some(operation) = record.measured {
        operation.end(record.scope.as_ref(), outcome, nanos);
        if record.scope.is_none()
            && let Some(kept) =
                record.exported_root(|| outcome != Ended::Ok || record.site.is_some_and(|site| site.is_slow(nanos)))
        {
            operation.exemplify(outcome, nanos, kept, end.unix_nanos());
        }
    }
    nanos
}

#[inline]
fn tell(told: &Told, parent: Parent, failure: Option<&Failure>, passed_on: bool) {
    if let Some(failure) = failure {
        if let Some(text) = failure.texts.first() {
            stack::mark(parent, text);
        }
        if !passed_on && let Some(level) = told.site.error_level(failure.level) {
            told.event(level, "failed", Some(failure));
        }
    }
    told.event(told.site.finished(), "finished", None);
    if told.site.is_slow(told.nanos) {
        told.event(Level::WARN, "was slow", None);
    }
    if let Some(event) = told.site.audit_event() {
        told.dispatch(event, "finished", failure);
    }
}

fn close(held: &mut Held, end: Moment, outcome: Ended, failure: Option<&Failure>) {
    let error = failure.map(|failure| (failure.texts.first().map_or("", String::as_str), &*failure.kind));
    let foreign = held.with(|record| record.foreign().cloned()).flatten();
    if let Some(span) = &foreign {
        span.record(names::OUTCOME, outcome.as_str());
        if let Some((text, kind)) = error {
            span.record(names::ERROR, text);
            span.record(names::ERROR_TYPE, kind);
        }
    }
    held.leave();
    match std::mem::replace(held, Held::Gone) {
        Held::Own(mut record) => {
            finish(&mut record, end, outcome, error);
            local::recycle(record);
        }
        Held::Slot(id) => {
            // A handle that is kept longer still gives its ids to log lines.
            let watcher = slots::with(id, |record| {
                finish(record, end, outcome, error);
                record.watching_core().cloned()
            });
            if let Some(Some(core)) = watcher {
                core.filter.closed(id);
            }
            Held::Slot(id).discard();
        }
        Held::Away(_) | Held::Gone => {}
    }
}

fn finish(record: &mut Record, end: Moment, outcome: Ended, error: Option<(&str, &str)>) {
    // Taken out for the call, as the core reads the record.
    if let Some(core) = record.core.take() {
        core.finish(record, end, Some(outcome), error);
        record.core = Some(core);
    }
}

/// The end of a call, as events tell it.
struct Told {
    site: &'static Callsite,
    nanos: u64,
    outcome: Ended,
}

impl Told {
    #[inline]
    fn event(&self, level: Level, verb: &str, failure: Option<&Failure>) {
        if level <= LevelFilter::current() {
            self.dispatch(self.site.end_event(level), verb, failure);
        }
    }

    #[cold]
    fn dispatch(&self, event: &'static MadeEvent, verb: &str, failure: Option<&Failure>) {
        let meta = event.meta();
        dispatcher::get_default(|dispatch| {
            if !dispatch.enabled(meta) {
                return;
            }
            // Milliseconds with the microseconds as fraction: finer is not worth the digits.
            let duration_ms = (self.nanos / 1_000) as f64 / 1_000.0;
            let outcome = self.outcome.as_str();
            let error = failure.and_then(|failure| failure.texts.first());
            let kind = failure.map(|failure| &*failure.kind);
            let message = format_args!("{} {verb}", meta.name());
            let values: [Option<&dyn Value>; 5] = [
                Some(&message),
                Some(&duration_ms),
                Some(&outcome),
                error.map(|error| error as &dyn Value),
                kind.as_ref().map(|kind| kind as &dyn Value),
            ];
            dispatch.event(&Event::new(meta, &meta.fields().value_set_all(&values)));
        });
    }
}
