//! Which spans and events are on, by the directives of `EnvFilter`: as configured, or as somebody wants them for a while.

use std::cell::Cell;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tracing::callsite;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, Targets};
use tracing_subscriber::layer::Layer;

use crate::engine::fields::List;
use crate::engine::mirror;
use crate::engine::stack::{self, Place};
use crate::log::json;

/// The filter of an engine. While nobody has changed it, it costs what its directives cost.
pub(crate) struct Filter {
    configured: Directives,
    change: RwLock<Option<Arc<Change>>>,
    /// Whether there is a change.
    changed: AtomicBool,
    /// Who has to be told of spans, one bit each: 0 for nobody.
    watchers: AtomicU8,
}

/// The directives of the configuration have something to say of spans.
const CONFIGURED: u8 = 1;
/// Those of a change have.
const CHANGED: u8 = 2;
/// The context of OpenTelemetry follows the spans.
const MIRRORED: u8 = 4;

/// What one text says.
pub(crate) enum Directives {
    /// Levels by target only: the answer for a callsite never changes, and `tracing` keeps it.
    Static(Box<Targets>),
    /// With directives on spans and fields: asked each time, and told what spans are entered.
    // Behind a `dyn`, as every future that holds a span is asked whether all that it reaches is `Send`: the many types in an
    // `EnvFilter` would use up the recursion limit of deep chains of futures.
    Dynamic(Box<dyn Subscriber + Send + Sync>),
}

/// Other directives for a while: in place of the configured ones, or beside them for those whom it concerns.
pub(crate) struct Change {
    directives: Directives,
    /// Fields that the spans around must have; with none it concerns everybody.
    whom: Vec<Whom>,
}

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whom {
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

impl Whom {
    fn is_in(&self, fields: &List) -> bool {
        let Some(text) = fields.get(self.key) else { return false };
        let mut wanted = Vec::new();
        json::string(&mut wanted, &self.value);
        // Text, or a number as it was written.
        text == wanted || text == self.value.as_bytes()
    }
}

impl FromStr for Directives {
    type Err = ParseError;

    fn from_str(directives: &str) -> Result<Self, ParseError> {
        let env = EnvFilter::builder().parse(directives)?;
        // `[span{field}]` is what only the whole `EnvFilter` understands.
        if directives.contains('[') {
            return Ok(Directives::Dynamic(Box::new(env.with_subscriber(IdGiver))));
        }
        Ok(match directives.parse() {
            Ok(targets) => Directives::Static(Box::new(targets)),
            Err(_) => Directives::Dynamic(Box::new(env.with_subscriber(IdGiver))),
        })
    }
}

impl Directives {
    fn register(&self, meta: &'static Metadata<'static>) -> Interest {
        match self {
            Directives::Static(_) if self.enabled(meta) => Interest::always(),
            Directives::Static(_) => Interest::never(),
            Directives::Dynamic(filter) => filter.register_callsite(meta),
        }
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        match self {
            Directives::Static(targets) => targets.would_enable(meta.target(), meta.level()),
            Directives::Dynamic(filter) => filter.enabled(meta),
        }
    }

    fn max_level(&self) -> Option<LevelFilter> {
        match self {
            Directives::Static(targets) => {
                let levels = targets.iter().map(|(_, level)| level).chain(targets.default_level());
                levels.max().or(Some(LevelFilter::OFF))
            }
            Directives::Dynamic(filter) => filter.max_level_hint(),
        }
    }

    fn watcher(&self) -> Option<&dyn Subscriber> {
        match self {
            Directives::Static(_) => None,
            Directives::Dynamic(filter) => Some(&**filter),
        }
    }
}

impl Change {
    pub(crate) fn new(directives: Directives, whom: Vec<Whom>) -> Self {
        Change { directives, whom }
    }

    /// Whether the spans around the caller, of this engine, have the fields; or it is a span that may say so itself.
    fn concerns(&self, meta: &Metadata<'_>, engine: usize) -> bool {
        let is_around = stack::at_current(engine, |place| match place {
            Place::Record(record, _) => self.whom.iter().all(|whom| whom.is_in(&record.fields)),
            Place::Context(_) | Place::Nowhere => false,
        });
        is_around || (meta.is_span() && self.whom.iter().any(|whom| meta.fields().field(whom.key).is_some()))
    }
}

impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(directives: &str) -> Result<Self, ParseError> {
        directives.parse().map(Filter::new)
    }
}

impl Filter {
    fn new(configured: Directives) -> Self {
        let watchers = if configured.watcher().is_some() { CONFIGURED } else { 0 };
        Filter {
            configured,
            change: RwLock::new(None),
            changed: AtomicBool::new(false),
            watchers: AtomicU8::new(watchers),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn everything() -> Self {
        Filter::new(Directives::Static(Box::new(Targets::new().with_default(LevelFilter::TRACE))))
    }

    /// Puts a change in force, or ends the one that is. `tracing` asks anew for every callsite.
    pub(crate) fn change(&self, change: Option<Change>) {
        let watches = change.as_ref().is_some_and(|change| change.directives.watcher().is_some());
        let is_some = change.is_some();
        let before = {
            let mut current = self.change.write().unwrap_or_else(PoisonError::into_inner);
            self.changed.store(is_some, Relaxed);
            self.watch(CHANGED, watches);
            std::mem::replace(&mut *current, change.map(Arc::new))
        };
        drop(before);
        rebuild();
    }

    fn watch(&self, who: u8, watches: bool) {
        if watches {
            self.watchers.fetch_or(who, Relaxed);
        } else {
            self.watchers.fetch_and(!who, Relaxed);
        }
    }

    /// The change in force. Nothing is locked when this returns, as directives on fields run the user's `Debug`.
    #[inline]
    fn current(&self) -> Option<Arc<Change>> {
        if !self.changed.load(Relaxed) {
            return None;
        }
        self.change.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn register(&self, meta: &'static Metadata<'static>) -> Interest {
        // Each is asked whatever the other says: an `EnvFilter` takes note of the callsites that it is asked for.
        let configured = self.configured.register(meta);
        let Some(change) = self.current() else { return configured };
        let changed = change.directives.register(meta);
        if change.whom.is_empty() {
            changed
        } else if configured.is_always() || changed.is_never() {
            configured
        } else {
            Interest::sometimes()
        }
    }

    pub(crate) fn enabled(&self, meta: &Metadata<'_>, engine: usize) -> bool {
        match self.current() {
            None => self.configured.enabled(meta),
            Some(change) if change.whom.is_empty() => change.directives.enabled(meta),
            Some(change) => {
                self.configured.enabled(meta) || (change.directives.enabled(meta) && change.concerns(meta, engine))
            }
        }
    }

    pub(crate) fn max_level(&self) -> Option<LevelFilter> {
        let configured = self.configured.max_level();
        match self.current() {
            None => configured,
            Some(change) if change.whom.is_empty() => change.directives.max_level(),
            Some(change) => Some(configured?.max(change.directives.max_level()?)),
        }
    }

    /// Whether somebody must be told of spans: then each one needs its id at once.
    #[inline]
    pub(crate) fn watches_spans(&self) -> bool {
        self.watchers.load(Relaxed) != 0
    }

    /// Tells those whose directives are on spans.
    fn tell(&self, what: impl Fn(&dyn Subscriber)) {
        if self.watchers.load(Relaxed) & (CONFIGURED | CHANGED) == 0 {
            return;
        }
        self.configured.watcher().into_iter().for_each(&what);
        if let Some(change) = self.current() {
            change.directives.watcher().into_iter().for_each(what);
        }
    }

    pub(crate) fn opened(&self, attributes: &Attributes<'_>, id: u64) {
        self.tell(|filter| {
            NEXT_ID.with(|next| next.set(id));
            filter.new_span(attributes);
        });
    }

    pub(crate) fn recorded(&self, id: &Id, values: &Record<'_>) {
        self.tell(|filter| filter.record(id, values));
    }

    /// Lets the context of OpenTelemetry follow the spans that are entered from here on.
    #[cfg_attr(not(feature = "otel-bridge"), allow(dead_code))]
    pub(crate) fn mirror(&self) {
        self.watch(MIRRORED, true);
    }

    fn is_mirrored(&self) -> bool {
        self.watchers.load(Relaxed) & MIRRORED != 0
    }

    pub(crate) fn entered(&self, id: u64) {
        if self.is_mirrored() {
            mirror::entered(id);
        }
        self.tell(|filter| filter.enter(&Id::from_u64(id)));
    }

    pub(crate) fn exited(&self, id: u64) {
        if self.is_mirrored() {
            mirror::exited(id);
        }
        self.tell(|filter| filter.exit(&Id::from_u64(id)));
    }

    pub(crate) fn closed(&self, id: u64) {
        self.tell(|filter| {
            filter.try_close(Id::from_u64(id));
        });
    }
}

/// Makes `tracing` ask anew. One after the other: of two at once, the one that began earlier could be the last to store the
/// highest level, as it was before.
fn rebuild() {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    callsite::rebuild_interest_cache();
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
