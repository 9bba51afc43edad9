//! What an engine of spans and lines can get wrong, and the test that would tell.
//!
//! | Trap | Test |
//! |---|---|
//! | sampling decides whether fields are visited | `a_span_that_is_not_sampled_has_ids_and_fields_for_its_lines` |
//! | a `Display` that logs | `a_display_that_logs_is_written_and_heard_in_every_position`; `spans`: `a_display_that_logs_is_written` |
//! | a `Display` that panics | `a_display_that_panics_costs_its_field_alone_in_every_position` |
//! | an allocator or a signal handler that logs while the stack is in use | in the crate, `engine::plain`: `what_logs_while_the_stack_is_in_use_is_written_without_a_span` |
//! | destructors of thread-locals that log after ours are gone | `what_logs_from_the_destructor_of_a_thread_local_is_written_in_both_orders` |
//! | a thread that dies with spans open | `a_thread_that_dies_inside_of_spans_leaves_them_to_their_handles` |
//! | layers above that observed calls would pass by | none can stand above the bare engine; beside it, `layer`: `the_other_layers_see_fields_late_fields_and_outcomes_of_observed_calls` |
//! | two engines in one process | `engines_inside_of_each_other_keep_to_themselves`; `engine_scopes`; `layer`: `two_engines_on_one_registry_do_not_see_each_other` |
//! | exporters that speak through what they serve | `what_an_exporter_says_goes_nowhere` |
//! | the inner future dropped outside of its span | `what_a_future_drops_is_dropped_inside_of_its_span` |
//! | late fields of a span around, from elsewhere | `a_late_field_reaches_lines_of_spans_below_it_on_other_threads`, `a_late_field_passes_spans_that_have_closed_between`; `spans`: `a_late_field_of_an_outer_span_reaches_the_lines_of_inner_ones` |
//! | guards out of order, leaked, entered twice, dropped elsewhere | `guards_may_be_leaked_and_a_span_entered_twice`, `a_span_that_is_left_on_a_thread_that_never_entered_it_changes_nothing`; `spans`: `guards_dropped_out_of_order_leave_the_right_span` |
//! | any text is a key | `any_text_is_a_key` |
//! | the message is not the first field | `the_message_may_stand_anywhere` |
//! | a value without bound | `a_value_is_cut_and_the_line_is_whole` |
//! | `Span::current()` costs a clone | no code of ours asks for it; `alloc` counts what calls and lines allocate |
//! | what is cached of a callsite outlives a change of the level | `level`: `a_change_takes_the_place_of_the_configured_level_until_it_is_reset` |
//! | an id used after its span has closed | `an_id_used_after_its_span_has_closed_reaches_nobody`, `ids_that_nobody_has_given_out_are_nobodys`; in the crate, `engine::slots` and its model |
//! | spans closed on other threads | `spans_closed_on_other_threads_are_whole` |
//! | keys whose bits in the mask collide | in the crate, `engine::fields`: `a_line_leaves_out_what_its_own_fields_override_even_where_bits_collide`; `keys_that_share_a_bit_are_still_two_keys` |

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::propagation::Correlation;
use obs_runtime::testing::{Captured, capture};
use obs_runtime::tracing::{self, Dispatch, dispatcher, field, span::Id};
use obs_runtime::{ObservabilityConfig, Telemetry, info, info_span, observed, record};
use serde_json::{Value, json};
use tests::memory::{Memory, SOON};
use tests::{alone, json_lines};

fn line<'a, T>(seen: &'a Captured<T>, message: &str) -> &'a Value {
    seen.logs().iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("no line says {message:?}"))
}

/// Nothing is left open, and the thread is inside of nothing.
fn all_is_over<T>(seen: &Captured<T>) {
    assert_eq!(seen.open_spans(), [""; 0]);
    assert_eq!(Correlation::current(), Correlation::default());
}

fn dispatch() -> Dispatch {
    dispatcher::get_default(Clone::clone)
}

#[observed(user_id)]
fn not_sampled(user_id: &str) {
    info_span!("plain", agent_id = "a1").in_scope(|| info!("here"));
}

#[test]
fn a_span_that_is_not_sampled_has_ids_and_fields_for_its_lines() {
    let memory = Memory::default();
    let builder = memory.builder("info").config(ObservabilityConfig {
        trace_sample_rate: 0.0,
        log_level: "info".to_owned(),
        ..ObservabilityConfig::default()
    });
    let telemetry = builder.build().expect("nothing is wrong");
    telemetry.in_scope(|| not_sampled("u1"));
    let line = &memory.lines(&telemetry)[0];
    assert_eq!((&line["user_id"], &line["agent_id"]), (&json!("u1"), &json!("a1")));
    assert!(line["trace_id"].is_string() && line["span_id"].is_string(), "{line}");
    assert!(memory.spans(&telemetry).is_empty(), "none is exported");
}

/// Says something while it is written, in its own span too.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info_span!("within").in_scope(|| info!("from within"));
        f.write_str("chatty")
    }
}

#[observed(x = Chatty, late(late))]
fn chatty() {
    record!(late = Chatty);
    info!(y = %Chatty, "{}", Chatty);
}

#[test]
#[ignore = "alone in a process"]
fn alone_logs_from_displays() {
    let telemetry = Telemetry::builder("tests").start().expect("nothing is wrong");
    chatty();
    let span = info_span!("plain", x = %Chatty, late = field::Empty);
    span.record("late", field::display(Chatty));
    span.in_scope(|| info!(y = %Chatty, "said"));
    telemetry.shutdown(SOON);
}

#[test]
fn a_display_that_logs_is_written_and_heard_in_every_position() {
    let output = alone("alone_logs_from_displays").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = json_lines(&output.stdout);
    for message in ["chatty", "said"] {
        let line = lines.iter().find(|line| line["message"] == message).expect("it is said");
        for key in ["x", "late", "y"] {
            assert_eq!(line[key], "chatty", "{line}");
        }
    }
    // What is formatted inside of `get_default` finds no subscriber: that of `tracing`'s own macros, and of the fields of a
    // call's opening. None of it is mixed into another line.
    let within: Vec<_> = lines.iter().filter(|line| line["message"] == "from within").collect();
    assert!(!within.is_empty(), "{lines:?}");
    assert!(within.iter().all(|line| line.get("y").is_none()), "{within:?}");
}

/// Cannot be written.
struct Bomb;

impl fmt::Display for Bomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::resume_unwind(Box::new("no text for you"))
    }
}

#[observed(x = Bomb, late(late), n = 1)]
fn bombed() -> u32 {
    record!(late = Bomb);
    info!(y = %Bomb, "called");
    7
}

#[test]
fn a_display_that_panics_costs_its_field_alone_in_every_position() {
    const NOTE: &str = "[panicked while formatting]";
    let seen = capture(|| {
        assert_eq!(bombed(), 7);
        let span = info_span!("plain", x = %Bomb, late = field::Empty, n = 1);
        span.record("late", field::display(Bomb));
        span.in_scope(|| info!(y = %Bomb, "said"));
        info!("{}", Bomb);
        info_span!("after").in_scope(|| info!("as if nothing had been"));
    });
    for message in ["called", "said"] {
        let line = line(&seen, message);
        assert_eq!((&line["x"], &line["late"], &line["y"]), (&json!(NOTE), &json!(NOTE), &json!(NOTE)));
        assert_eq!(line["n"], 1);
    }
    line(&seen, NOTE);
    line(&seen, "as if nothing had been");
    all_is_over(&seen);
}

/// Logs when its thread ends.
struct Late(&'static str);

impl Drop for Late {
    fn drop(&mut self) {
        let span = info_span!("late", user_id = "u1");
        let _inside = span.enter();
        late_call(self.0);
        let _ = tracing::Span::current().id();
    }
}

#[observed(agent_id)]
fn late_call(agent_id: &str) {
    info!("late");
}

thread_local! { static LATE: RefCell<Option<Late>> = const { RefCell::new(None) }; }

#[test]
#[ignore = "alone in a process"]
fn alone_logs_while_threads_end() {
    let telemetry = Telemetry::builder("tests").start().expect("nothing is wrong");
    let end_with = |name: &'static str| LATE.with(|late| *late.borrow_mut() = Some(Late(name)));
    thread::spawn(move || {
        info!("ours is there first");
        end_with("first");
    })
    .join()
    .expect("no panic");
    thread::spawn(move || {
        end_with("second");
        info!("theirs is there first");
    })
    .join()
    .expect("no panic");
    telemetry.shutdown(SOON);
}

#[test]
fn what_logs_from_the_destructor_of_a_thread_local_is_written_in_both_orders() {
    let output = alone("alone_logs_while_threads_end").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = json_lines(&output.stdout);
    let late = lines.iter().filter(|line| line["message"] == "late").count();
    // Whether the thread-locals of `tracing` itself are still there is up to the order: a line may be missing, never broken.
    assert!((1..=2).contains(&late), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line["message"] == "ours is there first").count(), 1);
}

#[test]
fn a_thread_that_dies_inside_of_spans_leaves_them_to_their_handles() {
    let seen = capture(|| {
        let dispatch = dispatch();
        let span = info_span!("kept", user_id = "u1");
        let theirs = span.clone();
        let died = thread::spawn(move || {
            let _guard = dispatcher::set_default(&dispatch);
            // Neither is left before the thread is gone.
            std::mem::forget(theirs.clone().entered());
            let _inside = info_span!("lost").entered();
            std::panic::resume_unwind(Box::new("dead"));
        });
        assert!(died.join().is_err());
        assert_eq!(Correlation::current(), Correlation::default());
        span.in_scope(|| info!("still good"));
    });
    assert_eq!(line(&seen, "still good")["user_id"], "u1");
    assert_eq!(seen.open_spans(), ["kept"], "one handle was forgotten; `lost` was closed by the unwinding");
}

#[observed(user_id)]
fn outside(inside: &Telemetry, user_id: &str) {
    inside.in_scope(|| {
        info_span!("inner engine").in_scope(|| info!("in the inner engine"));
        within(7);
    });
    info!("in the outer engine");
}

#[observed(n)]
fn within(n: u32) {
    info!("called");
}

#[test]
fn engines_inside_of_each_other_keep_to_themselves() {
    let memory = Memory::default();
    let inner = memory.builder("info").build().expect("nothing is wrong");
    let outer = capture(|| outside(&inner, "u1"));
    assert_eq!(outer.spans().len(), 1);
    assert_eq!(line(&outer, "in the outer engine")["user_id"], "u1");
    let lines = memory.lines(&inner);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.get("user_id").is_none()), "{lines:?}");
    assert!(memory.spans(&inner).iter().all(|span| span.parent_id.is_none()));
    all_is_over(&outer);
}

struct Talkative(mpsc::Sender<usize>);

impl Exporter for Talkative {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        info_span!("an exporter's").in_scope(|| info!("an exporter's"));
        within(1);
        let _ = self.0.send(spans.len());
        Delivery::all(&spans)
    }
}

#[test]
#[ignore = "alone in a process"]
fn alone_has_a_talkative_exporter() {
    let (sent, exported) = mpsc::channel();
    let telemetry = Telemetry::builder("tests").exporter(Talkative(sent)).start().expect("nothing is wrong");
    within(7);
    assert_eq!(exported.recv(), Ok(1));
    telemetry.flush(SOON);
    assert!(exported.try_recv().is_err(), "its own spans were exported");
    telemetry.shutdown(SOON);
}

#[test]
fn what_an_exporter_says_goes_nowhere() {
    let output = alone("alone_has_a_talkative_exporter").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = json_lines(&output.stdout);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// Tells in which span it is dropped.
struct Told(&'static str);

impl Drop for Told {
    fn drop(&mut self) {
        info!("{} dropped", self.0);
    }
}

#[observed(user_id)]
async fn holds(user_id: &str, name: &'static str, forever: bool) {
    let _told = Told(name);
    if forever {
        std::future::pending::<()>().await;
    }
}

#[test]
fn what_a_future_drops_is_dropped_inside_of_its_span() {
    let seen = capture(|| {
        let mut context = Context::from_waker(Waker::noop());
        let mut done = Box::pin(holds("u1", "done", false));
        assert_eq!(done.as_mut().poll(&mut context), Poll::Ready(()));
        let mut cancelled = Box::pin(holds("u2", "cancelled", true));
        assert!(cancelled.as_mut().poll(&mut context).is_pending());
        drop(cancelled);
    });
    assert_eq!(line(&seen, "done dropped")["user_id"], "u1");
    assert_eq!(line(&seen, "cancelled dropped")["user_id"], "u2");
    all_is_over(&seen);
}

#[test]
fn a_late_field_passes_spans_that_have_closed_between() {
    let seen = capture(|| {
        let outer = info_span!("outer", x = "outer", y = "outer", late = field::Empty);
        let higher = outer.in_scope(|| info_span!("higher", x = "higher", late = field::Empty));
        let lower = higher.in_scope(|| info_span!("lower", of_lower = 1));
        let inner = lower.in_scope(|| info_span!("inner", own = 2));
        drop(lower);
        higher.record("late", "of higher");
        inner.in_scope(|| info!("below one that has closed"));
        drop(higher);
        for record in ["late", "y", "x"] {
            outer.record(record, "late");
        }
        let (dispatch, speaks) = (dispatch(), || inner.in_scope(|| info!("on another thread")));
        thread::scope(|scope| scope.spawn(|| dispatcher::with_default(&dispatch, speaks)).join()).expect("no panic");
        outer.record("y", "later");
        outer.in_scope(|| inner.in_scope(|| info!("inside of both")));
    });
    let told = |message| ["x", "y", "late", "of_lower", "own"].map(|key| line(&seen, message)[key].clone());
    let (lower, own) = (json!(1), json!(2));
    let expected = |y, late| [json!("higher"), json!(y), json!(late), lower.clone(), own.clone()];
    assert_eq!(told("below one that has closed"), expected("outer", "of higher"));
    assert_eq!(told("on another thread"), expected("late", "of higher"));
    assert_eq!(told("inside of both"), expected("later", "of higher"));
    all_is_over(&seen);
}

#[test]
fn a_late_field_reaches_lines_of_spans_below_it_on_other_threads() {
    let seen = capture(|| {
        let dispatch = dispatch();
        let outer = info_span!("outer", agent_id = field::Empty);
        let middle = outer.in_scope(|| info_span!("middle"));
        let inner = middle.in_scope(|| info_span!("inner"));
        let (recorded, is_recorded) = mpsc::channel::<()>();
        let theirs = thread::spawn(move || {
            let _guard = dispatcher::set_default(&dispatch);
            inner.in_scope(|| {
                info!("before");
                is_recorded.recv().expect("it is recorded");
                info!("after");
                within(2);
            });
        });
        outer.record("agent_id", "a1");
        recorded.send(()).expect("they wait");
        theirs.join().expect("no panic");
    });
    assert_eq!(line(&seen, "after")["agent_id"], "a1");
    assert_eq!(line(&seen, "called")["agent_id"], "a1");
    all_is_over(&seen);
}

#[test]
fn guards_may_be_leaked_and_a_span_entered_twice() {
    let seen = capture(|| {
        let span = info_span!("twice", user_id = "u1");
        span.in_scope(|| {
            span.in_scope(|| info!("twice"));
            info!("once");
        });
        info!("not at all");
        #[observed]
        fn leaks() {
            std::mem::forget(info_span!("leaked", x = 1).entered());
        }
        leaks();
        info!("in what was leaked");
        within(3);
    });
    let ids: Vec<_> = ["twice", "once"].map(|message| line(&seen, message)["span_id"].clone()).into();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(line(&seen, "not at all")["span_id"], Value::Null);
    assert_eq!(line(&seen, "in what was leaked")["x"], 1);
    assert_eq!(seen.span("leaks").outcome, Some(obs_runtime::Ended::Ok), "the call has ended all the same");
    assert_eq!(line(&seen, "called")["x"], 1);
    assert_eq!(seen.open_spans(), ["leaked"]);
}

#[test]
fn a_span_that_is_left_on_a_thread_that_never_entered_it_changes_nothing() {
    let seen = capture(|| {
        let dispatch = dispatch();
        let span = info_span!("here");
        let id = span.id().expect("it is on");
        let _inside = span.enter();
        thread::spawn(move || {
            let _guard = dispatcher::set_default(&dispatch);
            let _other = info_span!("there").entered();
            dispatch.exit(&id);
            info!("still there");
        })
        .join()
        .expect("no panic");
        info!("still here");
    });
    assert_eq!(line(&seen, "still there")["span_id"], seen.span("there").span_id.to_string());
    assert_eq!(line(&seen, "still here")["span_id"], seen.span("here").span_id.to_string());
    all_is_over(&seen);
}

#[test]
fn any_text_is_a_key() {
    let seen = capture(|| {
        let span = info_span!("s", "a\"b\\c\n" = 1, "" = 2, "é\u{2028}" = 3);
        span.in_scope(|| info!("a\"b\\c\n" = 4, "{\"level\":\"error\"}" = 5, "said"));
    });
    let line = line(&seen, "said");
    assert_eq!((&line["a\"b\\c\n"], &line[""], &line["é\u{2028}"]), (&json!(4), &json!(2), &json!(3)));
    assert_eq!((&line["{\"level\":\"error\"}"], &line["level"]), (&json!(5), &json!("info")));
}

#[test]
fn the_message_may_stand_anywhere() {
    let seen = capture(|| {
        info!(a = 1, message = "last", b = 2);
        info!(message = "first", a = 1);
        info!({ a = 1 }, "formatted {}", 7);
        info!(a = 1);
    });
    let messages: Vec<_> = seen.logs().iter().map(|line| (line["message"].clone(), line["a"].clone())).collect();
    let expected = ["last", "first", "formatted 7", ""].map(|message| (json!(message), json!(1)));
    assert_eq!(messages, expected);
    assert!(seen.logs().iter().all(|line| line.get("message_").is_none()));
}

#[test]
fn a_value_is_cut_and_the_line_is_whole() {
    let long = "é\"".repeat(1 << 19);
    let seen = capture(|| {
        let span = info_span!("s", text = long.as_str(), late = field::Empty);
        span.record("late", field::display(&long));
        span.in_scope(|| info!(own = %long, "{long}"));
        info!("small again");
    });
    let line = &seen.logs()[0];
    for key in ["text", "late", "own", "message"] {
        let length = line[key].as_str().expect("text").len();
        assert!((1_000..64 * 1024).contains(&length), "{key} has {length} bytes");
    }
    assert_eq!(line["span_id"], seen.span("s").span_id.to_string());
}

#[test]
fn an_id_used_after_its_span_has_closed_reaches_nobody() {
    let seen = capture(|| {
        let dispatch = dispatch();
        let closed: Vec<Id> = (0..100).map(|n| info_span!("closed", n).id().expect("it is on")).collect();
        // These take over the slots.
        let open: Vec<_> = (0..100).map(|n| info_span!("open", n, x = field::Empty)).collect();
        for id in &closed {
            dispatch.enter(id);
            info!(parent: id.clone(), "below what is closed");
            let meta = open[0].metadata().expect("it is on");
            let x = meta.fields().field("x").expect("it is declared");
            let value: &dyn field::Value = &"not yours";
            let values = [(&x, Some(value))];
            dispatch.record(id, &tracing::span::Record::new(&meta.fields().value_set(&values)));
            open[0].follows_from(id.clone());
            info_span!(parent: id.clone(), "orphan");
            dispatch.exit(id);
            assert!(!dispatch.try_close(id.clone()));
        }
        open.iter().for_each(|span| span.in_scope(|| info!("open")));
    });
    assert_eq!(seen.spans().iter().filter(|span| span.name == "open").count(), 100);
    for span in seen.spans() {
        assert_eq!(span.fields.get("x"), None);
        assert!(span.links.is_empty() && span.parent_id.is_none());
    }
    for line in seen.logs().iter().filter(|line| line["message"] == "below what is closed") {
        assert_eq!(line["span_id"], Value::Null);
    }
    all_is_over(&seen);
}

#[test]
fn ids_that_nobody_has_given_out_are_nobodys() {
    let seen = capture(|| {
        let dispatch = dispatch();
        for bits in [1, 7, 1 << 20, (1 << 44) | 3, u64::MAX - 1, u64::MAX] {
            let id = Id::from_u64(bits);
            dispatch.enter(&id);
            info!(parent: id.clone(), "below nobody");
            dispatch.exit(&id);
            let _ = dispatch.clone_span(&id);
            assert!(!dispatch.try_close(id));
        }
    });
    assert_eq!(seen.logs().len(), 6);
    assert!(seen.logs().iter().all(|line| line["span_id"] == Value::Null));
    all_is_over(&seen);
}

#[test]
fn spans_closed_on_other_threads_are_whole() {
    let seen = capture(|| {
        let dispatch = dispatch();
        let (sender, spans) = mpsc::channel::<tracing::Span>();
        let closer = thread::spawn(move || {
            let _guard = dispatcher::set_default(&dispatch);
            for span in spans {
                span.record("closed_by", "another");
            }
        });
        for n in 0..1_000 {
            sender.send(info_span!("moved", n, closed_by = field::Empty)).expect("it is taken");
        }
        drop(sender);
        closer.join().expect("no panic");
    });
    let mut numbers: Vec<_> =
        seen.spans().iter().map(|span| span.fields.get("n").and_then(Value::as_u64).expect("a number")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1_000));
    assert!(seen.spans().iter().all(|span| span.fields.get("closed_by") == Some(&json!("another"))));
    all_is_over(&seen);
}

#[test]
fn keys_that_share_a_bit_are_still_two_keys() {
    // More keys than the mask has bits: some share one.
    let seen = capture(|| {
        let span = info_span!(
            "s",
            a0 = 0,
            a1 = 1,
            a2 = 2,
            b0 = 0,
            b1 = 1,
            b2 = 2,
            c0 = 0,
            c1 = 1,
            c2 = 2,
            aa = 0,
            ab = 1,
            ac = 2,
            ba = 0,
            bb = 1,
            bc = 2,
            ca = 0,
            cb = 1,
            cc = 2,
            axa = 0,
            axb = 1,
            bxa = 2,
            bxb = 0,
            key_0 = 0,
            key_1 = 1,
            key_2 = 2
        );
        span.in_scope(|| info!(aa = "own", key_1 = "own", zz = "own", "said"));
    });
    let line = line(&seen, "said");
    assert_eq!((&line["aa"], &line["key_1"], &line["zz"]), (&json!("own"), &json!("own"), &json!("own")));
    for (key, value) in [("a0", 0), ("b1", 1), ("c2", 2), ("ab", 1), ("ca", 0), ("bxb", 0), ("key_2", 2)] {
        assert_eq!(line[key], value, "{key}");
    }
    let keys: u32 = line.as_object().map_or(0, |line| line.len() as u32);
    assert_eq!(keys, 8 + 25 + 1);
}

#[test]
fn a_panic_in_a_span_leaves_it() {
    let seen = capture(|| {
        let span = info_span!("s");
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            span.in_scope(|| std::panic::resume_unwind(Box::new("broken")));
        }));
        assert!(unwound.is_err());
        info!("outside");
    });
    assert_eq!(line(&seen, "outside")["span_id"], Value::Null);
    all_is_over(&seen);
}
