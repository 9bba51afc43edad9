//! Which traces are exported: by the head, and by how they end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use obs_runtime::config::ObservabilityConfig;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::metrics::{encode, encode_openmetrics};
use obs_runtime::propagation::{self, Correlation};
use obs_runtime::{Histogram, MetricSet, correlated, observed};
use tests::Service;

fn at_rate(rate: f64) -> Service {
    Service::new(ObservabilityConfig { trace_sample_rate: rate, ..ObservabilityConfig::default() })
}

fn with_tail(rate: f64) -> Service {
    Service::new(ObservabilityConfig { trace_sample_rate: rate, tail_sampling: true, ..ObservabilityConfig::default() })
}

fn state(span: &FinishedSpan) -> &str {
    span.trace_state.as_deref().unwrap_or_default()
}

#[observed]
fn parent(ends_well: bool) {
    child(true).expect("it ends well");
    let _ = child(ends_well);
}

#[observed]
fn child(ends_well: bool) -> Result<(), String> {
    if ends_well { Ok(()) } else { Err("no room".to_owned()) }
}

#[test]
fn a_trace_in_which_a_span_failed_arrives_whole_and_says_that_all_such_do() {
    let service = with_tail(0.0);
    service.telemetry.in_scope(|| [true, false, true].into_iter().for_each(parent));
    let (report, spans) = service.spans();
    assert_eq!((report.spans_sent, report.spans_lost), (3, 0), "what ended well is neither sent nor lost");
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["child", "child", "parent"]);
    assert_eq!(spans.iter().map(|span| span.trace_id).collect::<BTreeSet<_>>().len(), 1);
    assert!(spans.iter().all(|span| state(span) == "ot=th:0" && span.flags & 1 == 1), "{spans:?}");
}

/// What undecided traces take, of all services of this process.
fn undecided() -> f64 {
    let text = encode();
    let line = text.lines().find_map(|line| line.strip_prefix("obs_queue_bytes{queue=\"tail\"} "));
    line.expect("it is told").parse().expect("a number")
}

#[test]
fn what_undecided_traces_take_is_told() {
    let config = ObservabilityConfig { trace_sample_rate: 0.0, tail_sampling: true, ..ObservabilityConfig::default() };
    let service = Service::new(ObservabilityConfig { otlp_delay: Duration::from_millis(1), ..config });
    service.telemetry.in_scope(|| (0..2_000).for_each(|_| parent(true)));
    let deadline = Instant::now() + Duration::from_secs(60);
    while undecided() < 1e6 {
        assert!(Instant::now() < deadline, "{} bytes", undecided());
        std::thread::sleep(Duration::from_millis(1));
    }
    service.telemetry.flush(Duration::from_secs(60));
    assert!(undecided() < 1e5, "{} bytes when all are decided", undecided());
}

#[observed(slow = "1ms")]
fn sleepy(duration: Duration) {
    std::thread::sleep(duration);
}

#[test]
fn a_slow_span_keeps_its_trace() {
    let service = with_tail(0.0);
    service.telemetry.in_scope(|| {
        sleepy(Duration::ZERO);
        sleepy(Duration::from_millis(3));
    });
    let (_, spans) = service.spans();
    // The first one may have been slow too, on a busy machine.
    assert!(!spans.is_empty());
    assert!(spans.iter().all(|span| span.slow && span.duration_nanos > 1_000_000), "{spans:?}");
}

#[observed]
async fn endless() {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_cancelled_call_and_one_that_panicked_keep_their_traces() {
    #[observed]
    fn panics() {
        panic!("on purpose");
    }

    let service = with_tail(0.0);
    service.telemetry.in_scope(|| {
        let mut call = std::pin::pin!(endless());
        let waker = std::task::Waker::noop();
        assert!(call.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        let _ = std::panic::catch_unwind(panics);
    });
    // The future was dropped inside.
    let names = service.names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 2, "{names:?}");
}

#[test]
fn what_the_head_samples_goes_out_by_its_own_rate_beside_what_failed() {
    let service = with_tail(0.5);
    service.telemetry.in_scope(|| (0..400).for_each(|number| parent(number % 4 != 0)));
    let (report, spans) = service.spans();
    assert_eq!(report.spans_lost, 0);
    let mut traces: BTreeMap<_, Vec<&FinishedSpan>> = BTreeMap::new();
    spans.iter().for_each(|span| traces.entry(span.trace_id).or_default().push(span));
    assert!(traces.values().all(|spans| spans.len() == 3), "whole traces only");
    let failed = traces.values().filter(|spans| spans.iter().any(|span| span.error.is_some()));
    assert_eq!(failed.clone().count(), 100, "all that failed");
    assert!(failed.flatten().all(|span| state(span) == "ot=th:0"));
    let well = traces.values().filter(|spans| spans.iter().all(|span| span.error.is_none()));
    assert!(well.clone().count().abs_diff(150) < 60, "half of the others: {}", well.clone().count());
    assert!(well.flatten().all(|span| state(span) == "ot=th:8"));
}

#[correlated]
#[observed]
fn serve(headers: &http::HeaderMap) {
    let _ = headers;
}

#[observed]
fn call(headers: &mut http::HeaderMap) {
    propagation::inject(&Correlation::current(), headers);
}

#[test]
fn the_decision_of_the_caller_is_honoured_whatever_the_own_rate_and_its_rate_is_handed_on() {
    let front = at_rate(0.5);
    let backs = [at_rate(0.0), at_rate(1.0)];
    for _ in 0..200 {
        let mut headers = http::HeaderMap::new();
        front.telemetry.in_scope(|| call(&mut headers));
        backs.iter().for_each(|back| back.telemetry.in_scope(|| serve(&headers)));
    }
    let (_, front) = front.spans();
    let traces = |spans: &[FinishedSpan]| spans.iter().map(|span| span.trace_id).collect::<BTreeSet<_>>();
    assert!((50..150).contains(&front.len()), "{}", front.len());
    for back in backs {
        let (_, back) = back.spans();
        assert_eq!(traces(&back), traces(&front));
        assert!(back.iter().all(|span| state(span) == "ot=th:8" && span.parent_is_remote));
    }
}

#[test]
fn services_of_different_rates_decide_alike_for_the_same_trace() {
    let rates = [0.1, 0.5, 0.9];
    let services = rates.map(at_rate);
    for service in &services {
        service.telemetry.in_scope(|| (0..300).for_each(|_| parent(true)));
    }
    let random = |span: &FinishedSpan| span.trace_id.to_u128() as u64 & ((1 << 56) - 1);
    for (service, rate) in services.iter().zip(rates) {
        let (_, spans) = service.spans();
        let least = ((1.0 - rate) * (1_u64 << 56) as f64) as u64;
        // To the four digits that a threshold has.
        let below = least - (1 << 44);
        assert!(!spans.is_empty());
        assert!(spans.iter().all(|span| random(span) >= below), "only the most random traces, at every rate");
    }
}

#[test]
fn an_operation_has_a_rate_of_its_own_where_it_begins_a_trace() {
    let config = ObservabilityConfig {
        trace_sample_rate: 0.0,
        sample_operations: [("child".to_owned(), 1.0)].into(),
        ..ObservabilityConfig::default()
    };
    let service = Service::new(config);
    service.telemetry.in_scope(|| {
        parent(true);
        child(true).expect("it ends well");
    });
    assert_eq!(service.names(), ["child"]);
}

#[test]
fn the_samplers_of_opentelemetry_are_those() {
    let kept = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let service = Service::new(ObservabilityConfig::load_from(variables).expect("nothing is wrong"));
        service.telemetry.in_scope(|| {
            (0..100).for_each(|_| drop(child(true)));
            // Sampled by its caller.
            let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("ASCII");
            serve(&[("traceparent".parse().expect("a name"), traceparent)].into_iter().collect());
        });
        let names = service.names();
        assert!(names.iter().any(|name| name == "serve"), "the caller's decision is honoured");
        names.len() - 1
    };
    assert_eq!(kept(&[("OTEL_TRACES_SAMPLER", "always_on")]), 100);
    assert_eq!(kept(&[("OTEL_TRACES_SAMPLER", "always_off")]), 0);
    assert_eq!(kept(&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")]), 100);
    assert_eq!(kept(&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]), 0);
    assert_eq!(kept(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")]), 0);
    let half = kept(&[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
    assert!((20..80).contains(&half), "{half}");
}

#[test]
fn exemplars_are_of_traces_that_are_exported() {
    #[observed(name = "exemplary")]
    fn work(ends_well: bool) -> Result<(), String> {
        child(ends_well)
    }

    let service = with_tail(0.0);
    service.telemetry.in_scope(|| {
        let _ = work(true);
        let _ = work(false);
    });
    let (_, spans) = service.spans();
    let text = encode_openmetrics();
    let exemplars: Vec<_> = (text.lines())
        .filter(|line| line.contains("operation=\"exemplary\""))
        .filter_map(|line| line.split_once("trace_id=\"").map(|(_, rest)| &rest[..32]))
        .collect();
    let exported: Vec<_> = spans.iter().map(|span| span.trace_id.to_string()).collect();
    assert!(!exemplars.is_empty());
    assert!(exemplars.iter().all(|trace| exported.iter().any(|own| own == trace)), "{exemplars:?}, {exported:?}");
}

#[derive(MetricSet)]
struct Weights {
    /// How heavy it was.
    #[metric(buckets = [1.0])]
    weight_kilograms: Histogram,
}

#[test]
fn an_observation_is_no_exemplar_while_tail_sampling_may_still_drop_its_trace() {
    #[observed]
    fn weigh(kilograms: f64) {
        Weights::global().weight_kilograms.observe(kilograms);
    }

    let exemplars = || {
        let text = encode_openmetrics();
        let of_weights = |line: &&str| line.starts_with("weight_kilograms_bucket") && line.contains("trace_id");
        text.lines().filter(of_weights).count()
    };
    assert_eq!(exemplars(), 0, "somebody asks");
    with_tail(0.0).telemetry.in_scope(|| weigh(0.5));
    assert_eq!(exemplars(), 0, "it ended well and is dropped");
    with_tail(1.0).telemetry.in_scope(|| weigh(0.5));
    assert_eq!(exemplars(), 1, "it was sampled from the start");
}
