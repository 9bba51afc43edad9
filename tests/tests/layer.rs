//! The engine as a layer of `tracing_subscriber`: the same as by itself, and beside others.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use obs_runtime::engine::{FinishedSpan, SpanKind};
use obs_runtime::operation::{Callsite, Operation, Site};
use obs_runtime::propagation::{self, Correlation};
use obs_runtime::{
    CallContext, Ended, LevelChange, Telemetry, debug, debug_span, info, info_span, observed, record, spawn_thread,
    tracing, warn,
};
use serde_json::Value;
use tests::Written;
use tests::memory::{Memory, comparable};
use tracing::subscriber::with_default;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

#[observed(user_id, late(host))]
fn place(user_id: &str, size: u32) -> Result<u32, String> {
    info_span!("between", size).in_scope(|| {
        record!(host = "h1");
        info!("placing");
    });
    if size > 8 { Err(format!("no host has room for {size}")) } else { Ok(size) }
}

#[observed(err = "warn")]
fn create(size: u32) -> Result<u32, String> {
    place("u1", size).map_err(|err| format!("create: {err}"))
}

#[observed(level = "debug")]
fn detail() {
    info!("inside of what is off");
}

#[observed(slow = "1ns", ret, audit)]
fn told() -> u32 {
    7
}

#[observed]
async fn poll_twice(user_id: &str) -> Result<(), String> {
    info!(user_id, "first poll");
    let mut polled = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    info!("second poll");
    place("u3", 9).map(drop)
}

#[observed(parent = parent)]
fn below(parent: &tracing::Span) {
    info!("below");
}

#[observed(root)]
fn apart() {
    info!("apart");
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[observed(parent = caller, links = caller)]
fn from_afar(caller: &Correlation) {
    info!("from afar");
}

static BY_HAND: Callsite = Callsite::new(
    Site::new("by hand", module_path!(), file!(), line!(), &["path", "outcome", "error", "error.type"])
        .kind(SpanKind::Server),
);

fn poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn plain_spans() {
    let outer = info_span!("outer", user_id = "u1", trace_id = "forged", late = tracing::field::Empty);
    let inner = outer.in_scope(|| info_span!("inner", depth = 2_u64, x = 1.5, user_id = "u2"));
    inner.in_scope(|| {
        info!(yes = true, "in inner");
        outer.record("late", "l");
        outer.record("late", "later");
        info!("late field of outer");
        info!(parent: &outer, "of outer");
        info!(parent: None, "of nobody");
        info_span!(parent: None, "root").in_scope(|| info!("in root"));
        info_span!(parent: &outer, "sibling").in_scope(|| info!("in sibling"));
        debug_span!("off").in_scope(|| {
            info!("in what is off");
            debug!("off too");
        });
        inner.follows_from(&outer);
    });
    let (in_outer, in_inner) = (outer.enter(), inner.enter());
    drop(in_outer);
    info!("left outer, still in inner");
    drop(in_inner);
    info_span!("named", otel.name = "GET /", otel.kind = "client").in_scope(|| info!("named"));
    spawn_thread({
        let inner = inner.clone();
        move || inner.in_scope(|| info!("on another thread"))
    })
    .join()
    .expect("no panic");
    let context = inner.in_scope(CallContext::current);
    drop((outer, inner));
    context.run(|| info!("in a context that outlives its span's handles"));
}

fn observed_calls() {
    let _ = create(2);
    let _ = create(12);
    detail();
    told();
    apart();
    info_span!("around", agent_id = "a1").in_scope(|| {
        detail();
        below(&info_span!("elsewhere", agent_id = "a2"));
        apart();
        let mut carrier = BTreeMap::new();
        carrier.insert("traceparent".to_owned(), CALLER.to_owned());
        from_afar(&propagation::extract(&carrier));
    });
    let _ = catch_unwind(AssertUnwindSafe(|| {
        #[observed]
        fn breaks() {
            std::panic::resume_unwind(Box::new("broken"));
        }
        breaks();
    }));
    let mut future = Box::pin(poll_twice("u2"));
    assert!(poll(&mut future).is_pending());
    info!("between polls");
    assert!(poll(&mut future).is_ready());
    let mut cancelled = Box::pin(poll_twice("u4"));
    assert!(poll(&mut cancelled).is_pending());
    drop(cancelled);
    let mut operation = Operation::open(&BY_HAND, Correlation::default());
    operation.set_name("GET /agents");
    operation.record("path", "/agents");
    operation.in_scope(|| {
        let _ = create(12);
        spawn_thread(|| info!("on another thread")).join().expect("no panic");
    });
    operation.fail_silently("500", "500");
    let current = Operation::child(&BY_HAND).in_scope(tracing::Span::current);
    current.record("path", "of an operation that has ended");
    current.in_scope(|| info!("in a handle that outlives its call"));
}

/// What can be compared of the spans: which is whose child, and all but ids and times.
fn tree(spans: &[FinishedSpan]) -> Vec<String> {
    let names: HashMap<_, _> = spans.iter().map(|span| (span.span_id, &*span.name)).collect();
    let mut told: Vec<_> = spans
        .iter()
        .map(|span| {
            let parent = span.parent_id.map(|id| names.get(&id).copied().unwrap_or("remote"));
            format!(
                "{} of {parent:?} {:?} {:?} {:?} {:?} {} links, flags {}",
                span.name,
                span.kind,
                span.outcome,
                span.status(),
                span.fields,
                span.links.len(),
                span.flags
            )
        })
        .collect();
    told.sort();
    told
}

/// What a runtime tells of the script, by itself and as a layer.
fn both(filter: &str, script: fn()) -> [(Vec<String>, Vec<String>); 2] {
    [false, true].map(|is_layer| {
        let memory = Memory::default();
        let telemetry = memory.builder(filter).build().expect("nothing is wrong");
        if is_layer {
            with_default(tracing_subscriber::registry().with(telemetry.layer()), script);
        } else {
            telemetry.in_scope(script);
        }
        (comparable(&memory.lines(&telemetry)), tree(&memory.spans(&telemetry)))
    })
}

#[test]
fn one_script_of_plain_tracing_gives_equal_lines_and_spans_in_both_forms() {
    for filter in ["info", "trace", "off", "info,[inner]=debug", "warn,[{depth=2}]=info"] {
        let [bare, layer] = both(filter, plain_spans);
        assert_eq!(bare, layer, "{filter}");
        assert_eq!(bare.0.is_empty(), filter == "off", "the script says something");
    }
}

#[test]
fn one_script_of_observed_calls_gives_equal_lines_and_spans_in_both_forms() {
    for filter in ["info", "debug", "off", "error", "info,[place]=debug"] {
        let [bare, layer] = both(filter, observed_calls);
        assert_eq!(bare, layer, "{filter}");
    }
    let [(lines, spans), _] = both("info", observed_calls);
    assert!(lines.len() > 20 && spans.len() > 20, "the script says something");
}

#[derive(Clone, Default)]
struct Text(Written);

impl Text {
    fn lines(&self) -> Vec<Value> {
        self.0.json()
    }

    fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
    {
        let text = self.0.clone();
        tracing_subscriber::fmt::layer().json().with_writer(move || text.clone())
    }
}

/// The messages of our lines, and those of `fmt` with the names of the spans around.
fn messages(memory: &Memory, telemetry: &Telemetry, text: &Text) -> (Vec<String>, Vec<String>) {
    let ours = memory.lines(telemetry);
    let ours = ours.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned());
    let theirs = text.lines();
    let theirs = theirs.iter().map(|line| {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = spans.iter().filter_map(|span| span["name"].as_str()).collect();
        format!("{}: {}", names.join(">"), line["fields"]["message"].as_str().unwrap_or_default())
    });
    (ours.collect(), theirs.collect())
}

#[test]
fn each_layer_has_its_own_filter() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let stack =
        tracing_subscriber::registry().with(text.layer().with_filter(LevelFilter::DEBUG)).with(telemetry.layer());
    with_default(stack, || {
        info_span!("seen", user_id = "u1").in_scope(|| {
            debug_span!("hidden").in_scope(|| {
                info!("in both");
                debug!("in theirs");
                info_span!("inner").in_scope(|| info!("further in"));
            });
        });
    });
    let (ours, theirs) = messages(&memory, &telemetry, &text);
    assert_eq!(ours, ["in both", "further in"]);
    assert_eq!(theirs, ["seen>hidden: in both", "seen>hidden: in theirs", "seen>hidden>inner: further in"]);
    let spans = memory.spans(&telemetry);
    let [inner, seen] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*inner.name, inner.parent_id), ("inner", Some(seen.span_id)), "past the one that is hidden");
}

#[test]
fn what_hangs_explicitly_under_a_hidden_span_hangs_under_the_nearest_one_that_is_not() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let stack = tracing_subscriber::registry().with(telemetry.layer()).with(text.layer());
    with_default(stack, || {
        let seen = info_span!("seen", user_id = "u1");
        let hidden = debug_span!(parent: &seen, "hidden");
        info!(parent: &hidden, "an event");
        info_span!(parent: &hidden, "inner").in_scope(|| info!("a span"));
    });
    for line in memory.lines(&telemetry) {
        assert_eq!(line["user_id"], "u1", "{line}");
    }
}

#[test]
fn a_filter_more_on_the_layer_and_a_box_around_it_change_nothing_else() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("debug").build().expect("nothing is wrong");
    let ours = telemetry.layer().with_filter(filter_fn(|meta| meta.name() != "between")).boxed();
    with_default(tracing_subscriber::registry().with(Some(vec![ours])).with(text.layer()), || drop(create(12)));
    let spans = memory.spans(&telemetry);
    let [place, create] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*place.name, place.outcome), ("place", Some(Ended::Error)));
    assert_eq!((&*create.name, place.parent_id), ("create", Some(create.span_id)));
    let (ours, theirs) = messages(&memory, &telemetry, &text);
    assert_eq!(ours.iter().filter(|message| message.ends_with("failed")).count(), 1, "{ours:?}");
    assert!(theirs.contains(&"create>place>between: placing".to_owned()), "{theirs:?}");
}

#[test]
fn the_other_layers_see_fields_late_fields_and_outcomes_of_observed_calls() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let fmt = text.0.clone();
    let fmt = tracing_subscriber::fmt::layer()
        .json()
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || fmt.clone());
    with_default(tracing_subscriber::registry().with(telemetry.layer()).with(fmt), || drop(place("u1", 12)));
    let lines = text.lines();
    let close = lines.iter().find(|line| line["fields"]["message"] == "close" && line["span"]["name"] == "place");
    let span = &close.unwrap_or_else(|| panic!("place closes: {lines:?}"))["span"];
    assert_eq!(
        (&span["user_id"], &span["host"], &span["outcome"], &span["error"]),
        (&"u1".into(), &"h1".into(), &"error".into(), &"no host has room for 12".into())
    );
}

#[test]
fn a_call_that_our_filter_hides_is_measured_and_shown_to_the_others() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    with_default(tracing_subscriber::registry().with(telemetry.layer()).with(text.layer()), || {
        info_span!("around", user_id = "u1").in_scope(detail);
    });
    assert_eq!(memory.lines(&telemetry)[0]["user_id"], "u1");
    assert_eq!(memory.spans(&telemetry).len(), 1);
    let (_, theirs) = messages(&memory, &telemetry, &text);
    assert_eq!(theirs[0], "around>detail: inside of what is off");
}

#[test]
fn the_level_is_changed_for_this_layer_alone() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let stack =
        tracing_subscriber::registry().with(telemetry.layer()).with(text.layer().with_filter(LevelFilter::WARN));
    with_default(stack, || {
        let say = || debug!("said");
        say();
        telemetry.set_level(LevelChange::new("debug").user_id("u1")).expect("a level");
        say();
        info_span!("s", user_id = "u1").in_scope(say);
        telemetry.reset_level();
        say();
    });
    assert_eq!(memory.lines(&telemetry).len(), 1);
    assert!(text.lines().is_empty());
}

#[test]
fn two_engines_on_one_registry_do_not_see_each_other() {
    let (first, second) = (Memory::default(), Memory::default());
    let one = first.builder("info").build().expect("nothing is wrong");
    let two = second.builder("debug").build().expect("nothing is wrong");
    with_default(tracing_subscriber::registry().with(one.layer()).with(two.layer()), || {
        debug_span!("debug").in_scope(|| info_span!("info").in_scope(|| warn!("in both")));
    });
    let (one_line, two_line) = (&first.lines(&one)[0], &second.lines(&two)[0]);
    assert_ne!(one_line["trace_id"], two_line["trace_id"]);
    assert_eq!((first.spans(&one).len(), second.spans(&two).len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_is_in_the_span_of_all_layers() {
    let (memory, text) = (Memory::default(), Text::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let fmt = text.layer().with_filter(LevelFilter::INFO);
    let stack = tracing_subscriber::registry().with(telemetry.layer()).with(fmt);
    let task = with_default(stack, || {
        #[observed(user_id)]
        fn begin(user_id: &str) -> tokio::task::JoinHandle<()> {
            obs_runtime::spawn(async {
                tokio::task::yield_now().await;
                info!("in the task");
            })
        }
        begin("u1")
    });
    task.await.expect("no panic");
    assert_eq!(memory.lines(&telemetry)[0]["user_id"], "u1");
    let (_, theirs) = messages(&memory, &telemetry, &text);
    assert_eq!(theirs, ["begin: in the task"]);
}

#[test]
fn a_span_of_another_subscriber_or_one_that_is_closed_is_no_parent_and_no_panic() {
    let (memory, other) = (Memory::default(), Memory::default());
    let telemetry = memory.builder("info").build().expect("nothing is wrong");
    let elsewhere = other.builder("info").build().expect("nothing is wrong");
    let foreign = elsewhere.in_scope(|| info_span!("foreign"));
    with_default(tracing_subscriber::registry().with(telemetry.layer()), || {
        below(&foreign);
        below(&tracing::Span::none());
        #[observed(parent = tracing::span::Id::from_u64(77))]
        fn below_id() {}
        below_id();
    });
    let spans = memory.spans(&telemetry);
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.parent_id.is_none()), "{spans:?}");
}

#[test]
#[ignore = "alone in a process"]
fn alone_starts_as_a_layer() {
    let telemetry = Telemetry::builder("tests").start_layer().expect("nothing is wrong");
    let eye = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(telemetry.layer()).with(eye).init();
    let _ = create(12);
    #[observed(user_id)]
    fn by_log(user_id: &str) {
        log::info!(target: "some::library", "a record of `log`");
    }
    by_log("u1");
    let _ = catch_unwind(|| info_span!("s", user_id = "u2").in_scope(|| panic!("broken")));
    telemetry.shutdown(tests::memory::SOON);
}

#[test]
fn a_process_that_starts_it_as_a_layer_has_records_of_log_panics_and_the_other_layer() {
    let output = tests::alone("alone_starts_as_a_layer").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = tests::json_lines(&output.stdout);
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap_or_default()).collect();
    assert_eq!(messages, ["placing", "place failed", "a record of `log`", "panicked"]);
    let record = &lines[2];
    assert_eq!((&record["target"], &record["user_id"]), (&"some::library".into(), &"u1".into()));
    assert!(record["file"].as_str().is_some_and(|file| file.ends_with("layer.rs")), "{record}");
    assert_eq!(record.as_object().expect("an object").keys().filter(|key| key.starts_with("log.")).count(), 0);
    assert_eq!(lines[3]["user_id"], "u2");
    let eye = String::from_utf8_lossy(&output.stderr);
    assert!(eye.contains("place failed") && !eye.contains("placing"), "{eye}");
}
