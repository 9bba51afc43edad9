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
    #[allow(clippy::non_minimal_cfg)]
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
            assert_eq!(span.outcome, Some(obs_runtime::Ended::Error));
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

    /// What `#[async_trait]` makes of `async fn get(&self, key: &str) -> usize`.
    #[observed(key)]
    #[allow(clippy::let_and_return, clippy::redundant_locals)]
    fn by_async_trait<'life0, 'async_trait>(
        key: &'life0 str,
    ) -> Pin<Box<dyn Future<Output = Result<usize, Failure>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
    {
        Box::pin(async move {
            if let Some(__ret) = None::<Result<usize, Failure>> {
                return __ret;
            }
            let key = key;
            let __ret: Result<usize, Failure> = { Ok(key.len()) };
            __ret
        })
    }

    #[test]
    fn a_method_of_async_trait_begins_at_its_first_poll() {
        assert_eq!(spans(&capture(|| drop(by_async_trait("k")))), "");
        let seen = capture(|| now(by_async_trait("key")));
        assert_eq!(seen.value, Ok(3));
        assert_eq!(spans(&seen), "by_async_trait{key=\"key\"} ok");
    }

    #[test]
    fn a_returned_future_never_polled_is_cancelled() {
        let seen = capture(|| drop(boxed(1, "")));
        assert_eq!(spans(&seen), "boxed{n=1} cancelled");
    }
}

mod shapes {
    use std::borrow::Cow;
    use std::cell::{Ref, RefCell};
    use std::collections::HashMap;
    use std::hash::Hash;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone)]
    struct Shelf<T, const N: usize> {
        id: u8,
        items: Vec<T>,
    }

    impl<T: Clone + Display, const N: usize> Shelf<T, N> {
        const NAME: &'static str = "shelf";

        #[observed(id = self.id, of = Self::NAME, n = N)]
        fn by_reference(&self) -> usize {
            self.items.len() + N
        }

        #[observed]
        fn by_mutable_reference(&mut self, item: T) -> &mut T {
            self.items.push(item);
            let last = self.items.len() - 1;
            &mut self.items[last]
        }

        #[observed(id = self.id)]
        fn by_value(mut self) -> Self {
            self.id += 1;
            self
        }

        #[observed(id = self.id)]
        fn by_box(self: Box<Self>) -> u8 {
            self.id
        }

        #[observed(id = self.id)]
        fn by_rc(self: Rc<Self>) -> u8 {
            self.id
        }

        #[observed(id = self.id)]
        async fn by_arc(self: Arc<Self>) -> u8 {
            self.id
        }

        #[observed(id = self.id)]
        fn by_pin(self: Pin<&mut Self>) -> u8 {
            self.id
        }

        #[observed(id = self.id)]
        async fn by_mutable_reference_async(&mut self, item: T) -> &T {
            self.items.push(item);
            std::future::ready(()).await;
            self.items.last().expect("an item")
        }

        #[observed(id = self.id)]
        async fn by_value_async(mut self, by: u8) -> Self {
            self.id += by;
            self
        }
    }

    #[test]
    fn every_receiver_is_observed() {
        let shelf = || Shelf::<u8, 3> { id: 7, items: vec![1] };
        let seen = capture(|| {
            assert_eq!(shelf().by_reference(), 4);
            assert_eq!(*shelf().by_mutable_reference(2), 2);
            assert_eq!(shelf().by_value().id, 8);
            assert_eq!(Box::new(shelf()).by_box(), 7);
            assert_eq!(Rc::new(shelf()).by_rc(), 7);
            assert_eq!(now(Arc::new(shelf()).by_arc()), 7);
            assert_eq!(pin!(shelf()).by_pin(), 7);
            assert_eq!(*now(shelf().by_mutable_reference_async(9)), 9);
            assert_eq!(now(shelf().by_value_async(2)).id, 9);
        });
        assert_eq!(
            spans(&seen),
            "by_reference{id=7,of=\"shelf\",n=3} ok\nby_mutable_reference{} ok\nby_value{id=7} ok\nby_box{id=7} ok\n\
             by_rc{id=7} ok\nby_arc{id=7} ok\nby_pin{id=7} ok\nby_mutable_reference_async{id=7} ok\n\
             by_value_async{id=7} ok"
        );
    }

    trait Store {
        fn get(&self, key: &str) -> Option<u8>;

        #[observed(key)]
        fn or_zero(&self, key: &str) -> u8 {
            self.get(key).unwrap_or_default()
        }

        fn put(&mut self, value: u8) -> impl Future<Output = u8> + Send;

        #[observed]
        #[allow(async_fn_in_trait)]
        async fn count(&self) -> usize {
            1
        }
    }

    impl Store for u8 {
        #[observed(key)]
        fn get(&self, key: &str) -> Option<u8> {
            (key == "there").then_some(*self)
        }

        #[observed]
        async fn put(&mut self, value: u8) -> u8 {
            std::mem::replace(self, value)
        }

        #[observed]
        async fn count(&self) -> usize {
            2
        }
    }

    #[test]
    fn methods_of_traits_are_observed() {
        let seen = capture(|| {
            let mut store = 4;
            assert_eq!((store.or_zero("there"), store.or_zero("gone")), (4, 0));
            assert_eq!((now(store.put(5)), store, now(store.count())), (4, 5, 2));
        });
        assert_eq!(
            spans(&seen),
            "get{key=\"there\"} ok\nor_zero{key=\"there\"} ok\nget{key=\"gone\"} ok\nor_zero{key=\"gone\"} ok\n\
             put{} ok\ncount{} ok"
        );
    }

    #[observed(key)]
    fn borrowed<'a, K, V>(map: &'a HashMap<K, V>, key: &K) -> Option<&'a V>
    where
        K: Eq + Hash + Display,
    {
        map.get(key)
    }

    #[observed]
    fn mutable<'a>(slice: &'a mut [u8], _unused: &str) -> &'a mut u8 {
        &mut slice[0]
    }

    #[observed]
    fn cow(text: &str) -> Cow<'_, str> {
        text.into()
    }

    #[observed]
    fn cell(cell: &RefCell<u8>) -> Ref<'_, u8> {
        cell.borrow()
    }

    #[observed]
    async fn borrowed_async<'a>(slice: &'a mut [u8], at: &usize) -> Option<&'a mut u8> {
        slice.get_mut(*at)
    }

    #[test]
    fn what_is_borrowed_may_be_returned() {
        let map = HashMap::from([(1, "one")]);
        assert_eq!(borrowed(&map, &1), Some(&"one"));
        let mut bytes = [1, 2];
        *mutable(&mut bytes, "") += 1;
        *now(borrowed_async(&mut bytes, &1)).expect("a byte") += 1;
        assert_eq!(bytes, [2, 3]);
        assert_eq!(cow("text"), "text");
        assert_eq!(*cell(&RefCell::new(3)), 3);
    }

    #[observed(text, %list)]
    fn unnamed_types(text: &(impl Display + ?Sized), list: impl Display) -> impl Iterator<Item = String> {
        vec![text.to_string(), list.to_string()].into_iter()
    }

    #[observed]
    fn fallible_unnamed(fail: bool) -> Result<impl Display, Box<dyn std::error::Error>> {
        if fail {
            return Err("no display".into());
        }
        Ok(1)
    }

    #[observed(text)]
    async fn unnamed_types_async(text: impl Display) -> impl Display {
        text.to_string()
    }

    #[observed]
    #[allow(clippy::ptr_arg)]
    fn coerced(items: &Vec<u8>) -> Option<&[u8]> {
        Some(items)
    }

    #[observed]
    fn inferred(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
        text.split(',').map(str::parse).collect()
    }

    #[test]
    fn return_types_are_inferred_and_coerced_as_ever() {
        let seen = capture(|| {
            assert_eq!(unnamed_types("a", 1).collect::<String>(), "a1");
            assert_eq!(fallible_unnamed(false).map(|shown| shown.to_string()).ok().as_deref(), Some("1"));
            assert!(fallible_unnamed(true).is_err());
            assert_eq!(now(unnamed_types_async(2)).to_string(), "2");
            assert_eq!(coerced(&vec![1]), Some(&[1][..]));
            assert_eq!(inferred("1,2").ok(), Some(vec![1, 2]));
        });
        assert_eq!(seen.spans().iter().filter(|span| span.outcome == Some(obs_runtime::Ended::Error)).count(), 1);
        assert!(spans(&seen).starts_with("unnamed_types{text=\"a\",list=\"1\"} ok"));
    }

    #[observed(n)]
    fn recursive(n: u8) -> u8 {
        if n == 0 { 0 } else { n + recursive(n - 1) }
    }

    #[observed(n)]
    async fn recursive_async(n: u8) -> u8 {
        if n == 0 { 0 } else { n + Box::pin(recursive_async(n - 1)).await }
    }

    #[test]
    fn recursion_nests_spans() {
        let seen = capture(|| recursive(3) + now(recursive_async(3)));
        assert_eq!(seen.value, 12);
        let spans = seen.spans();
        assert_eq!(spans.len(), 8);
        for (child, parent) in (0..3).chain(4..7).map(|at| (at, at + 1)) {
            assert_eq!(spans[child].parent_id, Some(spans[parent].span_id));
        }
    }

    macro_rules! service {
        ($vis:vis $name:ident($argument:ident: $ty:ty) -> $ret:ty $body:block) => {
            #[observed($argument, doubled = $argument * 2)]
            $vis fn $name($argument: $ty) -> $ret $body
        };
    }

    service!(pub(crate) from_a_macro(size: u64) -> u64 { size + 1 });

    #[test]
    fn a_function_made_by_a_macro_is_observed() {
        assert_eq!(spans(&capture(|| from_a_macro(1))), "from_a_macro{size=1,doubled=2} ok");
    }

    #[observed(a)]
    extern "C" fn foreign(a: u8) -> u8 {
        a
    }

    #[test]
    fn qualifiers_stay() {
        let function: extern "C" fn(u8) -> u8 = foreign;
        assert_eq!(spans(&capture(|| function(1))), "foreign{a=1} ok");
    }

    struct Ledger {
        shard: u8,
    }

    #[observed(user_id, shard = self.shard, level = "debug")]
    impl Ledger {
        const SIZE: usize = 1;

        fn open(shard: u8) -> Self {
            Self { shard }
        }

        async fn add(&self, user_id: &str) -> usize {
            user_id.len() + Self::SIZE
        }

        #[observed(name = "ledger.close", user_id = "nobody")]
        fn close(self) {}

        #[observed(skip)]
        fn quiet(&self) {}
    }

    #[test]
    fn an_impl_block_observes_its_methods() {
        let seen = capture(|| {
            let ledger = Ledger::open(3);
            ledger.quiet();
            assert_eq!(now(ledger.add("u1")), 3);
            ledger.close();
        });
        assert_eq!(
            spans(&seen),
            "Ledger::open{} ok\nLedger::add{user_id=\"u1\",shard=3} ok\nledger.close{shard=3,user_id=\"nobody\"} ok"
        );
    }
}

mod among_other_macros {
    use super::*;

    #[observed]
    #[tokio::test]
    async fn above_a_test_of_tokio() {
        tokio::task::yield_now().await;
    }

    #[tokio::test]
    #[observed]
    async fn below_a_test_of_tokio() {
        tokio::task::yield_now().await;
    }

    #[observed(n)]
    #[tracing::instrument(name = "lower", skip_all)]
    async fn above_instrument(n: u8) -> Result<u8, Failure> {
        if n == 0 { Err(Failure("zero")) } else { Ok(n) }
    }

    #[tracing::instrument(name = "upper", skip_all)]
    #[observed(n)]
    async fn below_instrument(n: u8) -> u8 {
        n
    }

    #[cfg_attr(all(), observed(n))]
    fn conditionally(n: u8) -> u8 {
        n
    }

    #[test]
    fn spans_of_other_macros_nest() {
        let seen = capture(|| (now(above_instrument(1)), now(below_instrument(2)), conditionally(3)));
        assert_eq!(seen.value, (Ok(1), 2, 3));
        // The upper attribute is expanded first, so the lower one wraps what it made.
        assert_eq!(seen.span("above_instrument").parent_id, Some(seen.span("lower").span_id));
        assert_eq!(seen.span("upper").parent_id, Some(seen.span("below_instrument").span_id));
        assert_eq!(seen.span("conditionally").fields.get("n"), Some(&json!(3)));
    }
}

mod records {
    use super::*;

    #[observed(late(outer, n))]
    fn outer() {
        record!(n = 1);
        #[observed(late(n))]
        fn inner() {
            record!(n = 2);
        }
        inner();
        let inside = obs_runtime::info_span!("plain");
        inside.in_scope(|| [1].iter().for_each(|_| record!(outer = ?"set", n = 3)));
    }

    #[test]
    fn a_value_goes_to_the_span_of_the_function_that_declared_it() {
        let seen = capture(outer);
        assert_eq!(seen.span("inner").fields.get("n"), Some(&json!(2)));
        assert_eq!(seen.span("outer").fields.get("n"), Some(&json!(3)));
        assert_eq!(seen.span("outer").fields.get("outer"), Some(&json!("\"set\"")));
        assert_eq!(seen.span("plain").fields.get("n"), None);
    }

    #[observed(late(size))]
    async fn with_control_flow(text: &str) -> Result<usize, std::num::ParseIntError> {
        record!(size = std::future::ready(text.parse::<usize>()).await?);
        Ok(1)
    }

    #[test]
    fn a_value_may_await_and_fail() {
        let seen = capture(|| (now(with_control_flow("7")).is_ok(), now(with_control_flow("x")).is_err()));
        assert_eq!(seen.value, (true, true));
        assert_eq!(seen.spans()[0].fields.get("size"), Some(&json!(7)));
    }

    #[observed(late(size))]
    fn counts(left: &mut Vec<u8>) {
        record!(size = left.pop().unwrap_or_default());
    }

    #[test]
    fn a_value_is_computed_once_with_or_without_a_runtime() {
        let mut left = vec![1, 2, 3];
        counts(&mut left);
        assert_eq!(left, [1, 2]);
        capture(|| counts(&mut left));
        assert_eq!(left, [1]);
    }

    #[observed(asked = ask(asked))]
    fn asks(asked: &std::cell::Cell<u8>) {}

    fn ask(asked: &std::cell::Cell<u8>) -> u8 {
        asked.set(asked.get() + 1);
        asked.get()
    }

    #[test]
    fn a_field_is_asked_once_and_not_at_all_without_a_runtime() {
        let asked = std::cell::Cell::new(0);
        asks(&asked);
        assert_eq!(asked.get(), 0);
        capture(|| asks(&asked));
        assert_eq!(asked.get(), 1);
    }
}

mod twins {
    //! What a function does to its arguments, beside what the same function does unobserved.

    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    struct Noisy(&'static str);

    impl Drop for Noisy {
        fn drop(&mut self) {
            DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
        }
    }

    impl Noisy {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    fn dropped(run: impl FnOnce()) -> Vec<&'static str> {
        DROPPED.take();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        DROPPED.take()
    }

    #[derive(Clone, Copy, Debug)]
    enum End {
        Return,
        Early,
        Fail,
        Panic,
    }

    const ENDS: [End; 4] = [End::Return, End::Early, End::Fail, End::Panic];

    fn fail(end: End) -> Result<(), Failure> {
        if let End::Fail = end { Err(Failure("no")) } else { Ok(()) }
    }

    macro_rules! twins {
        ($($item:tt)*) => {
            mod plain {
                use super::*;
                $($item)*
            }
            mod seen {
                use super::*;
                #[observed]
                $($item)*
            }
            mod seen_with_fields {
                use super::*;
                #[observed(?end)]
                $($item)*
            }
        };
    }

    mod sync {
        use super::*;

        twins! {
            pub(super) fn arguments(
                used: Noisy,
                end: End,
                _unused: Noisy,
                _: Noisy,
                (part, _): (Noisy, Noisy),
                (ref by_ref, mut mutable): (Noisy, Noisy),
            ) -> Result<&'static str, Failure> {
                let _local = Noisy("local");
                mutable.0 = "mutable";
                drop((part, mutable.name()));
                if let End::Early = end {
                    return Ok(by_ref.name());
                }
                fail(end)?;
                if let End::Panic = end {
                    panic!("as it should");
                }
                Ok(used.name())
            }
        }

        #[test]
        fn arguments_are_dropped_in_their_order() {
            type Arguments =
                fn(Noisy, End, Noisy, Noisy, (Noisy, Noisy), (Noisy, Noisy)) -> Result<&'static str, Failure>;
            let run = |function: Arguments, end: End| {
                dropped(|| {
                    let pair = |a, b| (Noisy(a), Noisy(b));
                    drop(function(Noisy("a"), end, Noisy("b"), Noisy("c"), pair("d", "e"), pair("f", "g")));
                })
            };
            for end in ENDS {
                let expected = run(plain::arguments, end);
                assert_eq!(expected.len(), 8);
                assert_eq!(run(seen::arguments, end), expected);
                assert_eq!(run(seen_with_fields::arguments, end), expected);
                capture(|| assert_eq!(run(seen_with_fields::arguments, end), expected));
            }
        }
    }

    mod methods {
        use super::*;

        struct Owner(#[expect(dead_code, reason = "only dropped")] Noisy, RefCell<Vec<u8>>);

        impl Owner {
            fn new() -> Self {
                Self(Noisy("self"), RefCell::default())
            }

            fn plain(self, a: Noisy, _: Noisy) -> usize {
                let _local = Noisy("local");
                self.1.borrow().len() + a.name().len()
            }

            #[observed]
            fn seen(self, a: Noisy, _: Noisy) -> usize {
                let _local = Noisy("local");
                self.1.borrow().len() + a.name().len()
            }

            async fn plain_async(self, a: Noisy, _: Noisy) -> usize {
                let _local = Noisy("local");
                std::future::ready(()).await;
                self.1.borrow().len() + a.name().len()
            }

            #[observed]
            async fn seen_async(self, a: Noisy, _: Noisy) -> usize {
                let _local = Noisy("local");
                std::future::ready(()).await;
                self.1.borrow().len() + a.name().len()
            }
        }

        #[test]
        fn the_receiver_is_dropped_last() {
            let expected = dropped(|| _ = Owner::new().plain(Noisy("a"), Noisy("b")));
            assert_eq!(expected.len(), 4);
            assert_eq!(dropped(|| _ = Owner::new().seen(Noisy("a"), Noisy("b"))), expected);
            let expected = dropped(|| _ = now(Owner::new().plain_async(Noisy("a"), Noisy("b"))));
            assert_eq!(expected.len(), 4);
            assert_eq!(dropped(|| _ = now(Owner::new().seen_async(Noisy("a"), Noisy("b")))), expected);
        }
    }

    mod asynchronous {
        use super::*;

        twins! {
            pub(super) async fn arguments(
                used: Noisy,
                end: End,
                _unused: Noisy,
                _: Noisy,
                (part, _): (Noisy, Noisy),
                (ref by_ref, mut mutable): (Noisy, Noisy),
            ) -> Result<&'static str, Failure> {
                let _local = Noisy("local");
                mutable.0 = "mutable";
                once_pending().await;
                drop((part, mutable.name()));
                if let End::Early = end {
                    return Ok(by_ref.name());
                }
                fail(end)?;
                if let End::Panic = end {
                    panic!("as it should");
                }
                Ok(used.name())
            }
        }

        async fn once_pending() {
            let mut waited = false;
            std::future::poll_fn(
                |_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending },
            )
            .await;
        }

        fn run<F: Future>(
            function: impl FnOnce(Noisy, End, Noisy, Noisy, (Noisy, Noisy), (Noisy, Noisy)) -> F,
            end: End,
            polls: usize,
        ) -> Vec<&'static str> {
            dropped(|| {
                let pair = |a, b| (Noisy(a), Noisy(b));
                let mut future =
                    Box::pin(function(Noisy("a"), end, Noisy("b"), Noisy("c"), pair("d", "e"), pair("f", "g")));
                for _ in 0..polls {
                    let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                }
            })
        }

        #[test]
        fn arguments_are_dropped_in_their_order_however_often_polled() {
            for end in ENDS {
                for polls in 0..3 {
                    let expected = run(plain::arguments, end, polls);
                    assert!(expected.len() >= 7);
                    assert_eq!(run(seen::arguments, end, polls), expected);
                    assert_eq!(run(seen_with_fields::arguments, end, polls), expected);
                    capture(|| assert_eq!(run(seen_with_fields::arguments, end, polls), expected));
                }
            }
        }
    }
}
