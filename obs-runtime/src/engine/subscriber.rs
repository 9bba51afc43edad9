//! The engine as a `tracing::Subscriber`.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::{Interest, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::copies;
use crate::engine::core::CoreRef;
use crate::engine::plain::{self, Around};
use crate::engine::{layer, slots, stack};

/// A complete subscriber: spans, ids, log lines and finished spans, without a `Registry`. The id of a span is its slot.
pub(crate) struct Engine(pub(crate) CoreRef);

/// The id of a span that found no slot: known to nobody.
const NOBODY: u64 = u64::MAX;

fn around(root: bool, contextual: bool, parent: Option<&Id>) -> Around {
    match parent {
        _ if root => Around::Nothing,
        _ if contextual => Around::Current,
        Some(id) => Around::Slot(id.into_u64()),
        None => Around::Nothing,
    }
}

impl Subscriber for Engine {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        register(&self.0, meta)
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        self.0.filter.enabled(meta, self.0.address())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.filter.max_level()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let around = around(attributes.is_root(), attributes.is_contextual(), attributes.parent());
        Id::from_u64(self.0.new_span(attributes, around).unwrap_or(NOBODY))
    }

    fn record(&self, id: &Id, values: &Values<'_>) {
        self.0.record(id.into_u64(), values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        self.0.follows_from(id.into_u64(), follows.into_u64());
    }

    fn event(&self, event: &Event<'_>) {
        self.0.event(event, around(event.is_root(), event.is_contextual(), event.parent()));
    }

    fn enter(&self, id: &Id) {
        self.0.enter(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        self.0.exit(id.into_u64());
    }

    fn clone_span(&self, id: &Id) -> Id {
        slots::retain(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        plain::close(id.into_u64())
    }

    fn current_span(&self) -> Current {
        // `tracing` clones the id that it is given here, and never gives this one back.
        match stack::current_span(self.0.address()) {
            Some((id, meta)) => Current::new(Id::from_u64(id), meta),
            None => Current::none(),
        }
    }
}

/// Whether a callsite is on, for all that is known of it.
pub(crate) fn register(core: &CoreRef, meta: &'static Metadata<'static>) -> Interest {
    if copies::is_one(meta) {
        copies::met(meta, core.is_process());
        return Interest::never();
    }
    core.filter.register(meta)
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

/// The engine that is the subscriber behind a dispatcher, bare.
#[inline]
pub(crate) fn bare(dispatch: &Dispatch) -> Option<&CoreRef> {
    dispatch.downcast_ref::<Engine>().map(|engine| &engine.0)
}

/// The engine behind a dispatcher, if there is one: as its subscriber, or as a layer.
#[inline]
pub(crate) fn of(dispatch: &Dispatch) -> Option<&CoreRef> {
    bare(dispatch).or_else(|| layer::of(dispatch).map(layer::EngineLayer::core))
}

/// The slot of the span that this dispatcher, if an engine is behind it, knows by this id.
pub(crate) fn slot(dispatch: &Dispatch, id: &Id) -> Option<u64> {
    match bare(dispatch) {
        Some(_) => Some(id.into_u64()),
        None => layer::of(dispatch)?.slot(dispatch, id),
    }
}
