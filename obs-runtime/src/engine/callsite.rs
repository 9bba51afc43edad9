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
    /// The level of the event that tells every end.
    finished: Level,
    /// A call that lasts longer is told as slow, in nanoseconds.
    slow: u64,
    /// Whether the end is told to the auditors too.
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

/// The static of an observed function: what the attribute says, and all that comes of it once the function is called.
// The compiler evaluates it for every function, each time it checks the crate: so it is small.
pub struct Callsite {
    site: Site,
    interest: AtomicU8,
    made: OnceLock<&'static Made>,
}

/// What a callsite has once it was met, for ever.
struct Made {
    meta: Metadata<'static>,
    /// The keys of its fields.
    keys: Box<[Key]>,
    operation: Operation,
    /// The events that tell an end, one for each level that was needed, and that of the auditors.
    events: [OnceLock<&'static MadeEvent>; 6],
}

const UNREGISTERED: u8 = 0;
const REGISTERING: u8 = 1;
const NEVER: u8 = 2;
const SOMETIMES: u8 = 3;
const ALWAYS: u8 = 4;

impl Callsite {
    /// A callsite that says what `site` does.
    #[must_use]
    pub const fn new(site: Site) -> Self {
        Callsite { site, interest: AtomicU8::new(UNREGISTERED), made: OnceLock::new() }
    }

    #[inline]
    fn made(&'static self) -> &'static Made {
        self.made.get_or_init(|| self.make())
    }

    /// Leaked once a callsite: `tracing` wants its metadata to live for ever.
    #[cold]
    fn make(&'static self) -> &'static Made {
        let Site { name, target, level, file, line, module, fields, .. } = self.site;
        let names = FieldSet::new(fields, Identifier(self));
        Box::leak(Box::new(Made {
            meta: Metadata::new(name, target, level, Some(file), Some(line), Some(module), names, Kind::SPAN),
            keys: fields.iter().map(|name| Key::new(name)).collect(),
            operation: Operation::new(name, target),
            events: [const { OnceLock::new() }; 6],
        }))
    }

    #[inline]
    pub(crate) fn meta(&'static self) -> &'static Metadata<'static> {
        &self.made().meta
    }

    /// The span's name.
    pub(crate) fn name(&self) -> &'static str {
        self.site.name
    }

    /// What it belongs to: its module, where the attribute does not say another.
    pub(crate) fn target(&self) -> &'static str {
        self.site.target
    }

    /// The level of the span.
    #[inline]
    pub(crate) fn level(&self) -> Level {
        self.site.level
    }

    /// The keys of its fields.
    #[inline]
    pub(crate) fn keys(&'static self) -> &'static [Key] {
        &self.made().keys
    }

    /// Where its calls are counted.
    #[inline]
    pub(crate) fn operation(&'static self) -> Option<&'static Operation> {
        self.site.metrics.then(|| &self.made().operation)
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.site.kind
    }

    /// The level of the error event, where there is one: what the attribute says, else `by_type`.
    pub(crate) fn error_level(&self, by_type: Level) -> Option<Level> {
        match self.site.error {
            ErrorEvent::Default => Some(by_type),
            ErrorEvent::At(level) => Some(level),
            ErrorEvent::Off => None,
        }
    }

    /// Whether a subscriber may want the span; `tracing`'s cached answer, asked for at the first call.
    #[inline]
    pub(crate) fn interest(&'static self) -> Interest {
        if self.level() > LevelFilter::current() {
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
            // Whoever is told of it asks for its metadata.
            self.made();
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
        self.made().events[at].get_or_init(|| self.told(level, self.target()))
    }

    /// The level of the event that tells every end.
    pub(crate) fn finished(&self) -> Level {
        self.site.finished
    }

    /// Whether the end of a call that did not fail is told to nobody, however long it took.
    #[inline]
    pub(crate) fn ends_quietly(&self) -> bool {
        let Site { slow, audit, finished, .. } = self.site;
        slow == u64::MAX && !audit && finished > LevelFilter::current()
    }

    /// Whether a call that lasted so long was a slow one.
    pub(crate) fn is_slow(&self, nanos: u64) -> bool {
        nanos > self.site.slow
    }

    /// The event that tells an end to the auditors, where they want to know.
    pub(crate) fn audit_event(&'static self) -> Option<&'static MadeEvent> {
        let tell = || *self.made().events[5].get_or_init(|| self.told(Level::INFO, names::AUDIT));
        self.site.audit.then(tell)
    }

    /// The event that tells an end, at the place of the span.
    fn told(&self, level: Level, target: &'static str) -> &'static MadeEvent {
        let Site { name, module, file, line, .. } = self.site;
        let named = Named { name, target, level, fields: &END_FIELDS };
        MadeEvent::leak(&named, made::Site { file: Some(file), line: Some(line), module: Some(module) })
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
        &self.made.get().expect("who asks was told of it, or has it from its metadata").meta
    }
}

impl std::fmt::Debug for Callsite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Callsite").field(&self.name()).finish()
    }
}

/// The fields of the event that tells how an operation ended.
const END_FIELDS: [&str; 5] = ["message", names::DURATION_MS, names::OUTCOME, names::ERROR, names::ERROR_TYPE];
