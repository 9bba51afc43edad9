//! An observed call, from its first instruction to its outcome, in all three signals.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing::field::Value;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, dispatcher};

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::held::Held;
use crate::engine::made::MadeEvent;
use crate::engine::record::{Parent, Record};
use crate::engine::{local, slots, stack};
use crate::names;
use crate::outcome::Ended;

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

/// Whether a runtime or a capture is there, and calls are measured.
#[inline]
pub(super) fn is_active() -> bool {
    ACTIVE.load(Relaxed) > 0
}

/// Whether nobody listens: no runtime, and no subscriber for this level.
#[inline]
pub(crate) fn idle(site: &'static Callsite) -> bool {
    !is_active() && site.level() > LevelFilter::current()
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
