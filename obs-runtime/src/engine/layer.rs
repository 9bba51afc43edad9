//! The engine as a layer of `tracing_subscriber`, over somebody else's `Registry`.
//!
//! The same records lie in the same slots; the registry's span knows its slot. What the registry keeps besides, its own ids and
//! stack, serves the other layers. A call that is observed opens a span of the registry, so that they see it too, and then
//! takes the record that this layer has made of it as its own.

use std::sync::OnceLock;

use tracing::dispatcher::WeakDispatch;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::engine::core::CoreRef;
use crate::engine::plain::{self, Around};
use crate::engine::subscriber;

/// Finds the slot of a span in the registry of one type.
type Lookup = fn(&Dispatch, &Id, engine: usize, Hidden) -> Option<u64>;

/// What to do about a span that a filter hides from the engine.
#[derive(Clone, Copy, PartialEq)]
enum Hidden {
    /// It has no slot.
    Stay,
    /// The nearest span around it will do.
    Around,
}

/// The layer, before its filter.
pub(crate) struct EngineLayer {
    core: CoreRef,
    /// Known once the layer stands on its registry.
    lookup: Option<Lookup>,
    dispatch: OnceLock<WeakDispatch>,
}

/// The filter of the engine, as one of this layer alone.
pub(crate) struct EngineFilter(CoreRef);

/// The layer with its filter.
pub(crate) fn new<S>(core: &CoreRef) -> Filtered<EngineLayer, EngineFilter, S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = EngineLayer { core: core.clone(), lookup: None, dispatch: OnceLock::new() };
    Layer::<S>::with_filter(layer, EngineFilter(core.clone()))
}

/// The layer behind a dispatcher, if there is one.
#[inline]
pub(crate) fn of(dispatch: &Dispatch) -> Option<&EngineLayer> {
    dispatch.downcast_ref::<EngineLayer>()
}

/// Among what a registry keeps of a span: where an engine has its record.
struct Seen {
    engine: usize,
    slot: u64,
    /// There may be layers of other engines on the same registry.
    others: Vec<(usize, u64)>,
}

impl Seen {
    fn put<'a>(span: &SpanRef<'a, impl LookupSpan<'a>>, engine: usize, slot: u64) {
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Seen>() {
            Some(seen) => seen.others.push((engine, slot)),
            None => extensions.insert(Seen { engine, slot, others: Vec::new() }),
        }
    }

    fn get<'a>(span: &SpanRef<'a, impl LookupSpan<'a>>, engine: usize) -> Option<u64> {
        let extensions = span.extensions();
        let seen = extensions.get::<Seen>()?;
        if seen.engine == engine {
            return Some(seen.slot);
        }
        seen.others.iter().find(|(own, _)| *own == engine).map(|(_, slot)| *slot)
    }
}

fn lookup<S>(dispatch: &Dispatch, id: &Id, engine: usize, hidden: Hidden) -> Option<u64>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let mut span = dispatch.downcast_ref::<S>()?.span(id)?;
    loop {
        if let Some(slot) = Seen::get(&span, engine) {
            return Some(slot);
        }
        if hidden == Hidden::Stay {
            return None;
        }
        span = span.parent()?;
    }
}

impl EngineLayer {
    pub(crate) fn core(&self) -> &CoreRef {
        &self.core
    }

    /// The slot of the span that the registry behind this dispatcher knows by this id, or of the nearest one around it.
    pub(crate) fn slot(&self, dispatch: &Dispatch, id: &Id) -> Option<u64> {
        (self.lookup?)(dispatch, id, self.core.address(), Hidden::Around)
    }

    /// The same, but nothing where a filter hides the span itself.
    pub(crate) fn own_slot(&self, dispatch: &Dispatch, id: &Id) -> Option<u64> {
        (self.lookup?)(dispatch, id, self.core.address(), Hidden::Stay)
    }

    fn seen<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<u64>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        Seen::get(&context.span(id)?, self.core.address())
    }
}

impl<S> Layer<S> for EngineLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_layer(&mut self, _: &mut S) {
        self.lookup = Some(lookup::<S>);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let around = if attributes.is_contextual() {
            Around::Current
        } else {
            // The registry knows the parent even where a filter hides it: then this is the nearest one around it.
            let parent = span.parent().and_then(|parent| Seen::get(&parent, self.core.address()));
            parent.map_or(Around::Nothing, Around::Slot)
        };
        if let Some(slot) = self.core.new_span(attributes, around) {
            Seen::put(&span, self.core.address(), slot);
        }
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        if let Some(slot) = self.seen(id, &context) {
            self.core.record(slot, values);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(slot), Some(follows)) = (self.seen(id, &context), self.seen(follows, &context)) {
            self.core.follows_from(slot, follows);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let around = match event.parent() {
            Some(id) => {
                let hidden = || self.slot(&self.dispatch.get()?.upgrade()?, id);
                self.seen(id, &context).or_else(hidden).map_or(Around::Nothing, Around::Slot)
            }
            None if event.is_root() => Around::Nothing,
            None => Around::Current,
        };
        self.core.event(event, around);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(slot) = self.seen(id, &context) {
            self.core.enter(slot);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(slot) = self.seen(id, &context) {
            self.core.exit(slot);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(slot) = self.seen(&id, &context) {
            plain::close(slot);
        }
    }
}

impl<S> Filter<S> for EngineFilter {
    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.filter.enabled(meta, self.0.address())
    }

    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        subscriber::register(&self.0, meta)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.filter.max_level()
    }
}
