//! Which spans and events are on, by the directives of `EnvFilter`.

use std::cell::Cell;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, Targets};
use tracing_subscriber::layer::Layer;

/// A filter.
pub(crate) enum Filter {
    /// Levels by target only: the answer for a callsite never changes, and `tracing` keeps it.
    Static(Targets),
    /// With directives on spans and fields: asked each time, and told what spans are entered.
    // Behind a `dyn`, as every future that holds a span is asked whether all that it reaches is `Send`: the many types in an
    // `EnvFilter` would use up the recursion limit of deep chains of futures.
    Dynamic(Box<dyn Subscriber + Send + Sync>),
}

impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(directives: &str) -> Result<Self, ParseError> {
        let env = EnvFilter::builder().parse(directives)?;
        // `[span{field}]` is what only the whole `EnvFilter` understands.
        if directives.contains('[') {
            return Ok(Filter::Dynamic(Box::new(env.with_subscriber(IdGiver))));
        }
        Ok(match directives.parse() {
            Ok(targets) => Filter::Static(targets),
            Err(_) => Filter::Dynamic(Box::new(env.with_subscriber(IdGiver))),
        })
    }
}

impl Filter {
    #[cfg(feature = "testing")]
    pub(crate) fn everything() -> Self {
        Filter::Static(Targets::new().with_default(LevelFilter::TRACE))
    }

    pub(crate) fn register(&self, meta: &'static Metadata<'static>) -> Interest {
        match self {
            Filter::Static(_) if self.enabled(meta) => Interest::always(),
            Filter::Static(_) => Interest::never(),
            Filter::Dynamic(filter) => filter.register_callsite(meta),
        }
    }

    pub(crate) fn enabled(&self, meta: &Metadata<'_>) -> bool {
        match self {
            Filter::Static(targets) => targets.would_enable(meta.target(), meta.level()),
            Filter::Dynamic(filter) => filter.enabled(meta),
        }
    }

    pub(crate) fn max_level(&self) -> Option<LevelFilter> {
        match self {
            Filter::Static(targets) => {
                let levels = targets.iter().map(|(_, level)| level).chain(targets.default_level());
                levels.max().or(Some(LevelFilter::OFF))
            }
            Filter::Dynamic(filter) => filter.max_level_hint(),
        }
    }

    /// Whether it must be told of spans: then each one needs its id at once.
    pub(crate) fn watches_spans(&self) -> bool {
        matches!(self, Filter::Dynamic(_))
    }

    pub(crate) fn opened(&self, attributes: &Attributes<'_>, id: u64) {
        if let Filter::Dynamic(filter) = self {
            NEXT_ID.with(|next| next.set(id));
            filter.new_span(attributes);
        }
    }

    pub(crate) fn recorded(&self, id: &Id, values: &Record<'_>) {
        if let Filter::Dynamic(filter) = self {
            filter.record(id, values);
        }
    }

    pub(crate) fn entered(&self, id: u64) {
        if let Filter::Dynamic(filter) = self {
            filter.enter(&Id::from_u64(id));
        }
    }

    pub(crate) fn exited(&self, id: u64) {
        if let Filter::Dynamic(filter) = self {
            filter.exit(&Id::from_u64(id));
        }
    }

    pub(crate) fn closed(&self, id: u64) {
        if let Filter::Dynamic(filter) = self {
            filter.try_close(Id::from_u64(id));
        }
    }
}

thread_local! { static NEXT_ID: Cell<u64> = const { Cell::new(1) }; }

/// What the `EnvFilter` stands on: a subscriber that only hands it the ids that the engine gave.
pub(crate) struct IdGiver;

impl Subscriber for IdGiver {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        NEXT_ID.with(|next| Id::from_u64(next.get()))
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
    fn try_close(&self, _: Id) -> bool {
        true
    }
}
