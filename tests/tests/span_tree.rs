//! Programs of plain `tracing`, made up at random: the tree of their spans, and where their events are, is what
//! `tracing_subscriber`'s `Registry` makes of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use obs_runtime::tracing::span::{Attributes, Id};
use obs_runtime::tracing::{self, Dispatch, Event, Span, Subscriber, dispatcher, field};
use obs_runtime::{info, info_span};
use proptest::collection::vec;
use proptest::prelude::*;
use tests::memory::Memory;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

/// How many threads a program has, and how many spans it holds at once.
const THREADS: usize = 3;
const HELD: usize = 5;

/// One step, on one of the threads. `usize`s are places where handles are held.
#[derive(Clone, Debug)]
enum Step {
    /// A span below what is around, kept in a place; what was there is dropped.
    Open(usize),
    Below(usize, usize),
    Root(usize),
    /// A handle is cloned into another place.
    Clone(usize, usize),
    Close(usize),
    Enter(usize),
    /// The guard that was made so many guards ago on this thread is dropped: in order, or not.
    Leave(usize),
    Record(usize),
    Follow(usize, usize),
    Event,
    EventBelow(usize),
    EventOfNobody,
    /// An `#[instrument]`ed function with an event inside and after a nested one.
    Nested,
    /// A handle on what is around, kept.
    Current(usize),
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let at = 0..HELD;
    let step = prop_oneof![
        4 => at.clone().prop_map(Step::Open),
        2 => (at.clone(), at.clone()).prop_map(|(at, below)| Step::Below(at, below)),
        1 => at.clone().prop_map(Step::Root),
        1 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Clone(from, to)),
        2 => at.clone().prop_map(Step::Close),
        5 => at.clone().prop_map(Step::Enter),
        4 => (0..3_usize).prop_map(Step::Leave),
        1 => at.clone().prop_map(Step::Record),
        1 => (at.clone(), at.clone()).prop_map(|(at, follows)| Step::Follow(at, follows)),
        4 => Just(Step::Event),
        2 => at.clone().prop_map(Step::EventBelow),
        1 => Just(Step::EventOfNobody),
        2 => Just(Step::Nested),
        2 => at.prop_map(Step::Current),
    ];
    (0..THREADS, step)
}

#[tracing::instrument]
fn nested(n: u64, deeper: u64) {
    info!(n, "event");
    if deeper > 0 {
        nested(n + 1_000_000, deeper - 1);
    }
    info!(n = n + 500_000, "event");
}

/// The places are shared by the threads; guards are each thread's own.
type Places = Arc<Mutex<Vec<Option<Span>>>>;

fn run_step(places: &Places, guards: &mut Vec<tracing::span::EnteredSpan>, n: u64, step: &Step) {
    let held = |at: usize| places.lock().expect("not poisoned")[at].clone();
    let keep = |at: usize, span: Span| {
        let before = places.lock().expect("not poisoned")[at].replace(span);
        drop(before);
    };
    match *step {
        Step::Open(at) => keep(at, info_span!("span", n, late = field::Empty)),
        Step::Below(at, below) => {
            if let Some(parent) = held(below) {
                keep(at, info_span!(parent: &parent, "span", n, late = field::Empty));
            }
        }
        Step::Root(at) => keep(at, info_span!(parent: None, "span", n, late = field::Empty)),
        Step::Clone(from, to) => {
            if let Some(span) = held(from) {
                keep(to, span);
            }
        }
        Step::Close(at) => drop(places.lock().expect("not poisoned")[at].take()),
        Step::Enter(at) => guards.extend(held(at).map(Span::entered)),
        Step::Leave(back) => {
            if let Some(at) = guards.len().checked_sub(back + 1) {
                drop(guards.remove(at));
            }
        }
        Step::Record(at) => {
            if let Some(span) = held(at) {
                span.record("late", n);
            }
        }
        Step::Follow(at, follows) => {
            if let (Some(span), Some(follows)) = (held(at), held(follows)) {
                span.follows_from(&follows);
            }
        }
        Step::Event => info!(n, "event"),
        Step::EventBelow(at) => {
            if let Some(parent) = held(at) {
                info!(parent: &parent, n, "event");
            }
        }
        Step::EventOfNobody => info!(parent: None, n, "event"),
        Step::Nested => nested(n, 2),
        Step::Current(at) => keep(at, Span::current()),
    }
}

/// Runs the steps one after the other, each on its thread, and waits for each.
fn run(program: &[(usize, Step)], dispatch: &Dispatch) {
    let places: Places = Arc::new(Mutex::new(vec![None; HELD]));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (sender, steps) = mpsc::channel::<(u64, Step)>();
                let (done, is_done) = mpsc::channel();
                let (places, dispatch) = (Arc::clone(&places), dispatch.clone());
                scope.spawn(move || {
                    let _default = dispatcher::set_default(&dispatch);
                    let mut guards = Vec::new();
                    for (n, step) in steps {
                        run_step(&places, &mut guards, n, &step);
                        done.send(()).expect("it is waited for");
                    }
                    // The innermost first.
                    while guards.pop().is_some() {}
                });
                (sender, is_done)
            })
            .collect();
        for (n, (thread, step)) in program.iter().enumerate() {
            let (sender, is_done) = &threads[*thread];
            sender.send((n as u64, step.clone())).expect("it runs");
            is_done.recv().expect("no panic");
        }
    });
    let _default = dispatcher::set_default(dispatch);
    places.lock().expect("not poisoned").clear();
}

/// What is compared: spans by the number of the step that opened them, with their parents' and those that they follow; events by
/// theirs, with the span around; and the late fields.
#[derive(Debug, Default, PartialEq)]
struct Tree {
    parents: BTreeMap<u64, Option<u64>>,
    follows: BTreeMap<u64, BTreeSet<u64>>,
    events: BTreeMap<u64, Option<u64>>,
    late: BTreeMap<u64, u64>,
}

/// The `n` of a span in the registry.
struct Number(u64);

/// The reference: what a layer over the registry sees.
#[derive(Clone, Default)]
struct Reference(Arc<Mutex<Tree>>);

thread_local! { static SEEN: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) }; }

struct Numbers;

impl field::Visit for Numbers {
    fn record_u64(&mut self, field: &field::Field, value: u64) {
        SEEN.with(|seen| seen.borrow_mut().insert(field.name(), value));
    }
    fn record_debug(&mut self, _: &field::Field, _: &dyn std::fmt::Debug) {}
}

fn numbers(record: impl FnOnce(&mut dyn field::Visit)) -> BTreeMap<&'static str, u64> {
    record(&mut Numbers);
    SEEN.with(RefCell::take)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Reference {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let n = numbers(|visitor| attributes.record(visitor))["n"];
        let span = context.span(id).expect("it is new");
        let parent = span.parent().and_then(|parent| parent.extensions().get::<Number>().map(|number| number.0));
        span.extensions_mut().insert(Number(n));
        self.0.lock().expect("not poisoned").parents.insert(n, parent);
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        let late = numbers(|visitor| values.record(visitor));
        let n = number(id, &context);
        self.0.lock().expect("not poisoned").late.insert(n, late["late"]);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let (n, follows) = (number(id, &context), number(follows, &context));
        self.0.lock().expect("not poisoned").follows.entry(n).or_default().insert(follows);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let n = numbers(|visitor| event.record(visitor))["n"];
        let around =
            context.event_span(event).and_then(|span| span.extensions().get::<Number>().map(|number| number.0));
        self.0.lock().expect("not poisoned").events.insert(n, around);
    }
}

fn number<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, context: &Context<'_, S>) -> u64 {
    context.span(id).and_then(|span| span.extensions().get::<Number>().map(|number| number.0)).expect("it is open")
}

fn expected(program: &[(usize, Step)]) -> Tree {
    let reference = Reference::default();
    run(program, &Dispatch::new(tracing_subscriber::registry().with(reference.clone())));
    std::mem::take(&mut reference.0.lock().expect("not poisoned"))
}

/// What our engine sees, by itself or as a layer.
fn ours(program: &[(usize, Step)], is_layer: bool) -> Tree {
    let memory = Memory::default();
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let dispatch = if is_layer {
        Dispatch::new(tracing_subscriber::registry().with(telemetry.layer()))
    } else {
        telemetry.in_scope(|| dispatcher::get_default(Clone::clone))
    };
    run(program, &dispatch);
    let mut tree = Tree::default();
    let spans = memory.spans(&telemetry);
    let of = |span: &obs_runtime::engine::FinishedSpan, key: &str| {
        span.fields.get(key).map(|value| value.to_string().parse::<u64>().expect("a number"))
    };
    let by_id: BTreeMap<String, u64> =
        spans.iter().map(|span| (span.span_id.to_string(), of(span, "n").expect("each has one"))).collect();
    for span in &spans {
        let n = by_id[&span.span_id.to_string()];
        assert!(tree.parents.insert(n, span.parent_id.map(|id| by_id[&id.to_string()])).is_none(), "{n} ended twice");
        tree.late.extend(of(span, "late").map(|late| (n, late)));
        if !span.links.is_empty() {
            tree.follows.insert(n, span.links.iter().map(|link| by_id[&link.span_id.to_string()]).collect());
        }
    }
    for line in memory.lines(&telemetry) {
        let n = line["n"].as_u64().expect("a number");
        tree.events.insert(n, line["span_id"].as_str().map(|id| by_id[id]));
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_program_of_plain_tracing_has_the_tree_that_the_registry_makes_of_it(program in vec(step(), 0..120)) {
        let expected = expected(&program);
        prop_assert_eq!(&ours(&program, false), &expected);
        prop_assert_eq!(&ours(&program, true), &expected);
    }
}
