//! What is known of an observed function when it is compiled.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tracing::callsite::{self, Identifier};
use tracing::field::FieldSet;
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};

use crate::copies;
use crate::engine::SpanKind;
use crate::engine::fields::Key;
use crate::engine::made::{self, MadeEvent, Named};
use crate::engine::running;
use crate::metrics::operations::Operation;
use crate::names;

/// What the attribute says: the span's name, place and fields, and how its end is told.
pub struct Site {
    name: &'static str,
    target: &'static str,
    module: &'static str,
    file: &'static str,
    line: u32,
    level: Level,
    fields: &'static [&'static str],
    kind: SpanKind,
    metrics: bool,
    error: ErrorEvent,
    finished: Level,
    slow: u64,
    audit: bool,
}

/// Whether an error is told by an event, and at which level.
#[derive(Clone, Copy)]
pub(crate) enum ErrorEvent {
    Default,
    At(Level),
    Off,
}

impl Site {
    /// A site with the defaults: level `info`, its module as target.
    #[must_use]
    pub const fn new(
        name: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
        fields: &'static [&'static str],
    ) -> Self {
        Site {
            name,
            target: module,
            module,
            file,
            line,
            level: Level::INFO,
            fields,
            kind: SpanKind::Internal,
            metrics: true,
            error: ErrorEvent::Default,
            finished: Level::DEBUG,
            slow: u64::MAX,
            audit: false,
        }
    }

    /// `level = "…"`
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// `target = "…"`
    #[must_use]
    pub const fn target(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    /// `kind = "…"`
    #[must_use]
    pub const fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// `metrics = off`
    #[must_use]
    pub const fn no_metrics(mut self) -> Self {
        self.metrics = false;
        self
    }

    /// `err = "…"`
    #[must_use]
    pub const fn err(mut self, level: Level) -> Self {
        self.error = ErrorEvent::At(level);
        self
    }

    /// `ret`: the event that tells the end has this level.
    #[must_use]
    pub const fn ret(mut self, level: Level) -> Self {
        self.finished = level;
        self
    }

    /// `slow = "…"`, in nanoseconds.
    #[must_use]
    pub const fn slow(mut self, nanos: u64) -> Self {
        self.slow = nanos;
        self
    }

    /// `audit`
    #[must_use]
    pub const fn audit(mut self) -> Self {
        self.audit = true;
        self
    }

    /// `err = off`
    #[must_use]
    pub const fn err_off(mut self) -> Self {
        self.error = ErrorEvent::Off;
        self
    }
}

/// The static of an observed function: its metadata towards `tracing`, its metric cells, and what it says at its end.
pub struct Callsite {
    meta: Metadata<'static>,
    names: &'static [&'static str],
    keys: OnceLock<Box<[Key]>>,
    operation: Option<Operation>,
    kind: SpanKind,
    error: ErrorEvent,
    /// The level of the event that tells every end.
    finished: Level,
    /// A call that lasts longer is told as slow, in nanoseconds.
    slow: u64,
    /// Whether the end is told to the auditors too.
    audit: bool,
    interest: AtomicU8,
    /// The events that tell an end, one for each level that was needed, and that of the auditors.
    events: [OnceLock<&'static MadeEvent>; 6],
}

const UNREGISTERED: u8 = 0;
const REGISTERING: u8 = 1;
const NEVER: u8 = 2;
const SOMETIMES: u8 = 3;
const ALWAYS: u8 = 4;

impl Callsite {
    /// `me` is the static that the result is stored in.
    #[must_use]
    pub const fn new(me: &'static Callsite, site: Site) -> Self {
        Callsite {
            meta: Metadata::new(
                site.name,
                site.target,
                site.level,
                Some(site.file),
                Some(site.line),
                Some(site.module),
                FieldSet::new(site.fields, Identifier(me)),
                Kind::SPAN,
            ),
            names: site.fields,
            keys: OnceLock::new(),
            operation: if site.metrics { Some(Operation::new(site.name, site.target)) } else { None },
            kind: site.kind,
            error: site.error,
            finished: site.finished,
            slow: site.slow,
            audit: site.audit,
            interest: AtomicU8::new(UNREGISTERED),
            events: [const { OnceLock::new() }; 6],
        }
    }

    pub(crate) fn meta(&'static self) -> &'static Metadata<'static> {
        &self.meta
    }

    /// The keys of its fields.
    #[inline]
    pub(crate) fn keys(&'static self) -> &'static [Key] {
        self.keys.get_or_init(|| self.names.iter().map(|name| Key::new(name)).collect())
    }

    pub(crate) fn operation(&'static self) -> Option<&'static Operation> {
        self.operation.as_ref()
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.kind
    }

    /// The level of the error event, where there is one: what the attribute says, else `by_type`.
    pub(crate) fn error_level(&self, by_type: Level) -> Option<Level> {
        match self.error {
            ErrorEvent::Default => Some(by_type),
            ErrorEvent::At(level) => Some(level),
            ErrorEvent::Off => None,
        }
    }

    /// Whether a subscriber may want the span; `tracing`'s cached answer, asked for at the first call.
    #[inline]
    pub(crate) fn interest(&'static self) -> Interest {
        if self.meta.level() > &LevelFilter::current() {
            return Interest::never();
        }
        match self.interest.load(Relaxed) {
            ALWAYS => Interest::always(),
            NEVER => Interest::never(),
            SOMETIMES => Interest::sometimes(),
            _ => self.register(),
        }
    }

    #[cold]
    fn register(&'static self) -> Interest {
        // The loser of the race asks the subscriber itself this once.
        copies::announce();
        if self.interest.compare_exchange(UNREGISTERED, REGISTERING, Relaxed, Relaxed).is_ok() {
            running::register(self);
            callsite::register(self);
        }
        match self.interest.load(Relaxed) {
            ALWAYS => Interest::always(),
            NEVER => Interest::never(),
            _ => Interest::sometimes(),
        }
    }

    /// The event that tells an end of this operation at `level`.
    pub(crate) fn end_event(&'static self, level: Level) -> &'static MadeEvent {
        let at = match level {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        // Leaked once a callsite and level: `tracing` wants its metadata to live for ever.
        self.events[at].get_or_init(|| end_event(&self.meta, level, self.meta.target()))
    }

    /// The level of the event that tells every end.
    pub(crate) fn finished(&self) -> Level {
        self.finished
    }

    /// Whether the end of a call that did not fail is told to nobody, however long it took.
    #[inline]
    pub(crate) fn ends_quietly(&self) -> bool {
        self.slow == u64::MAX && !self.audit && self.finished > LevelFilter::current()
    }

    /// Whether a call that lasted so long was a slow one.
    pub(crate) fn is_slow(&self, nanos: u64) -> bool {
        nanos > self.slow
    }

    /// The event that tells an end to the auditors, where they want to know.
    pub(crate) fn audit_event(&'static self) -> Option<&'static MadeEvent> {
        self.audit.then(|| *self.events[5].get_or_init(|| end_event(&self.meta, Level::INFO, names::AUDIT)))
    }
}

impl callsite::Callsite for Callsite {
    fn set_interest(&self, interest: Interest) {
        let value = if interest.is_always() {
            ALWAYS
        } else if interest.is_never() {
            NEVER
        } else {
            SOMETIMES
        };
        self.interest.store(value, Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        &self.meta
    }
}

impl std::fmt::Debug for Callsite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Callsite").field(&self.meta.name()).finish()
    }
}

/// The fields of the event that tells how an operation ended.
const END_FIELDS: [&str; 5] = ["message", names::DURATION_MS, names::OUTCOME, names::ERROR, names::ERROR_TYPE];

/// The event that tells an end, at the place of its span.
fn end_event(span: &Metadata<'static>, level: Level, target: &'static str) -> &'static MadeEvent {
    let named = Named { name: span.name(), target, level, fields: &END_FIELDS };
    MadeEvent::leak(&named, made::Site { file: span.file(), line: span.line(), module: span.module_path() })
}
