//! What travels between processes, by W3C Trace Context level 2 and W3C Baggage.

use std::collections::{BTreeMap, HashMap};

use http::{HeaderMap, HeaderValue, Request};
use obs_runtime::propagation::{self, Baggage, CarrierMut, Correlation, TraceContext, Trust};
use obs_runtime::{MessageId, RequestId, SessionId, SpanId, TraceId};
use proptest::prelude::*;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const KEYS: [&str; 6] = ["traceparent", "tracestate", "baggage", "x-request-id", "x-session-id", "x-message-id"];

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        headers.append(*key, HeaderValue::from_bytes(value.as_bytes()).expect("legal in a header"));
    }
    headers
}

fn extract(pairs: &[(&'static str, &str)]) -> Correlation {
    propagation::extract(&headers(pairs))
}

fn state(correlation: &Correlation) -> Option<&str> {
    correlation.trace.as_ref()?.state.as_deref()
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn two_traceparents_are_as_none() {
    assert!(extract(&[("traceparent", TRACEPARENT)]).trace.is_some());
    assert_eq!(extract(&[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]).trace, None);
    let map = BTreeMap::from([("traceparent", TRACEPARENT), ("TraceParent", TRACEPARENT)].map(owned));
    assert_eq!(propagation::extract(&map).trace, None);
}

#[test]
fn upper_case_digits_begin_a_new_trace() {
    assert_eq!(extract(&[("traceparent", &TRACEPARENT.to_ascii_uppercase())]).trace, None);
}

#[test]
fn an_invalid_traceparent_drops_the_tracestate() {
    let bad = TRACEPARENT.replacen("00", "ff", 1);
    assert_eq!(extract(&[("traceparent", &bad), ("tracestate", "a=1")]), Correlation::default());
    assert_eq!(extract(&[("tracestate", "a=1")]), Correlation::default());
}

#[test]
fn an_invalid_tracestate_leaves_the_traceparent_alone() {
    let correlation = extract(&[("traceparent", TRACEPARENT), ("tracestate", "a=1,a=2")]);
    assert!(correlation.trace.is_some());
    assert_eq!(state(&correlation), None);
}

#[test]
fn several_tracestates_are_one_list_in_order() {
    let correlation = extract(&[("traceparent", TRACEPARENT), ("tracestate", "a=1, b=2"), ("tracestate", "c=3")]);
    assert_eq!(state(&correlation), Some("a=1,b=2,c=3"));
}

#[test]
fn ten_thousand_tracestate_members_are_refused() {
    let list = (0..10_000).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
    let correlation = extract(&[("traceparent", TRACEPARENT), ("tracestate", &list)]);
    assert!(correlation.trace.is_some());
    assert_eq!(state(&correlation), None);
}

#[test]
fn headers_of_a_megabyte_are_refused() {
    for fill in ["0", "a", ",", " ", "a=1,", "%41"] {
        let long = fill.repeat((1 << 20) / fill.len());
        let map = BTreeMap::from(KEYS.map(|key| owned((key, &long))));
        let correlation = propagation::extract(&map);
        assert_eq!(correlation.trace, None, "{fill}");
        assert_eq!(correlation.request_id, None, "{fill}");
        assert!(correlation.baggage.len() <= 64, "{fill}");
    }
}

#[test]
fn an_id_that_is_refused_appears_nowhere_and_is_replaced() {
    for bad in ["", "a b", "a\tb", "\u{e9}", &"x".repeat(129), "{\"a\n\":1}"] {
        let map = BTreeMap::from([owned(("x-request-id", bad)), owned(("x-session-id", bad))]);
        let correlation = propagation::extract(&map);
        assert_eq!(correlation, Correlation::default(), "{bad:?}");
        let replaced = correlation.with_request_id().request_id.expect("made");
        assert_eq!(replaced.as_str().len(), 36);
    }
    assert_eq!(extract(&[("x-request-id", "a"), ("x-request-id", "b")]).request_id, None);
}

#[test]
fn a_request_id_that_came_is_kept() {
    let correlation = extract(&[("x-request-id", "r-17")]).with_request_id();
    assert_eq!(correlation.request_id.expect("kept").as_str(), "r-17");
}

#[test]
fn map_carriers_are_read_in_any_case_of_letters() {
    let pairs = [("TRACEPARENT", TRACEPARENT), ("X-Request-Id", "r")].map(owned);
    let expected = extract(&[("traceparent", TRACEPARENT), ("x-request-id", "r")]);
    assert_eq!(propagation::extract(&BTreeMap::from(pairs.clone())), expected);
    assert_eq!(propagation::extract(&HashMap::<_, _>::from(pairs.clone())), expected);
    assert_eq!(propagation::extract(&Vec::from(pairs)), expected);
}

#[test]
fn writing_replaces_our_stale_headers_and_leaves_all_others() {
    let correlation = extract(&[("traceparent", TRACEPARENT), ("x-request-id", "r")]);
    let mut out = headers(&[
        ("traceparent", "stale"),
        ("traceparent", "stale"),
        ("tracestate", "stale=1"),
        ("x-session-id", "stale"),
        ("authorization", "mine"),
    ]);
    propagation::inject(&correlation, &mut out);
    assert_eq!(out, headers(&[("traceparent", TRACEPARENT), ("x-request-id", "r"), ("authorization", "mine")]));

    let mut map = BTreeMap::from([("TraceState", "stale=1"), ("Other", "mine"), ("TraceParent", "stale")].map(owned));
    propagation::inject(&correlation, &mut map);
    let expected = [("Other", "mine"), ("traceparent", TRACEPARENT), ("x-request-id", "r")].map(owned);
    assert_eq!(map, BTreeMap::from(expected));
}

#[test]
fn with_no_span_nothing_is_written() {
    let mut out = headers(&[("traceparent", "theirs"), ("x-request-id", "theirs")]);
    let before = out.clone();
    propagation::inject(&Correlation::current(), &mut out);
    propagation::inject(&extract(&[("x-request-id", "r")]), &mut out);
    assert_eq!(out, before);
    assert!(propagation::into_environment(&Correlation::current()).is_empty());
}

#[test]
fn a_map_of_headers_that_is_full_loses_the_context_and_nothing_else() {
    let mut full = HeaderMap::new();
    let mut room = true;
    while room {
        let name = http::HeaderName::try_from(format!("h{}", full.len())).expect("a name");
        room = full.try_append(name, HeaderValue::from_static("")).is_ok();
    }
    let before = full.len();
    propagation::inject(&extract(&[("traceparent", TRACEPARENT)]), &mut full);
    assert_eq!(full.len(), before);
}

#[test]
fn a_request_carries_in_its_headers() {
    let mut request = Request::new(());
    propagation::inject(&extract(&[("traceparent", TRACEPARENT)]), &mut request);
    assert_eq!(request.headers()["traceparent"], TRACEPARENT);
    assert!(propagation::extract(&request).trace.is_some());
}

#[test]
fn the_environment_is_named_in_upper_case() {
    let all = [
        ("traceparent", TRACEPARENT),
        ("tracestate", "a=1"),
        ("baggage", "k=v"),
        ("x-request-id", "r"),
        ("x-session-id", "s"),
        ("x-message-id", "m"),
    ];
    let expected = [
        ("TRACEPARENT", TRACEPARENT),
        ("TRACESTATE", "a=1"),
        ("BAGGAGE", "k=v"),
        ("X_REQUEST_ID", "r"),
        ("X_SESSION_ID", "s"),
        ("X_MESSAGE_ID", "m"),
    ];
    assert_eq!(propagation::into_environment(&extract(&all)), expected.map(owned));
}

#[test]
fn a_policy_says_what_is_left() {
    let full = extract(&[
        ("traceparent", TRACEPARENT),
        ("baggage", "k=v"),
        ("x-request-id", "r"),
        ("x-session-id", "s"),
        ("x-message-id", "m"),
    ]);
    assert_eq!(full.clone().trusted(Trust::All), full);
    let ids = full.clone().trusted(Trust::Ids);
    assert_eq!((ids.trace, ids.link), (None, full.trace.clone()));
    assert_eq!((ids.request_id, ids.session_id, ids.message_id), (full.request_id.clone(), None, None));
    assert!(ids.baggage.is_empty());
    assert_eq!(full.trusted(Trust::None), Correlation::default());
}

#[test]
fn the_published_functions_speak_opentelemetry() {
    use opentelemetry::trace::TraceContextExt as _;

    let sent = headers(&[
        ("traceparent", TRACEPARENT),
        ("tracestate", "a=1"),
        ("baggage", "k=v%20w;p=1"),
        ("x-request-id", "r"),
    ]);
    let context = obs_runtime::extract_trace_context(&sent);
    let span = context.span().span_context().clone();
    assert_eq!(span.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert!(span.is_remote() && span.is_sampled());
    assert_eq!(span.trace_state().header(), "a=1");

    let mut out = HeaderMap::new();
    obs_runtime::inject_trace_context(&mut out, &context);
    assert_eq!(out, sent);

    let mut untouched = HeaderMap::new();
    obs_runtime::inject_trace_context(&mut untouched, &opentelemetry::Context::new());
    assert!(untouched.is_empty());
    let garbage = headers(&[("traceparent", "00-zz"), ("tracestate", "=="), ("baggage", ";;")]);
    assert!(!obs_runtime::extract_trace_context(&garbage).span().span_context().is_valid());
}

mod propagator {
    use obs_runtime::propagation::opentelemetry::Propagator;
    use opentelemetry::Context;
    use opentelemetry::baggage::BaggageExt as _;
    use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
    use opentelemetry::trace::TraceContextExt as _;

    use super::*;

    struct Headers<'a>(&'a mut HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(http::HeaderName::as_str).collect()
        }

        fn get_all(&self, key: &str) -> Option<Vec<&str>> {
            Some(self.0.get_all(key).iter().filter_map(|value| value.to_str().ok()).collect())
        }
    }

    impl Injector for Headers<'_> {
        fn set(&mut self, key: &str, value: String) {
            let name = http::HeaderName::try_from(key).expect("a name");
            self.0.insert(name, value.parse().expect("a value"));
        }
    }

    #[test]
    fn what_it_reads_it_writes_again() {
        let mut sent = headers(&[
            ("traceparent", TRACEPARENT),
            ("tracestate", "a=1"),
            ("baggage", "k=v;p=1"),
            ("x-request-id", "r"),
            ("x-session-id", "s"),
        ]);
        let context = Propagator::new().extract(&Headers(&mut sent));
        assert!(context.span().span_context().is_remote());
        assert_eq!(context.baggage().get("k").map(opentelemetry::StringValue::as_str), Some("v"));
        let mut out = HeaderMap::new();
        Propagator::new().inject_context(&context, &mut Headers(&mut out));
        assert_eq!(out, sent);
        assert_eq!(Propagator::new().fields().collect::<Vec<_>>(), KEYS);
    }

    #[test]
    fn it_reads_every_header_and_not_the_first() {
        let mut twice = headers(&[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]);
        assert!(!Propagator::new().extract(&Headers(&mut twice)).span().span_context().is_valid());
        let mut lists = headers(&[("traceparent", TRACEPARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        let context = Propagator::new().extract(&Headers(&mut lists));
        assert_eq!(context.span().span_context().trace_state().header(), "a=1,b=2");
    }

    #[test]
    fn where_nothing_came_the_context_stays_as_it_was() {
        let mut sent = headers(&[("traceparent", TRACEPARENT)]);
        let context = Propagator::new().extract(&Headers(&mut sent));
        let mut nothing = headers(&[("traceparent", "00-zz")]);
        let same = Propagator::new().extract_with_context(&context, &Headers(&mut nothing));
        assert_eq!(same.span().span_context(), context.span().span_context());
        let mut out = HeaderMap::new();
        Propagator::new().inject_context(&Context::new(), &mut Headers(&mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn a_context_without_a_span_is_the_current_one_of_this_toolkit() {
        #[obs_runtime::observed]
        fn calls() -> HeaderMap {
            let mut out = HeaderMap::new();
            Propagator::new().inject(&mut Headers(&mut out));
            out
        }
        let seen = obs_runtime::testing::capture(calls);
        let written = propagation::extract(&seen.value).trace.expect("written");
        assert_eq!(written.span_id, seen.span("calls").span_id);
    }
}

fn trace_context() -> impl Strategy<Value = TraceContext> {
    let state = proptest::option::of("[a-z][a-z0-9_*/-]{0,20}=[!-+--<>-~]{1,30}");
    (1..=u128::MAX, 1..=u64::MAX, 0..4u8, state).prop_map(|(trace_id, span_id, flags, state)| TraceContext {
        trace_id: TraceId::from_u128(trace_id).expect("not zero"),
        span_id: SpanId::from_u64(span_id).expect("not zero"),
        flags,
        state: state.map(Into::into),
    })
}

fn correlation() -> impl Strategy<Value = Correlation> {
    let id = || proptest::option::of("[!-~]{1,128}");
    let baggage = proptest::collection::vec(("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,9}", ".{0,20}"), 0..20);
    (trace_context(), id(), id(), id(), baggage).prop_map(|(trace, request, session, message, baggage)| Correlation {
        trace: Some(trace),
        link: None,
        request_id: request.map(|id| RequestId::parse(&id).expect("sound")),
        session_id: session.map(|id| SessionId::parse(&id).expect("sound")),
        message_id: message.map(|id| MessageId::parse(&id).expect("sound")),
        baggage: Baggage::new(baggage),
    })
}

fn round_trip<C: CarrierMut>(correlation: &Correlation, mut carrier: C) -> Correlation {
    propagation::inject(correlation, &mut carrier);
    propagation::extract(&carrier)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(sent in correlation()) {
        prop_assert_eq!(&round_trip(&sent, HeaderMap::new()), &sent);
        prop_assert_eq!(&round_trip(&sent, Request::new(())), &sent);
        prop_assert_eq!(&round_trip(&sent, BTreeMap::new()), &sent);
        prop_assert_eq!(&round_trip(&sent, HashMap::<_, _>::new()), &sent);
        prop_assert_eq!(&round_trip(&sent, Vec::new()), &sent);
    }

    #[test]
    fn whatever_is_read_goes_out_sound(values in proptest::collection::vec((0..6usize, any::<String>()), 0..12)) {
        let mut carrier: Vec<_> = values.iter().map(|(key, value)| owned((KEYS[*key], value))).collect();
        carrier.retain(|(key, _)| key != "traceparent");
        carrier.push(owned(("traceparent", TRACEPARENT)));
        let read = propagation::extract(&carrier);
        prop_assert_eq!(round_trip(&read, HeaderMap::new()), read);
    }

    #[test]
    fn near_misses_never_panic(
        value in "[0-9a-fA-F.g-]{0,60}( |\t|-what)?",
        list in "([a-z@=, \t;%]{0,9}){0,40}",
        bytes in proptest::collection::vec(any::<u8>().prop_filter("legal in a header", |b| *b >= 32 && *b != 127), 0..300),
    ) {
        let mut headers = HeaderMap::new();
        headers.append("traceparent", HeaderValue::from_str(&value).expect("legal"));
        headers.append("tracestate", HeaderValue::from_str(&list).expect("legal"));
        headers.append("baggage", HeaderValue::from_str(&list).expect("legal"));
        headers.append("x-request-id", HeaderValue::from_bytes(&bytes).expect("legal"));
        let read = propagation::extract(&headers);
        prop_assert!(read.request_id.is_none_or(|id| id.as_str().as_bytes() == bytes.trim_ascii()));
    }
}
