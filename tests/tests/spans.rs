//! Spans and log lines of plain `tracing` code, seen from outside.

use std::fmt;
use std::sync::{Arc, Barrier};

use obs_runtime::testing::{Captured, capture};
use obs_runtime::{CallContext, Telemetry, error, info, info_span, tracing};
use serde_json::{Value, json};
use tests::Written;

fn line<'a, T>(seen: &'a Captured<T>, message: &str) -> &'a Value {
    seen.logs().iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("no line says {message:?}"))
}

#[test]
fn fields_of_all_enclosing_spans_stand_at_the_root_of_the_line_and_the_innermost_wins() {
    let seen = capture(|| {
        info_span!("outer", user_id = "u1", depth = 1).in_scope(|| {
            info_span!("inner", agent_id = "a1", depth = 2).in_scope(|| info!(status = "ok", "here"));
        });
    });
    let line = line(&seen, "here");
    assert_eq!(line["user_id"], "u1");
    assert_eq!(line["agent_id"], "a1");
    assert_eq!(line["depth"], 2);
    assert_eq!(line["status"], "ok");
    assert_eq!(line["span_id"], seen.span("inner").span_id.to_string());
    assert_eq!(line["trace_id"], seen.span("outer").trace_id.to_string());
}

#[test]
fn a_line_outside_any_span_has_null_ids() {
    let seen = capture(|| info!("alone"));
    assert_eq!(seen.logs()[0]["trace_id"], Value::Null);
    assert_eq!(seen.logs()[0]["span_id"], Value::Null);
}

#[test]
fn parents_may_be_explicit_or_refused() {
    let seen = capture(|| {
        let a = info_span!("a", x = 1);
        let b = info_span!("b");
        b.in_scope(|| {
            info_span!(parent: &a, "child_of_a").in_scope(|| info!("in child of a"));
            info_span!(parent: None, "root").in_scope(|| ());
            info!(parent: &a, "event of a");
            info!(parent: None, "event of nobody");
        });
    });
    assert_eq!(seen.span("child_of_a").parent_id, Some(seen.span("a").span_id));
    assert_eq!(seen.span("root").parent_id, None);
    assert_ne!(seen.span("root").trace_id, seen.span("b").trace_id);
    assert_eq!(line(&seen, "in child of a")["x"], 1);
    assert_eq!(line(&seen, "event of a")["span_id"], seen.span("a").span_id.to_string());
    assert_eq!(line(&seen, "event of nobody")["span_id"], Value::Null);
}

#[test]
fn a_late_field_of_an_outer_span_reaches_the_lines_of_inner_ones() {
    let seen = capture(|| {
        let outer = info_span!("outer", agent_id = tracing::field::Empty);
        outer.in_scope(|| {
            info_span!("inner").in_scope(|| {
                info!("before");
                outer.record("agent_id", "a1");
                info!("after");
            });
        });
    });
    assert_eq!(line(&seen, "before").get("agent_id"), None);
    assert_eq!(line(&seen, "after")["agent_id"], "a1");
    assert_eq!(seen.span("outer").fields.get("agent_id"), Some(&json!("a1")));
}

#[test]
fn a_span_is_entered_recorded_on_and_closed_on_other_threads() {
    let seen = capture(|| {
        let span = info_span!("moved", late = tracing::field::Empty);
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                span.in_scope(|| info!("over there"));
                span.record("late", 7);
                drop(span);
            });
        })
        .join()
        .expect("no panic");
    });
    assert_eq!(seen.span("moved").fields.get("late"), Some(&json!(7)));
    assert_eq!(line(&seen, "over there")["span_id"], seen.span("moved").span_id.to_string());
}

#[test]
fn a_span_that_outlives_its_parent_keeps_what_it_inherited() {
    let seen = capture(|| {
        let inner = info_span!("outer", user_id = "u1").in_scope(|| info_span!("inner"));
        inner.in_scope(|| info!("later"));
    });
    assert_eq!(line(&seen, "later")["user_id"], "u1");
    assert_eq!(seen.span("inner").parent_id, Some(seen.span("outer").span_id));
}

#[test]
fn a_field_recorded_on_a_closed_span_changes_nothing() {
    let seen = capture(|| {
        let span = info_span!("short", x = 1);
        let id = span.id().expect("enabled");
        drop(span);
        tracing::dispatcher::get_default(|dispatch| {
            dispatch.enter(&id);
            dispatch.exit(&id);
        });
        info!("outside");
    });
    assert_eq!(seen.spans().len(), 1);
    assert_eq!(line(&seen, "outside")["span_id"], Value::Null);
}

#[test]
fn guards_dropped_out_of_order_leave_the_right_span() {
    let seen = capture(|| {
        let (a, b) = (info_span!("a"), info_span!("b"));
        let in_a = a.enter();
        let in_b = b.enter();
        drop(in_a);
        info!("still in b");
        drop(in_b);
        info!("in none");
    });
    assert_eq!(line(&seen, "still in b")["span_id"], seen.span("b").span_id.to_string());
    assert_eq!(line(&seen, "in none")["span_id"], Value::Null);
}

#[test]
fn a_span_that_only_a_context_holds_ends_with_the_context() {
    let seen = capture(|| {
        let span = info_span!("held", user_id = "u1");
        let context = span.in_scope(CallContext::current);
        drop(span);
        context.run(|| info!("in it"));
    });
    assert_eq!(line(&seen, "in it")["user_id"], "u1");
    assert_eq!(seen.spans().len(), 1, "and is not lost");
}

#[test]
fn follows_from_is_a_link() {
    let seen = capture(|| {
        let cause = info_span!("cause");
        info_span!("effect").follows_from(&cause);
    });
    let links = &seen.span("effect").links;
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].span_id, seen.span("cause").span_id);
}

/// Says something in the log while it is being written to the log.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from within");
        f.write_str("chatty")
    }
}

/// Cannot be written.
struct Bomb;

impl fmt::Display for Bomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no text for you")
    }
}

// What it logs itself, `tracing` keeps away from a scoped subscriber, as the one of a capture is.
#[test]
fn a_display_that_logs_is_written() {
    let seen = capture(|| {
        let span = info_span!("s", x = %Chatty, late = tracing::field::Empty);
        span.record("late", tracing::field::display(Chatty));
        span.in_scope(|| info!(y = %Chatty, "said"));
    });
    assert_eq!(line(&seen, "said")["y"], "chatty");
    assert_eq!(line(&seen, "said")["late"], "chatty");
}

#[test]
fn a_display_that_panics_costs_its_field_and_not_the_caller() {
    let seen = capture(|| {
        info_span!("s", x = %Bomb, y = 1).in_scope(|| info!(z = %Bomb, "went on"));
    });
    let line = line(&seen, "went on");
    assert_eq!(line["x"], "[panicked while formatting]");
    assert_eq!(line["z"], "[panicked while formatting]");
    assert_eq!(line["y"], 1);
}

#[test]
fn hostile_text_cannot_forge_a_line_or_a_key() {
    let hostile = "u1\"}\n{\"level\":\"error\",\"message\":\"forged\u{0}\u{7f}\u{2028}";
    let seen = capture(|| {
        info_span!("s", user_id = hostile, trace_id = "forged", level = "forged").in_scope(|| {
            info!(message_text = %hostile, timestamp = "forged", "{hostile}");
        });
    });
    assert_eq!(seen.logs().len(), 1);
    let line = &seen.logs()[0];
    assert_eq!(line["user_id"], hostile);
    assert_eq!(line["message"], hostile);
    assert_eq!(line["trace_id_"], "forged");
    assert_eq!(line["level_"], "forged");
    assert_eq!(line["timestamp_"], "forged");
    assert_eq!(line["level"], "info");
    assert_eq!(line["trace_id"], seen.span("s").trace_id.to_string());
}

#[test]
fn numbers_and_bools_keep_their_type_and_what_json_has_no_number_for_is_text() {
    let seen = capture(|| {
        info!(int = -3, big = u64::MAX, float = 1.5, nan = f64::NAN, inf = f64::INFINITY, yes = true, "typed");
    });
    let line = line(&seen, "typed");
    assert_eq!(line["int"], json!(-3));
    assert_eq!(line["big"], json!(u64::MAX));
    assert_eq!(line["float"], json!(1.5));
    assert_eq!(line["nan"], json!("NaN"));
    assert_eq!(line["inf"], json!("Infinity"));
    assert_eq!(line["yes"], json!(true));
}

#[test]
fn captures_in_parallel_do_not_see_each_other() {
    const THREADS: usize = 8;
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                start.wait();
                let seen = capture(|| {
                    for _ in 0..50 {
                        info_span!("s", thread).in_scope(|| info!("mine"));
                    }
                });
                assert_eq!(seen.logs().len(), 50);
                assert!(seen.logs().iter().all(|line| line["thread"] == thread));
                assert_eq!(seen.spans().len(), 50);
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

#[test]
fn captures_nest_and_the_inner_one_is_apart() {
    let outer = capture(|| {
        info_span!("outer").in_scope(|| {
            let inner = capture(|| error!("inside"));
            assert_eq!(inner.logs().len(), 1);
            assert_eq!(inner.logs()[0]["span_id"], Value::Null);
            info!("outside");
        });
    });
    assert_eq!(outer.logs().len(), 1);
    assert_eq!(outer.logs()[0]["message"], "outside");
}

#[test]
fn a_long_chain_of_spans_each_begun_in_the_one_before_stays_cheap() {
    let seen = capture(|| {
        let mut span = info_span!("link", user_id = "u1");
        for _ in 0..5_000 {
            span = span.in_scope(|| info_span!("link"));
        }
        span.in_scope(|| info!("end"));
    });
    assert_eq!(line(&seen, "end")["user_id"], "u1");
    assert_eq!(seen.spans().len(), 5_001);
}

/// The keys of a line as they stand there, with those that a parser would take for one.
fn keys(line: &str) -> Vec<String> {
    struct Keys(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Keys;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
                    let mut keys = Vec::new();
                    while let Some((key, _)) = map.next_entry::<String, Value>()? {
                        keys.push(key);
                    }
                    Ok(Keys(keys))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Keys>(line).unwrap_or_else(|err| panic!("{err} in {line}")).0
}

#[test]
fn a_field_that_comes_twice_stands_once_with_the_value_of_the_innermost_and_last() {
    let text = Written::default();
    let telemetry = Telemetry::builder("tests").log_writer(text.clone()).build().expect("nothing is wrong");
    telemetry.in_scope(|| {
        let outer = info_span!("outer", user_id = "u1", x = 1, late = tracing::field::Empty);
        let inner = outer.in_scope(|| info_span!("inner", x = 2, late = tracing::field::Empty, level = "forged"));
        inner.record("late", 1);
        inner.record("late", 2);
        outer.record("late", 3);
        inner.in_scope(|| info!(x = 3, user_id = "u2", y = 1, "said"));
        inner.in_scope(|| info!(late = i128::MIN, big = u128::MAX, exact = (1_u64 << 53) + 1, "numbers"));
    });
    telemetry.flush(std::time::Duration::from_secs(10));
    let text = text.text();
    for line in text.lines() {
        let mut keys = keys(line);
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "a key stands twice in {line}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [said, numbers] = &lines[..] else { panic!("{text}") };
    assert_eq!((&said["x"], &said["user_id"], &said["late"]), (&json!(3), &json!("u2"), &json!(2)));
    assert_eq!((&said["level"], &said["level_"]), (&json!("info"), &json!("forged")));
    assert_eq!(numbers["exact"], json!((1_u64 << 53) + 1));
    // `serde_json` reads integers beyond 64 bits as floats: as text they are exact.
    for exact in [format!("\"late\":{}", i128::MIN), format!("\"big\":{}", u128::MAX)] {
        assert!(text.contains(&exact) || text.contains(&exact.replace(':', ":\"")), "{exact} is not in {text}");
    }
}
