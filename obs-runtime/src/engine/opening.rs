//! How the span of an observed call opens: under what, and for whom.

use std::sync::Arc;

use tracing::field::{Field, Value, ValueSet};
use tracing::span::{Attributes, Id};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Metadata, dispatcher};

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::fields::List;
use crate::engine::held::Held;
use crate::engine::layer::EngineLayer;
use crate::engine::record::{Rare, Record};
use crate::engine::recorder::{Recorder, tell_filter};
use crate::engine::stack::{self, Place};
use crate::engine::{Link, SpanKind, call, context, layer, local, running, slots, subscriber};
use crate::metrics::scope;
use crate::propagation::Correlation;

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
        if matches!(viewer, Viewer::Nobody) && !call::is_active() {
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
        if call::is_active() {
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
