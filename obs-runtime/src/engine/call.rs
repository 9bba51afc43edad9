//! An observed call, from its first instruction to its outcome, in all three signals.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing::field::{self, Field, Value};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, dispatcher};

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::Core;
use crate::engine::node::Node;
use crate::engine::stack::{self, Frame};
use crate::engine::{FieldValue, Fields, subscriber, visit};
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
pub(crate) struct Under(pub(crate) Correlation);

/// A span that is being opened: its fields are still to come.
pub(crate) struct Opening {
    node: Node,
    site: &'static Callsite,
    fields: Fields,
    foreign: Option<tracing::Span>,
}

/// Who will see the span of a call.
enum Viewer {
    Engine(Arc<Core>, bool),
    Foreign(tracing::Span),
    Nobody,
}

/// A span is opened without values: they follow one by one, as any subscriber understands.
const NO_VALUES: [(&Field, Option<&dyn Value>); 0] = [];

fn viewer(site: &'static Callsite) -> Viewer {
    let interest = site.interest();
    dispatcher::get_default(|dispatch| {
        let meta = site.meta();
        let on = interest.is_always() || (!interest.is_never() && dispatch.enabled(meta));
        match subscriber::of(dispatch) {
            Some(core) => Viewer::Engine(Arc::clone(core), on),
            // What a subscriber of another thread wants always, is cached as wanted by this one's, which may be none.
            None if on && !dispatch.is::<NoSubscriber>() => {
                Viewer::Foreign(tracing::Span::new_with(meta, &meta.fields().value_set(&NO_VALUES), dispatch))
            }
            None => Viewer::Nobody,
        }
    })
}

impl Opening {
    /// Begins to open a span, or only a measurement where the span is off; nothing when nobody listens.
    pub(crate) fn begin(site: &'static Callsite, under: Option<Under>) -> Option<Self> {
        let active = ACTIVE.load(Relaxed) > 0;
        let under = under.map(|Under(correlation)| Frame::Context(Arc::new(correlation)));
        let mut foreign = None;
        let mut node = match viewer(site) {
            Viewer::Engine(core, on) => {
                let place = under.or_else(|| core.place());
                if on { core.open(site.meta(), place) } else { core.measure(site.meta(), place) }
            }
            Viewer::Nobody if !active => return None,
            viewer => {
                if let Viewer::Foreign(span) = viewer {
                    foreign = Some(span);
                }
                let around = match stack::current(None) {
                    Some(Frame::Node(node)) => Some(node),
                    _ => None,
                };
                let mut node = Node::measuring(site.meta(), around);
                if let Some(Frame::Context(correlation)) = under {
                    node.carried = Some(correlation);
                }
                node
            }
        };
        node.site = Some(site);
        node.set_kind(site.kind());
        if active {
            node.scope = scope::current();
            node.measured = site.operation();
        }
        Some(Opening { node, site, fields: Fields::default(), foreign })
    }

    /// Whether its fields will be seen: else their expressions do not run.
    pub(crate) fn wants_fields(&self) -> bool {
        self.node.on || self.foreign.is_some()
    }

    pub(crate) fn recorder(&mut self) -> Recorder<'_> {
        match &self.foreign {
            Some(span) => Recorder::Foreign(span),
            None => Recorder::Engine(&mut self.fields),
        }
    }

    /// The open span. Its call is in flight from here on.
    pub(crate) fn finish(self) -> Arc<Node> {
        let Opening { mut node, site, fields, foreign } = self;
        node.start = Moment::now();
        node.record(&fields);
        if let Some(span) = foreign {
            node.set_foreign(span);
        }
        if let Some(operation) = node.measured {
            operation.begin(node.scope.as_ref());
        }
        let node = Arc::new(node);
        if let (true, Some(core)) = (node.on, &node.core)
            && core.filter.watches_spans()
        {
            let id = core.hold(&node);
            let values = site.meta().fields().value_set(&NO_VALUES);
            core.filter.opened(&tracing::span::Attributes::new(site.meta(), &values), id);
            tell_filter(&node, &fields);
        }
        node
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
    Engine(&'a mut Fields),
    Foreign(&'a tracing::Span),
}

impl Recorder<'_> {
    pub(crate) fn reborrow(&mut self) -> Recorder<'_> {
        match self {
            Recorder::Engine(fields) => Recorder::Engine(fields),
            Recorder::Foreign(span) => Recorder::Foreign(span),
        }
    }

    /// Records one value under `name`.
    pub(crate) fn record(&mut self, name: &'static str, value: &Recorded<'_>) {
        match self {
            Recorder::Engine(fields) => fields.put(name, |text| match *value {
                Recorded::Str(value) => json::string(text, value),
                Recorded::I64(value) => json::integer(text, value),
                Recorded::U64(value) => json::integer(text, value),
                Recorded::I128(value) => json::integer(text, value),
                Recorded::U128(value) => json::integer(text, value),
                Recorded::F64(value) => json::float(text, value),
                Recorded::Bool(value) => json::boolean(text, value),
                Recorded::Display(value) => visit::formatted(text, format_args!("{value}")),
                Recorded::Debug(value) => visit::formatted(text, format_args!("{value:?}")),
            }),
            Recorder::Foreign(span) => {
                match *value {
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
    }
}

/// Hands an observed call's fields to a filter with directives on the values of fields.
fn tell_filter(node: &Node, fields: &Fields) {
    watched(node, |core, id| {
        for (name, value) in fields.iter() {
            let Some(field) = node.meta.fields().field(name) else { continue };
            let value: &dyn Value = match &value {
                FieldValue::Str(value) => &&**value,
                FieldValue::I64(value) => value,
                FieldValue::U64(value) => value,
                FieldValue::F64(value) => value,
                FieldValue::Bool(value) => value,
            };
            let values = [(&field, Some(value))];
            let values = node.meta.fields().value_set(&values);
            core.filter.recorded(&tracing::span::Id::from_u64(id), &tracing::span::Record::new(&values));
        }
    });
}

/// Records late fields of the innermost call of `site` on this thread. Outside of one the value is dropped, and counted.
pub(crate) fn record(site: &'static Callsite, fields: impl FnOnce(&mut Recorder<'_>)) {
    if idle(site) {
        return;
    }
    match stack::node_of(site) {
        Some(node) => record_on(&node, fields),
        None => lost(Signal::Spans, Reason::NoSpan, 1),
    }
}

pub(crate) fn record_on(node: &Node, fields: impl FnOnce(&mut Recorder<'_>)) {
    if let Some(span) = node.foreign() {
        fields(&mut Recorder::Foreign(&span));
    } else if node.on {
        let mut later = Fields::default();
        fields(&mut Recorder::Engine(&mut later));
        node.record(&later);
        tell_filter(node, &later);
    }
}

/// Puts `node` on this thread's stack, and enters the span that a foreign subscriber has of it.
pub(crate) fn enter(node: &Arc<Node>) {
    tell_entered(node);
    stack::push(Frame::Node(Arc::clone(node)));
}

/// The same, in the place that the first poll of a future holds.
pub(crate) fn enter_in_place(site: &'static Callsite, node: &Arc<Node>) {
    tell_entered(node);
    stack::fill(site, node);
}

fn tell_entered(node: &Node) {
    if let Some(span) = node.foreign() {
        span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
    }
    watched(node, |core, id| core.filter.entered(id));
}

/// Takes `node` off again.
pub(crate) fn leave(node: &Arc<Node>) {
    stack::remove(|frame| matches!(frame, Frame::Node(own) if Arc::ptr_eq(own, node)));
    watched(node, |core, id| core.filter.exited(id));
    if let Some(span) = node.foreign() {
        span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
    }
}

/// Tells a filter that has directives on spans what happens to this one.
fn watched(node: &Node, tell: impl FnOnce(&Core, u64)) {
    if let (Some(core), Some(id)) = (&node.core, node.id.get())
        && node.on
        && core.filter.watches_spans()
    {
        tell(core, *id);
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

/// Ends the call of `node`, while it is still on the stack: metrics, events, span.
pub(crate) fn end(site: &'static Callsite, node: &Arc<Node>, outcome: Ended, failure: Option<&Failure>) {
    let end = Moment::now();
    let nanos = end.since(node.start);
    if let Some(operation) = node.measured {
        operation.end(node.scope.as_ref(), outcome, nanos);
    }
    let told = Told { site, nanos, outcome };
    if let Some(failure) = failure {
        let passed_on = node.passes_on(&failure.texts);
        if let Some(text) = failure.texts.first() {
            node.mark_parents(text);
        }
        if !passed_on && let Some(level) = site.error_level(failure.level) {
            told.event(level, "failed", Some(failure));
        }
    }
    told.event(Level::DEBUG, "finished", None);
    let error = failure.map(|failure| (failure.texts.first().map_or("", String::as_str), &*failure.kind));
    let foreign = node.take_foreign();
    if let Some(span) = &foreign {
        span.record(names::OUTCOME, outcome.as_str());
        if let Some((text, kind)) = error {
            span.record(names::ERROR, text);
            span.record(names::ERROR_TYPE, kind);
        }
        // `leave` will not find it any more.
        span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
    }
    drop(foreign);
    node.finish(end, Some(outcome), error);
    if let (Some(core), Some(id)) = (&node.core, node.id.get()) {
        core.release(*id);
        watched(node, |core, id| core.filter.closed(id));
    }
}

/// The end of a call, as events tell it.
struct Told {
    site: &'static Callsite,
    nanos: u64,
    outcome: Ended,
}

impl Told {
    fn event(&self, level: Level, verb: &str, failure: Option<&Failure>) {
        if level > LevelFilter::current() {
            return;
        }
        let meta = self.site.end_event(level).meta();
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
