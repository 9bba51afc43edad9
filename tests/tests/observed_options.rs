//! The options of `#[observed]` that say where a span hangs, what it tells at its end, and what is observed; and `observe!`.

use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use obs_runtime::propagation::{Correlation, TraceContext};
use obs_runtime::testing::{Captured, CapturedSpan, capture};
use obs_runtime::{Ended, info, info_span, observe, observed, record};
use serde_json::Value;

/// Polls a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn in_flight<T>(seen: &Captured<T>) -> f64 {
    seen.metric("operations_in_flight", &[]).unwrap_or_default()
}

fn field<'a>(span: &'a CapturedSpan, name: &str) -> Option<&'a Value> {
    span.fields.get(name)
}

fn events<'a, T>(seen: &'a Captured<T>, message: &str) -> Vec<&'a Value> {
    seen.logs().iter().filter(|line| line["message"] == message).collect()
}

mod ret {
    use super::*;

    #[derive(Debug)]
    struct Pair(#[allow(dead_code)] u8, #[allow(dead_code)] u8);

    #[observed(ret)]
    fn number() -> u64 {
        7
    }

    #[observed(ret = "debug")]
    async fn text(fail: bool) -> Result<String, std::fmt::Error> {
        if fail { Err(std::fmt::Error) } else { Ok("done".to_owned()) }
    }

    #[observed(ret)]
    fn only_debug() -> Result<Pair, ()> {
        Ok(Pair(1, 2))
    }

    #[observed(ret(Debug))]
    fn by_debug() -> &'static str {
        "text"
    }

    #[observed(ret)]
    fn unnamed() -> impl Display {
        "shown"
    }

    #[observed(ret)]
    fn optional(something: bool) -> Option<u8> {
        something.then_some(1)
    }

    fn returned<T>(seen: &Captured<T>) -> Option<&Value> {
        seen.spans().last().and_then(|span| field(span, "return"))
    }

    #[test]
    fn a_returned_value_is_recorded_on_the_span_and_told() {
        let seen = capture(number);
        assert_eq!(returned(&seen), Some(&7.into()));
        let [event] = events(&seen, "number finished")[..] else { panic!("one event: {:?}", seen.logs()) };
        assert_eq!((&event["level"], &event["return"]), (&"info".into(), &7.into()));
    }

    #[test]
    fn of_a_result_only_what_is_in_its_ok_is_recorded() {
        let seen = capture(|| now(text(false)));
        assert_eq!(returned(&seen), Some(&"done".into()));
        assert_eq!(events(&seen, "text finished")[0]["level"], "debug");
        assert_eq!(returned(&capture(|| now(text(true)))), None);
    }

    #[test]
    fn a_value_is_shown_by_display_else_by_debug() {
        assert_eq!(returned(&capture(only_debug)), Some(&"Pair(1, 2)".into()));
        assert_eq!(returned(&capture(by_debug)), Some(&"\"text\"".into()));
        assert_eq!(returned(&capture(|| drop(unnamed()))), Some(&"shown".into()));
        assert_eq!(returned(&capture(|| optional(true))), Some(&1.into()));
        assert_eq!(returned(&capture(|| optional(false))), None);
    }

    #[observed(ret)]
    fn down(n: u8) -> u8 {
        if n == 0 { 0 } else { down(n - 1) + 1 }
    }

    #[test]
    fn each_level_of_a_recursion_records_its_own_value() {
        let seen = capture(|| down(2));
        let values: Vec<_> = seen.spans().iter().map(|span| field(span, "return").and_then(Value::as_u64)).collect();
        assert_eq!(values, [Some(0), Some(1), Some(2)]);
    }
}

mod told {
    use super::*;

    #[observed(slow = "1ns")]
    fn slow() {
        std::hint::black_box(std::thread::current().id());
    }

    #[observed(slow = "10min")]
    fn quick() {}

    #[test]
    fn a_slow_call_is_told_with_its_duration_and_a_quick_one_is_not() {
        let seen = capture(slow);
        let [event] = events(&seen, "slow was slow")[..] else { panic!("one event: {:?}", seen.logs()) };
        assert_eq!((&event["level"], &event["outcome"]), (&"warn".into(), &"ok".into()));
        assert!(event["duration_ms"].is_number());
        assert_eq!(events(&capture(quick), "quick was slow").len(), 0);
    }

    #[observed(audit, user_id)]
    fn audited(user_id: &str, fail: bool) -> Result<(), &'static str> {
        if fail { Err("refused") } else { Ok(()) }
    }

    #[test]
    fn an_audited_call_is_told_to_the_auditors_whatever_its_outcome() {
        let of = |fail| {
            let seen = capture(|| audited("u1", fail));
            let lines: Vec<Value> = seen.logs().iter().filter(|line| line["target"] == "audit").cloned().collect();
            let [line] = &lines[..] else { panic!("one line: {:?}", seen.logs()) };
            assert_eq!((&line["user_id"], &line["level"]), (&"u1".into(), &"info".into()));
            assert!(line["duration_ms"].is_number() && line["trace_id"].is_string());
            (line["outcome"].clone(), line["error"].clone())
        };
        assert_eq!(of(false), ("ok".into(), Value::Null));
        assert_eq!(of(true), ("error".into(), "refused".into()));
    }
}

mod places {
    use super::*;

    #[observed(root)]
    fn root() {
        info!("inside");
    }

    #[observed(user_id)]
    fn around(user_id: &str) {
        root();
    }

    #[test]
    fn a_root_begins_a_trace_of_its_own_wherever_it_is_called() {
        let seen = capture(|| around("u1"));
        let (root, around) = (seen.span("root"), seen.span("around"));
        assert_eq!(root.parent_id, None);
        assert_ne!(root.trace_id, around.trace_id);
        assert_eq!(events(&seen, "inside")[0]["user_id"], Value::Null);
    }

    #[observed(parent = span, size = span.is_disabled())]
    fn under_span(span: &tracing::Span) {
        info!("inside");
    }

    #[observed(parent = parent)]
    async fn under_id(parent: Option<tracing::Id>) {}

    #[test]
    fn a_span_of_tracing_may_be_the_parent_from_anywhere() {
        let seen = capture(|| {
            let span = info_span!("far", user_id = "u1");
            info_span!("near").in_scope(|| under_span(&span));
            now(under_id(span.id()));
            now(under_id(None));
        });
        let far = seen.span("far");
        assert_eq!(seen.span("under_span").parent_id, Some(far.span_id));
        assert_eq!(events(&seen, "inside")[0]["user_id"], "u1");
        let by_id: Vec<_> = seen.spans().iter().filter(|span| span.name == "under_id").collect();
        assert_eq!([by_id[0].parent_id, by_id[1].parent_id], [Some(far.span_id), None]);
    }

    #[observed(parent = context)]
    fn under_context(context: Correlation) {}

    fn elsewhere() -> Correlation {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = [("traceparent".to_owned(), header.to_owned())];
        obs_runtime::propagation::extract(&Vec::from(headers))
    }

    #[test]
    fn the_context_of_a_caller_elsewhere_may_be_the_parent() {
        let seen = capture(|| under_context(elsewhere()));
        let span = seen.span("under_context");
        assert_eq!(span.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span.parent_id.map(|id| id.to_string()).as_deref(), Some("b7ad6b7169203331"));
    }

    #[observed(links = sources)]
    fn batch(sources: &[Correlation]) {}

    #[observed(links = source.trace.as_ref())]
    async fn one(source: &Correlation) {}

    #[observed(links = [spans.0, spans.1])]
    fn of_spans(spans: (&tracing::Span, &tracing::Span)) {}

    #[observed(links = first, root)]
    fn of_pattern((first, _): (TraceContext, u8)) {}

    #[test]
    fn a_span_may_be_linked_to_many_others() {
        let source = elsewhere();
        let seen = capture(|| {
            batch(&[source.clone(), source.clone()]);
            now(one(&source));
            let (left, right) = (info_span!("left"), info_span!("right"));
            of_spans((&left, &right));
            of_pattern((source.trace.clone().expect("a trace"), 1));
        });
        let links = |name: &str| -> Vec<_> {
            seen.span(name).links.iter().map(|link| (link.trace_id.to_string(), link.span_id.to_string())).collect()
        };
        let expected = ("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned());
        assert_eq!(links("batch"), [expected.clone(), expected.clone()]);
        assert_eq!(links("one"), std::slice::from_ref(&expected));
        assert_eq!(links("of_pattern"), [expected]);
        let ids: Vec<_> = ["left", "right"].iter().map(|name| seen.span(name).span_id).collect();
        assert_eq!(seen.span("of_spans").links.iter().map(|link| link.span_id).collect::<Vec<_>>(), ids);
    }
}

mod hidden {
    use super::*;

    type Answer<'a> = Pin<Box<dyn Future<Output = Result<u8, String>> + Send + 'a>>;

    #[observed(future, n)]
    fn by_alias(n: u8, fail: bool) -> Answer<'static> {
        let twice = n * 2;
        if fail {
            return Box::pin(async { Err("odd".to_owned()) });
        }
        Box::pin(async move { Ok(twice) })
    }

    type Shared<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

    #[observed(future)]
    fn by_generic_alias<T: Send + Sync + 'static>(value: T) -> Shared<T> {
        Box::pin(async { value })
    }

    trait Job: Future<Output = Result<(), String>> + Send {}
    impl<F: Future<Output = Result<(), String>> + Send> Job for F {}

    #[observed(future)]
    fn by_trait() -> impl Job {
        async { Err::<(), _>("failed".to_owned()) }
    }

    struct Service;

    impl Service {
        #[observed(future)]
        fn borrows<'a>(&'a self, text: &'a str) -> Answer<'a> {
            Box::pin(async move { text.parse().map_err(|_| "no number".to_owned()) })
        }
    }

    #[test]
    fn a_future_that_the_signature_hides_is_observed_to_its_end() {
        let seen = capture(|| (now(by_alias(2, false)), now(by_alias(2, true)), now(by_trait())));
        assert_eq!(seen.value, (Ok(4), Err("odd".to_owned()), Err("failed".to_owned())));
        let outcomes: Vec<_> = seen.spans().iter().map(|span| span.outcome).collect();
        assert_eq!(outcomes, [Some(Ended::Ok), Some(Ended::Error), Some(Ended::Error)]);
        assert_eq!(capture(|| now(Service.borrows("7"))).span("borrows").outcome, Some(Ended::Ok));
        assert_eq!(capture(|| now(by_generic_alias(7))).span("by_generic_alias").outcome, Some(Ended::Ok));
        let dropped = capture(|| drop(by_alias(2, false)));
        assert_eq!(dropped.span("by_alias").outcome, Some(Ended::Cancelled));
        assert!(in_flight(&dropped).abs() < f64::EPSILON);
    }

    /// Gives its items one by one, waiting in between.
    struct Items<T>(Vec<T>, bool);

    impl<T: Unpin> Stream for Items<T> {
        type Item = T;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            info!("next");
            Poll::Ready(self.0.pop())
        }
    }

    fn next<S: Stream>(stream: &mut Pin<Box<S>>) -> Option<S::Item> {
        loop {
            if let Poll::Ready(item) = stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
                return item;
            }
        }
    }

    #[observed(stream, user_id)]
    fn numbers(user_id: &str, items: Vec<u8>) -> impl Stream<Item = u8> {
        Items(items, false)
    }

    type Boxed<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

    #[observed(stream)]
    fn fallible(items: Vec<Result<u8, String>>) -> Boxed<Result<u8, String>> {
        Box::pin(Items(items, false))
    }

    #[test]
    fn a_stream_is_observed_to_its_end_and_its_items_are_made_inside_the_span() {
        let seen = capture(|| {
            let mut stream = Box::pin(numbers("u1", vec![2, 1]));
            (next(&mut stream), next(&mut stream), next(&mut stream))
        });
        assert_eq!(seen.value, (Some(1), Some(2), None));
        assert_eq!(seen.span("numbers").outcome, Some(Ended::Ok));
        assert_eq!(events(&seen, "next").len(), 3);
        assert!(events(&seen, "next").iter().all(|line| line["user_id"] == "u1"));
        assert!(in_flight(&seen).abs() < f64::EPSILON);
    }

    #[test]
    fn a_stream_ends_as_its_last_item_says() {
        let read = |items: Vec<Result<u8, String>>, count: usize| {
            let seen = capture(|| {
                let mut stream = Box::pin(fallible(items));
                for _ in 0..count {
                    let _ = next(&mut stream);
                }
            });
            assert!(in_flight(&seen).abs() < f64::EPSILON);
            seen.span("fallible").outcome
        };
        let failed = || Err("lost".to_owned());
        assert_eq!(read(vec![failed(), Ok(1)], 3), Some(Ended::Error));
        assert_eq!(read(vec![Ok(1), failed()], 3), Some(Ended::Ok));
        // Dropped right after an error: it was not cancelled, it has failed.
        assert_eq!(read(vec![Ok(1), failed()], 1), Some(Ended::Error));
        assert_eq!(read(vec![Ok(1), Ok(1)], 1), Some(Ended::Cancelled));
        assert_eq!(read(vec![Ok(1)], 0), Some(Ended::Cancelled));
    }
}

mod blocks {
    use super::*;

    fn sum(texts: &[&str]) -> Result<u32, std::num::ParseIntError> {
        let mut sum = 0;
        for text in texts {
            sum += observe!("part", text, level = "debug"; { text.parse::<u32>() })?;
        }
        Ok(sum)
    }

    #[test]
    fn a_block_is_observed_like_a_function() {
        let seen = capture(|| sum(&["1", "2", "x"]));
        assert!(seen.value.is_err());
        let outcomes: Vec<_> = seen.spans().iter().map(|span| (field(span, "text").cloned(), span.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                (Some("1".into()), Some(Ended::Ok)),
                (Some("2".into()), Some(Ended::Ok)),
                (Some("x".into()), Some(Ended::Error))
            ]
        );
        let labels = [("operation", "part"), ("outcome", "error")];
        assert_eq!(seen.metric("operation_duration_seconds_count", &labels), Some(1.0));
        assert_eq!(seen.logs().iter().filter(|line| line["error"].is_string()).count(), 1);
    }

    #[test]
    fn a_block_out_of_which_no_value_comes_needs_no_type() {
        fn fails(how: u8) -> u8 {
            match how {
                0 => observe!("fails"; { panic!("broken") }),
                1 => {
                    observe!("fails"; { unimplemented!(); });
                    0
                }
                2 => now(observe!("fails"; async move { unreachable!("{how}") })),
                _ => observe!("fails"; {
                    let mut n = 0;
                    loop {
                        n += 1;
                        assert!(n < how, "enough");
                    }
                }),
            }
        }
        for how in 0..4 {
            let seen = capture(|| std::panic::catch_unwind(|| fails(how)).is_err());
            assert!(seen.value);
            assert_eq!(seen.span("fails").outcome, Some(Ended::Panicked), "{how}");
        }
    }

    #[test]
    fn a_loop_of_the_blocks_own_may_be_left() {
        let seen = capture(|| {
            observe!("looks"; {
                let mut left = 3;
                let found = 'outer: loop {
                    for n in 0..left {
                        if n == 1 {
                            continue;
                        }
                        if left == 2 {
                            break 'outer n;
                        }
                    }
                    left -= 1;
                };
                found + 7
            })
        });
        assert_eq!(seen.value, 7);
        assert_eq!(seen.span("looks").outcome, Some(Ended::Ok));
    }

    #[test]
    fn an_async_block_begins_at_its_first_poll_and_may_borrow() {
        async fn caller(user_id: &str) -> usize {
            let mut count = 0;
            observe!("borrowing", user_id, late(seen); async {
                count += 1;
                record!(seen = count);
                tokio::task::yield_now().await;
            })
            .await;
            let owned = user_id.to_owned();
            let length = observe!("moving", user_id = %owned; async move { owned.len() });
            count + length.await
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seen = capture(|| runtime.block_on(caller("u1")));
        assert_eq!(seen.value, 3);
        assert_eq!(field(seen.span("borrowing"), "seen"), Some(&1.into()));
        assert_eq!(field(seen.span("moving"), "user_id"), Some(&"u1".into()));
        let never = capture(|| drop(observe!("never"; async {})));
        assert_eq!(never.spans().len(), 0);
    }

    #[observed(late(inner))]
    fn around() -> u8 {
        observe!("block"; {
            // The block declares nothing of its own, so this is the function's.
            record!(inner = 1);
            2
        })
    }

    #[test]
    fn record_in_a_block_writes_to_the_function_that_declared_the_field() {
        let seen = capture(around);
        assert_eq!(field(seen.span("around"), "inner"), Some(&1.into()));
        assert_eq!(seen.span("block").parent_id, Some(seen.span("around").span_id));
    }

    #[test]
    fn a_block_takes_the_options_of_the_attribute() {
        let seen = capture(|| {
            observe!("all", root, ret = "info", err = off, target = "t", kind = "client", metrics = off; {
                if std::hint::black_box(false) {
                    return Err("early");
                }
                Ok(7_u8)
            })
        });
        let span = seen.span("all");
        assert_eq!((span.target.as_str(), field(span, "return")), ("t", Some(&7.into())));
        assert_eq!(seen.metric("operation_duration_seconds_count", &[]), None);
        let value: u32 = observe!("quiet"; { 1 + 1 });
        assert_eq!(value, 2);
        assert_eq!(observe!("integer"; { 1 }), 1);
        observe!("nothing"; {});
    }

    #[test]
    fn a_moving_block_takes_what_it_names() {
        let text = String::from("taken");
        let observed = || observe!("moved"; move { text });
        assert_eq!(capture(observed).value, "taken");
    }

    #[test]
    fn a_duration_may_be_slow_by_any_unit() {
        #[observed(slow = "1.5s")]
        fn seconds() {}
        #[observed(slow = "20us")]
        fn micros() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let seen = capture(|| (seconds(), micros()));
        assert_eq!(events(&seen, "seconds was slow").len(), 0);
        assert_eq!(events(&seen, "micros was slow").len(), 1);
    }
}
