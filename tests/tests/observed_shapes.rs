//! `#[observed]` on every shape of function: what comes out, and that the function is the plain one otherwise.

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::{Captured, capture};
use obs_runtime::{info, observed, record};
use serde_json::json;

/// Polls a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// `name{field=value} outcome`, a line a span, in the order in which they ended.
fn spans<T>(seen: &Captured<T>) -> String {
    let lines = seen.spans().iter().map(|span| {
        let fields: Vec<String> = span
            .fields
            .iter()
            .filter(|(name, _)| name != "outcome")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let outcome = span.outcome.map_or("none".to_owned(), |outcome| format!("{outcome:?}").to_lowercase());
        format!("{}{{{}}} {outcome}", span.name, fields.join(","))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[derive(Debug, PartialEq)]
struct Failure(&'static str);

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {}

mod fields {
    use super::*;

    #[observed(user_id, ?tags, %size, doubled = size * 2, shout = %user_id.to_uppercase(), nothing, something)]
    fn record_all(user_id: &str, tags: Vec<u8>, size: u64, nothing: Option<u8>, something: Option<u8>) -> usize {
        user_id.len() + tags.len() + usize::from(nothing.or(something).unwrap_or_default())
    }

    #[test]
    fn each_form_keeps_its_type_or_becomes_text() {
        let seen = capture(|| record_all("u1", vec![1, 2], 21, None, Some(7)));
        assert_eq!(seen.value, 11);
        assert_eq!(
            spans(&seen),
            r#"record_all{user_id="u1",tags="[1, 2]",size="21",doubled=42,shout="U1",something=7} ok"#
        );
    }

    #[observed(agent_id, user_id, late(bytes))]
    fn recorded_in_the_body(user_id: &str) {
        let agent_id = format!("agent of {user_id}");
        record!(agent_id);
        record!(bytes = agent_id.len());
    }

    #[test]
    fn a_standard_field_without_argument_is_recorded_in_the_body() {
        let seen = capture(|| recorded_in_the_body("u1"));
        assert_eq!(spans(&seen), r#"recorded_in_the_body{user_id="u1",agent_id="agent of u1",bytes=11} ok"#);
    }

    #[observed(message_id)]
    fn recorded_by_tracing() {
        tracing::Span::current().record("message_id", "m1");
    }

    #[test]
    fn a_standard_field_may_be_recorded_by_tracing() {
        assert_eq!(spans(&capture(recorded_by_tracing)), r#"recorded_by_tracing{message_id="m1"} ok"#);
    }

    #[observed(%name, ?kind, %err, r#type)]
    fn called_like_options(name: &str, kind: u8, err: bool, r#type: &str) -> usize {
        name.len() + usize::from(kind) + usize::from(err) + r#type.len()
    }

    #[test]
    fn an_argument_called_like_an_option_is_recorded_with_a_sigil() {
        let seen = capture(|| called_like_options("n", 1, true, "t"));
        assert_eq!(spans(&seen), r#"called_like_options{name="n",kind="1",err="true",type="t"} ok"#);
    }

    struct Pair {
        left: u8,
        right: u8,
    }

    #[observed(left, b, z, sum = left + b)]
    fn patterns(Pair { left, .. }: Pair, (mut b, _): (u8, u8), &z: &u8, _: String, [.., last]: [u8; 3]) -> u8 {
        b += 1;
        left + b + z + last
    }

    #[test]
    fn names_bound_in_patterns_are_arguments() {
        let seen = capture(|| patterns(Pair { left: 1, right: 2 }, (3, 4), &5, String::new(), [6, 7, 8]));
        assert_eq!(seen.value, 18);
        assert_eq!(spans(&seen), "patterns{left=1,b=3,z=5,sum=4} ok");
        assert_eq!(Pair { left: 1, right: 2 }.right, 2);
    }

    #[observed(b, a)]
    fn conditional(#[cfg(any())] a: Missing, #[cfg(all())] b: u8) -> u8 {
        b
    }

    #[test]
    fn an_argument_that_is_configured_away_is_not_recorded() {
        assert_eq!(spans(&capture(|| conditional(3))), "conditional{b=3} ok");
    }

    #[observed(name = "agent.create", target = "lifecycle", level = "debug", kind = "server", metrics = off)]
    fn options() {}

    #[test]
    fn options_reach_the_span() {
        let seen = capture(options);
        let span = seen.span("agent.create");
        assert_eq!(span.target, "lifecycle");
        assert_eq!(span.kind, obs_runtime::engine::SpanKind::Server);
        assert_eq!(seen.metric("operation_duration_seconds_count", &[]), None);
    }
}

mod outcomes {
    use super::*;

    type Answer<T> = Result<T, Failure>;

    #[observed]
    fn early_return(fail: bool) -> Answer<u8> {
        if fail {
            return Err(Failure("no room"));
        }
        Ok(1)
    }

    #[observed]
    fn question_mark() -> Answer<u8> {
        early_return(true)?;
        Ok(1)
    }

    #[test]
    fn an_early_return_and_a_question_mark_are_errors() {
        let seen = capture(question_mark);
        assert_eq!(seen.spans().len(), 2);
        for span in seen.spans() {
            assert_eq!(span.outcome, Some(obs_runtime::Outcome::Error));
            assert_eq!(span.fields.get("error"), Some(&json!("no room")));
        }
    }

    #[derive(Debug)]
    struct Mute;

    #[observed(err(Debug), err = "warn")]
    fn by_debug() -> Result<(), Mute> {
        Err(Mute)
    }

    #[test]
    fn an_error_may_be_shown_by_debug_at_a_level_of_ones_own() {
        let seen = capture(by_debug);
        assert_eq!(seen.span("by_debug").fields.get("error"), Some(&json!("Mute")));
        assert!(seen.logs().iter().any(|line| line["level"] == "warn"), "{:?}", seen.logs());
    }

    #[observed(err = off)]
    fn unlogged() -> Result<(), Failure> {
        Err(Failure("quiet"))
    }

    #[test]
    fn an_error_may_stay_without_event() {
        let seen = capture(unlogged);
        assert_eq!(seen.span("unlogged").fields.get("error"), Some(&json!("quiet")));
        assert!(seen.logs().iter().all(|line| line["level"] == "debug"), "{:?}", seen.logs());
    }

    #[observed]
    fn never() -> ! {
        panic!("as it should")
    }

    #[test]
    fn a_function_that_never_returns_is_seen_to_panic() {
        let seen = capture(|| std::panic::catch_unwind(|| never()).is_err());
        assert!(seen.value);
        assert_eq!(spans(&seen), "never{} panicked");
    }

    #[observed]
    async fn never_async() -> ! {
        panic!("as it should")
    }

    #[test]
    fn an_async_function_that_never_returns_is_seen_to_panic() {
        let seen = capture(|| std::panic::catch_unwind(|| now(never_async())).is_err());
        assert!(seen.value);
        assert_eq!(spans(&seen), "never_async{} panicked");
    }
}

mod asyncs {
    use super::*;

    #[observed(user_id, agent_id)]
    async fn create(user_id: &str, mut tries: u8) -> Result<String, Failure> {
        tries += 1;
        std::future::ready(()).await;
        record!(agent_id = tries);
        info!("created");
        Ok(user_id.to_owned())
    }

    #[test]
    fn an_async_function_records_and_returns() {
        let seen = capture(|| now(create("u1", 1)));
        assert_eq!(seen.value, Ok("u1".to_owned()));
        assert_eq!(spans(&seen), r#"create{user_id="u1",agent_id=2} ok"#);
        let line = seen.logs().iter().find(|line| line["message"] == "created").expect("the line");
        assert_eq!(line["user_id"], "u1");
        assert_eq!(line["span_id"], seen.spans()[0].span_id.to_string());
    }

    #[test]
    fn an_async_function_never_polled_leaves_no_trace() {
        let seen = capture(|| drop(create("u1", 1)));
        assert_eq!(spans(&seen), "");
    }

    #[observed]
    async fn waits() {
        std::future::pending::<()>().await;
    }

    #[test]
    fn a_future_dropped_half_way_is_cancelled() {
        let seen = capture(|| {
            let mut future = pin!(waits());
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        assert_eq!(spans(&seen), "waits{} cancelled");
    }

    #[observed(n)]
    fn returned(n: u8) -> impl Future<Output = Result<u8, Failure>> + Send {
        info!("before");
        async move { if n == 0 { Err(Failure("zero")) } else { Ok(n) } }
    }

    #[observed(n)]
    fn boxed<'a>(n: u8, text: &'a str) -> Pin<Box<dyn Future<Output = Result<usize, Failure>> + Send + 'a>> {
        if n == 0 {
            return Box::pin(std::future::ready(Err(Failure("zero"))));
        }
        Box::pin(async move { Ok(text.len()) })
    }

    #[test]
    fn a_returned_future_is_observed_from_the_call_to_its_end() {
        let seen = capture(|| (now(returned(1)), now(boxed(1, "abc"))));
        assert_eq!(seen.value, (Ok(1), Ok(3)));
        assert_eq!(spans(&seen), "returned{n=1} ok\nboxed{n=1} ok");
        assert!(!seen.logs()[0]["span_id"].is_null(), "{:?}", seen.logs());
        let seen = capture(|| (now(returned(0)).is_err(), now(boxed(0, "")).is_err()));
        assert_eq!(seen.value, (true, true));
        assert_eq!(seen.spans().iter().filter(|span| span.fields.get("error") == Some(&json!("zero"))).count(), 2);
    }

    #[test]
    fn a_returned_future_never_polled_is_cancelled() {
        let seen = capture(|| drop(boxed(1, "")));
        assert_eq!(spans(&seen), "boxed{n=1} cancelled");
    }
}
