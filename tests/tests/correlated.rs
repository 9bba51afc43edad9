//! `#[correlated]`: across carriers, alone and together with `#[observed]`.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Request};
use obs_runtime::propagation::{self, Correlation};
use obs_runtime::testing::{CapturedSpan, capture, capture_async};
use obs_runtime::{correlated, info, observed};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    headers.insert("x-request-id", HeaderValue::from_static("r-17"));
    headers
}

fn annotations() -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    propagation::inject(&propagation::extract(&headers()), &mut annotations);
    annotations
}

#[track_caller]
fn assert_continues(span: &CapturedSpan) {
    assert_eq!(span.trace_id.to_string(), TRACE);
    assert_eq!(span.parent_id.map(|id| id.to_string()).as_deref(), Some(CALLER));
}

fn request_id() -> Option<String> {
    Correlation::current().request_id.map(|id| id.to_string())
}

#[correlated]
#[observed(user_id)]
fn above(headers: &HeaderMap, user_id: &str) -> Result<String, std::fmt::Error> {
    info!("inside");
    request_id().ok_or(std::fmt::Error)
}

#[observed(user_id)]
#[correlated]
fn below(headers: &HeaderMap, user_id: &str) -> Option<String> {
    info!("inside");
    request_id()
}

#[correlated]
#[observed]
async fn above_async(mut headers: HeaderMap, map: &str) -> (usize, Option<String>) {
    tokio::task::yield_now().await;
    headers.clear();
    (headers.len() + map.len(), request_id())
}

#[observed]
#[correlated]
async fn below_async(headers: HeaderMap) -> Option<String> {
    tokio::task::yield_now().await;
    drop(headers);
    request_id()
}

#[test]
fn the_span_continues_the_carrier_in_either_order() {
    let seen = capture(|| (above(&headers(), "u1"), below(&headers(), "u1")));
    assert_eq!((seen.value.0.as_deref(), seen.value.1.as_deref()), (Ok("r-17"), Some("r-17")));
    for name in ["above", "below"] {
        assert_continues(seen.span(name));
    }
    for line in seen.logs().iter().filter(|line| line["message"] == "inside") {
        assert_eq!((&line["trace_id"], &line["request_id"]), (&TRACE.into(), &"r-17".into()), "{line}");
        assert_eq!(line["user_id"], "u1", "{line}");
    }
}

#[tokio::test]
async fn an_async_span_continues_the_carrier_in_either_order() {
    let seen = capture_async(async { (above_async(headers(), "abc").await, below_async(headers()).await) }).await;
    assert_eq!(seen.value, ((3, Some("r-17".to_owned())), Some("r-17".to_owned())));
    assert_continues(seen.span("above_async"));
    assert_continues(seen.span("below_async"));
}

#[correlated]
#[observed]
fn from_annotations(pod: &BTreeMap<String, String>) {}

#[correlated]
#[observed]
fn from_request(mut request: Request<&str>) -> &str {
    std::mem::take(request.body_mut())
}

#[observed]
#[correlated]
fn from_pairs(a: HeaderMap, #[carrier] pairs: Vec<(String, String)>, b: &HeaderMap) -> usize {
    a.len() + pairs.len() + b.len()
}

#[test]
fn maps_requests_and_marked_arguments_carry() {
    let seen = capture(|| {
        from_annotations(&annotations());
        let mut request = Request::new("body");
        *request.headers_mut() = headers();
        assert_eq!(from_request(request), "body");
        from_pairs(HeaderMap::new(), annotations().into_iter().collect(), &HeaderMap::new())
    });
    assert_eq!(seen.value, 2);
    for name in ["from_annotations", "from_request", "from_pairs"] {
        assert_continues(seen.span(name));
    }
}

#[test]
fn malformed_headers_begin_a_new_trace_with_a_request_id_of_its_own() {
    let mut bad = HeaderMap::new();
    bad.insert("traceparent", HeaderValue::from_static("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"));
    bad.insert("x-request-id", HeaderValue::from_static("a b"));
    let seen = capture(|| below(&bad, "u1"));
    let span = seen.span("below");
    assert_eq!(span.parent_id, None);
    assert_ne!(span.trace_id.to_string(), TRACE);
    let made = seen.value.as_deref().expect("made");
    assert_eq!(made.len(), 36);
    assert!(seen.logs().iter().all(|line| line["request_id"] == made));
}

#[correlated(trust = "ids")]
#[observed]
fn trusts_ids(headers: &HeaderMap) -> Correlation {
    Correlation::current()
}

#[correlated(trust = "none")]
#[observed]
fn trusts_nobody(headers: &HeaderMap) -> Correlation {
    Correlation::current()
}

#[test]
fn trust_decides_what_is_continued() {
    let seen = capture(|| (trusts_ids(&headers()), trusts_nobody(&headers())));
    let (ids, none) = seen.value.clone();
    assert_eq!(ids.request_id.expect("kept").as_str(), "r-17");
    assert_ne!(none.request_id.expect("made").as_str(), "r-17");
    let linked = seen.span("trusts_ids");
    assert_eq!(linked.parent_id, None);
    assert_ne!(linked.trace_id.to_string(), TRACE);
    assert_eq!(linked.links.len(), 1);
    assert_eq!(linked.links[0].span_id.to_string(), CALLER);
    let alone = seen.span("trusts_nobody");
    assert_eq!((alone.parent_id, alone.links.len()), (None, 0));
    assert_ne!(alone.trace_id.to_string(), TRACE);
}

#[correlated(outbound)]
#[observed]
fn sends(job: &str, out: &mut HeaderMap) -> String {
    out.insert("job", HeaderValue::from_str(job).expect("legal"));
    Correlation::current().trace.expect("a span").span_id.to_string()
}

#[observed]
#[correlated(outbound)]
async fn sends_owned(request: Request<()>) -> Request<()> {
    tokio::task::yield_now().await;
    request
}

#[test]
fn outbound_writes_the_functions_own_span_before_the_body() {
    let seen = capture(|| {
        let mut out = headers();
        out.insert("x-session-id", HeaderValue::from_static("stale"));
        out.insert("authorization", HeaderValue::from_static("mine"));
        let span = sends("j1", &mut out);
        (span, out)
    });
    let (current, out) = &seen.value;
    let span = seen.span("sends");
    assert_eq!(*current, span.span_id.to_string());
    let written = propagation::extract(out).trace.expect("written");
    assert_eq!((written.span_id, written.trace_id), (span.span_id, span.trace_id));
    assert_eq!(out["authorization"], "mine");
    assert_eq!(out["job"], "j1");
    assert!(!out.contains_key("x-session-id"));
    assert!(!out.contains_key("x-request-id"), "the id of another request");
}

#[tokio::test]
async fn a_carrier_by_value_is_written_too() {
    let seen = capture_async(sends_owned(Request::new(()))).await;
    let written = propagation::extract(&seen.value).trace.expect("written");
    assert_eq!(written.span_id, seen.span("sends_owned").span_id);
}

#[test]
fn what_came_in_goes_out_with_the_new_span() {
    #[correlated]
    #[observed]
    fn gateway(headers: &HeaderMap) -> HeaderMap {
        let mut out = HeaderMap::new();
        sends("j", &mut out);
        out
    }
    let seen = capture(|| gateway(&headers()));
    let written = propagation::extract(&seen.value);
    assert_eq!(written.request_id.expect("passed on").as_str(), "r-17");
    let trace = written.trace.expect("passed on");
    assert_eq!(trace.trace_id.to_string(), TRACE);
    assert_eq!(trace.span_id, seen.span("sends").span_id);
    assert_eq!(seen.span("sends").parent_id, Some(seen.span("gateway").span_id));
}

#[test]
fn outside_of_any_span_nothing_is_written() {
    #[correlated(outbound)]
    fn bare(out: &mut HeaderMap) {
        let _ = out;
    }
    let mut out = headers();
    bare(&mut out);
    assert_eq!(out, headers());
}

#[correlated]
fn alone(headers: HeaderMap) -> usize {
    inner();
    headers.len()
}

#[correlated]
async fn alone_async(
    mut headers: HeaderMap,
    (a, _): (u8, u8),
    name: &str,
) -> Result<impl Sized, std::num::ParseIntError> {
    inner();
    tokio::task::yield_now().await;
    inner();
    headers.clear();
    let number: u8 = name.parse()?;
    if number == 0 {
        return Ok(a);
    }
    Ok(number)
}

#[correlated(outbound)]
async fn alone_out(map: &mut BTreeMap<String, String>) -> usize {
    map.len()
}

#[observed]
fn inner() {}

#[tokio::test]
async fn alone_the_body_runs_inside_of_the_context() {
    let seen = capture(|| alone(headers()));
    assert_eq!(seen.value, 2);
    assert_continues(seen.span("inner"));

    let seen = capture_async(alone_async(headers(), (1, 2), "7")).await;
    assert!(seen.value.is_ok());
    assert_eq!(seen.spans().len(), 2);
    seen.spans().iter().for_each(assert_continues);
    assert_eq!(request_id(), None, "left again");

    let written = async {
        let mut map = BTreeMap::new();
        alone_out(&mut map).await
    };
    #[observed]
    async fn caller(work: impl Future<Output = usize>) -> usize {
        work.await
    }
    let seen = capture_async(caller(written)).await;
    assert_eq!(seen.value, 1, "only a traceparent");
}

#[test]
fn a_carrier_that_names_the_current_span_makes_a_child_like_any_other() {
    #[observed(agent_id)]
    fn server(agent_id: &str) {
        let mut rewritten = headers();
        propagation::inject(&Correlation::current(), &mut rewritten);
        below(&rewritten, "u1");
    }
    let seen = capture(|| server("a1"));
    let (outer, inner) = (seen.span("server"), seen.span("below"));
    assert_eq!((inner.trace_id, inner.parent_id), (outer.trace_id, Some(outer.span_id)));
    let line = seen.logs().iter().find(|line| line["message"] == "inside").expect("a line");
    assert_eq!(line["agent_id"], "a1", "inherited");
}

/// Only one of the two attributes is expanded by the compiler; neither import may seem unused, nor the carrier.
mod lints {
    #![deny(unused)]

    mod above {
        use http::HeaderMap;
        use obs_runtime::{correlated, observed};

        #[correlated]
        #[observed]
        pub(crate) async fn continues(headers: HeaderMap) {}
    }

    mod below {
        use http::HeaderMap;
        use obs_runtime::{correlated, observed};

        #[observed]
        #[correlated]
        pub(crate) fn continues(headers: HeaderMap) {}
    }

    mod alone {
        use obs_runtime::correlated;

        #[correlated]
        pub(crate) async fn continues(mut headers: http::HeaderMap) {
            headers.clear();
        }
    }

    #[test]
    fn nothing_that_is_used_seems_unused() {
        drop(above::continues(http::HeaderMap::new()));
        below::continues(http::HeaderMap::new());
        drop(alone::continues(http::HeaderMap::new()));
    }
}

/// Functions without `#[observed]`, in the shapes that functions have.
mod shapes {
    use std::cell::RefCell;
    use std::fmt::Display;

    use super::*;

    struct Named(&'static str);

    thread_local! { static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) }; }

    impl Drop for Named {
        fn drop(&mut self) {
            DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
        }
    }

    async fn plain(_headers: &HeaderMap, a: Named, _: Named, (b, _c): (Named, Named), mut d: Named) -> usize {
        let _local = Named("local");
        drop(b);
        d.0 = "changed";
        a.0.len()
    }

    #[correlated]
    async fn continued(_headers: &HeaderMap, a: Named, _: Named, (b, _c): (Named, Named), mut d: Named) -> usize {
        let _local = Named("local");
        drop(b);
        d.0 = "changed";
        a.0.len()
    }

    #[tokio::test]
    async fn arguments_drop_when_they_would_without_the_attribute() {
        let named = || (Named("a"), Named("_"), (Named("b"), Named("c")), Named("d"));
        let dropped = || DROPPED.with_borrow_mut(std::mem::take);
        let (headers, (a, under, pair, d)) = (headers(), named());
        let value = plain(&headers, a, under, pair, d).await;
        let expected = dropped();
        let (a, under, pair, d) = named();
        assert_eq!(continued(&headers, a, under, pair, d).await, value);
        let mut unbound = expected.clone();
        // What no name binds stays with the function itself, and drops last.
        unbound.retain(|name| *name != "_");
        unbound.push("_");
        assert_eq!(dropped(), unbound);
    }

    struct Store<T>(T);

    impl<T: Display + Sync> Store<T> {
        #[correlated]
        async fn borrowed<'a>(&'a self, #[carrier] _from: &HeaderMap, key: &'a str) -> Option<&'a T> {
            inner();
            (!key.is_empty()).then_some(&self.0)
        }

        #[correlated]
        async fn owned(mut self, _headers: HeaderMap, with: impl Into<T>) -> Self {
            inner();
            self.0 = with.into();
            self
        }

        #[correlated]
        fn sync<const N: usize>(&mut self, _headers: &HeaderMap) -> [&T; N] {
            inner();
            std::array::from_fn(|_| &self.0)
        }
    }

    #[correlated]
    async fn forever(_headers: HeaderMap, _of: std::convert::Infallible) -> ! {
        std::future::pending().await
    }

    trait Handles {
        #[correlated]
        fn handle(&self, _headers: &HeaderMap) {
            inner();
        }
    }

    impl Handles for () {}

    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }

    #[tokio::test]
    async fn methods_generics_and_traits_continue_their_carriers() {
        let _never = forever;
        let from = headers();
        let seen = capture_async(async {
            let mut store = Store(String::from("a"));
            assert!(is_send(store.borrowed(&from, "k")).await.is_some());
            assert_eq!(store.sync::<2>(&from).len(), 2);
            ().handle(&from);
            is_send(store.owned(headers(), "b")).await.0
        })
        .await;
        assert_eq!(seen.value, "b");
        assert_eq!(seen.spans().len(), 4);
        seen.spans().iter().for_each(assert_continues);
    }
}

struct Service;

#[observed]
impl Service {
    #[correlated]
    async fn handle(&self, headers: &HeaderMap) {}
}

#[tokio::test]
async fn a_method_of_an_observed_block_continues_its_carrier() {
    let seen = capture_async(Service.handle(&headers())).await;
    assert_continues(seen.span("Service::handle"));
}

#[test]
fn with_nobody_listening_the_functions_do_what_they_say() {
    assert_eq!(below(&headers(), "u1"), None);
    assert_eq!(alone(headers()), 2);
}

mod blocks {
    use super::*;

    #[derive(Default)]
    struct Scheduler {
        seen: std::sync::Mutex<Vec<String>>,
    }

    /// The attribute of a block is its methods', above `#[observed]`.
    #[correlated(trust = "ids")]
    #[observed(job)]
    impl Scheduler {
        const JOBS: usize = 2;

        fn takes(&self, job: &str, headers: &HeaderMap) -> Option<String> {
            request_id()
        }

        async fn takes_pairs(self: &std::sync::Arc<Self>, #[carrier] pairs: Vec<(String, String)>) -> usize {
            tokio::task::yield_now().await;
            pairs.len()
        }

        #[correlated]
        fn continues(&self, headers: HeaderMap) {}

        #[correlated(skip)]
        fn left_out(&self, headers: &HeaderMap) -> usize {
            headers.len()
        }

        fn without(&self) {
            self.seen.lock().expect("not poisoned").push("without".to_owned());
        }
    }

    trait Sends {
        fn send(&self, out: &mut HeaderMap);
    }

    /// And below it.
    #[observed]
    #[correlated(outbound)]
    impl Sends for Scheduler {
        fn send(&self, out: &mut HeaderMap) {}
    }

    /// And alone.
    #[correlated]
    impl Scheduler {
        async fn alone(&self, headers: HeaderMap) -> Option<String> {
            inner();
            request_id()
        }
    }

    #[tokio::test]
    async fn every_method_with_a_carrier_is_correlated() {
        let seen = capture_async(async {
            let scheduler = std::sync::Arc::new(Scheduler::default());
            assert_eq!(scheduler.takes("j1", &headers()).as_deref(), Some("r-17"));
            assert_eq!(scheduler.takes_pairs(annotations().into_iter().collect()).await, Scheduler::JOBS);
            scheduler.continues(headers());
            scheduler.left_out(&headers());
            scheduler.without();
            let mut out = HeaderMap::new();
            scheduler.send(&mut out);
            assert_eq!(scheduler.alone(headers()).await.as_deref(), Some("r-17"));
            out
        })
        .await;
        for name in ["Scheduler::takes", "Scheduler::takes_pairs"] {
            assert_eq!(seen.span(name).links[0].span_id.to_string(), CALLER, "{name}");
        }
        assert_continues(seen.span("Scheduler::continues"));
        assert_continues(seen.span("inner"));
        for name in ["Scheduler::left_out", "Scheduler::without"] {
            let span = seen.span(name);
            assert_eq!((span.parent_id, span.links.len()), (None, 0), "{name}");
        }
        let sent = propagation::extract(&seen.value).trace.expect("written");
        assert_eq!(sent.span_id, seen.span("Scheduler::send").span_id);
    }
}

mod derived {
    use std::collections::HashMap;

    use obs_runtime::Carrier;
    use obs_runtime::propagation::CarrierMut;

    use super::*;

    /// As Kubernetes has it: the map is not there until something is in it.
    #[derive(Carrier, Default)]
    struct ObjectMeta {
        #[allow(dead_code)]
        name: String,
        #[carrier]
        annotations: Option<BTreeMap<String, String>>,
    }

    #[derive(Carrier, Default)]
    struct Pod<T> {
        #[carrier]
        metadata: ObjectMeta,
        #[allow(dead_code)]
        spec: T,
    }

    #[derive(Carrier)]
    struct Envelope<C>(C);

    #[derive(Carrier)]
    #[carrier(read_only)]
    struct Borrowed<'a>(&'a HashMap<String, String>);

    #[correlated(outbound)]
    #[observed]
    fn creates(#[carrier] pod: &mut Pod<u8>) {}

    #[correlated]
    #[observed]
    fn starts<C: Carrier>(#[carrier] message: Envelope<C>) {}

    #[test]
    fn a_struct_carries_in_its_field() {
        let seen = capture(|| {
            let mut pod = Pod::default();
            creates(&mut pod);
            pod
        });
        let written = propagation::extract(&seen.value).trace.expect("written");
        assert_eq!(written.span_id, seen.span("creates").span_id);
        let annotations = seen.value.metadata.annotations.as_ref().expect("made");
        assert!(annotations.contains_key("traceparent"));

        let map: HashMap<String, String> = annotations.clone().into_iter().collect();
        assert_eq!(propagation::extract(&Borrowed(&map)).trace, Some(written));

        let seen = capture(|| starts(Envelope(headers())));
        assert_continues(seen.span("starts"));
    }

    #[test]
    fn what_is_not_there_says_nothing_and_is_not_made_to_take_something_away() {
        let mut nothing: Option<BTreeMap<String, String>> = None;
        assert_eq!(propagation::extract(&nothing), Correlation::default());
        nothing.remove("traceparent");
        assert_eq!(nothing, None);
    }
}

mod elsewhere {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use obs_runtime::{CallContext, spawn_thread};

    use super::*;

    #[observed]
    fn outer<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[test]
    fn a_thread_works_where_it_was_started() {
        let seen = capture(|| outer(|| spawn_thread(inner)).join().expect("no panic"));
        assert_eq!(seen.span("inner").parent_id, Some(seen.span("outer").span_id));
    }

    #[test]
    fn what_goes_through_a_channel_takes_its_place_along() {
        let seen = capture(|| {
            let (sender, receiver) = std::sync::mpsc::channel();
            outer(|| sender.send(CallContext::current()).expect("open"));
            let working = std::thread::spawn(move || {
                for context in receiver {
                    context.run(inner);
                    assert_eq!(request_id(), None, "left again");
                }
            });
            drop(sender);
            working.join().expect("no panic");
        });
        assert_eq!(seen.span("inner").parent_id, Some(seen.span("outer").span_id));
    }

    struct Twice(u8);

    impl futures_core::Stream for Twice {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            inner();
            self.0 += 1;
            Poll::Ready((self.0 < 3).then_some(()))
        }
    }

    #[test]
    fn a_stream_is_polled_where_it_was_wrapped() {
        use futures_core::Stream as _;

        let seen = capture(|| {
            let mut stream = outer(|| CallContext::current().around(Twice(0)));
            let mut cx = Context::from_waker(Waker::noop());
            let mut items = 0;
            while let Poll::Ready(Some(())) = Pin::new(&mut stream).poll_next(&mut cx) {
                items += 1;
            }
            items
        });
        assert_eq!(seen.value, 2);
        let parent = Some(seen.span("outer").span_id);
        assert_eq!(seen.spans().iter().filter(|span| span.name == "inner" && span.parent_id == parent).count(), 3);
    }
}
