//! Sets of metrics: what is counted, under which name, and what is bounded.
#![allow(clippy::unwrap_used)]

mod bounds;
mod registration;
mod texts;

use std::sync::Arc;

use obs_runtime::{
    Counter, Gauge, Histogram, LabelSet, LabelValue, Method, MetricSet, ObservedCounter, ObservedGauge, Registry,
    Route, Status,
};

#[derive(MetricSet)]
#[metric_set(prefix = "http")]
pub struct HttpMetrics {
    /// Total HTTP requests.
    pub requests_total: Counter<HttpLabels>,
    /// HTTP request duration.
    #[metric(buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0])]
    pub request_duration_seconds: Histogram<RouteLabels>,
}

/// Where `requests_total` is declared.
const REQUESTS: (&str, u32) = (file!(), line!() - 7);

#[derive(LabelSet)]
pub struct HttpLabels {
    method: Method,
    path: Route,
    status: Status,
}

#[derive(LabelSet)]
pub struct RouteLabels {
    method: Method,
    path: Route,
}

#[derive(LabelValue)]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(LabelSet)]
pub struct DirectionLabels {
    direction: Direction,
}

#[derive(LabelValue)]
#[label(max = 2)]
pub struct UserId(Arc<str>);

#[derive(LabelSet)]
pub struct UserLabels {
    user_id: UserId,
}

#[derive(LabelSet)]
pub struct ApiLabels {
    user_id: UserId,
    ok: bool,
}

/// The numbers of the platform that the tests below look at.
#[derive(MetricSet)]
pub struct PlatformMetrics {
    /// Sessions that are open.
    sessions_active: Gauge,
    /// Sessions that were opened.
    sessions_total: Counter,
    /// How long sessions lasted.
    #[metric(buckets = [1.0, 5.0, 15.0])]
    session_duration_seconds: Histogram,
    /// Agents of a user.
    #[metric(allow(naming))]
    user_agents_count: Gauge<UserLabels>,
    /// Requests of a user.
    user_api_requests_total: Counter<ApiLabels>,
    /// Messages over WebSocket.
    #[metric(name = "websocket_messages_total")]
    messages: Counter<DirectionLabels>,
    /// What the queue holds.
    queue_bytes: ObservedGauge,
    /// What went through the queue.
    queue_bytes_total: ObservedCounter,
}

fn user(id: &str) -> UserLabels {
    UserLabels { user_id: UserId(id.into()) }
}

fn api(id: &str, ok: bool) -> ApiLabels {
    ApiLabels { user_id: UserId(id.into()), ok }
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
    text.lines().filter(of).collect()
}

fn text_of<T: MetricSet>(set: &T) -> String {
    let registry = Registry::new();
    registry.register(set).unwrap();
    registry.encode()
}

#[test]
fn the_text_has_help_type_and_one_line_for_each_number() {
    let set = HttpMetrics::new();
    let route = Route::new("/v1/agents/{agent_id}");
    let status = Status::from(http::StatusCode::CREATED);
    set.requests_total.with(HttpLabels { method: Method::Post, path: route.clone(), status }).add(2);
    let durations = set.request_duration_seconds.with(RouteLabels { method: Method::Post, path: route });
    durations.observe(0.005);
    durations.observe(7.5);
    expect_test::expect![[r#"
        # HELP http_request_duration_seconds HTTP request duration.
        # TYPE http_request_duration_seconds histogram
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.001"} 0
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.005"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.01"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.05"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.1"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="0.5"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="1"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="5"} 1
        http_request_duration_seconds_bucket{method="POST",path="/v1/agents/{agent_id}",le="+Inf"} 2
        http_request_duration_seconds_sum{method="POST",path="/v1/agents/{agent_id}"} 7.505
        http_request_duration_seconds_count{method="POST",path="/v1/agents/{agent_id}"} 2
        # HELP http_requests_total Total HTTP requests.
        # TYPE http_requests_total counter
        http_requests_total{method="POST",path="/v1/agents/{agent_id}",status="201"} 2
    "#]]
    .assert_eq(&text_of(&set));
}

#[test]
fn a_metric_without_labels_is_there_before_its_first_update_and_one_with_labels_is_not() {
    let text = text_of(&PlatformMetrics::new());
    assert_eq!(lines(&text, "sessions_active"), ["sessions_active 0"]);
    assert_eq!(lines(&text, "sessions_total"), ["sessions_total 0"]);
    assert_eq!(lines(&text, "session_duration_seconds").len(), 6);
    assert!(!text.contains("websocket_messages_total"), "{text}");
    assert!(!text.contains("queue_bytes"), "nobody was asked: {text}");
}

#[test]
fn an_enum_label_is_its_variant_in_snake_case_and_counts_apart() {
    let set = PlatformMetrics::new();
    let inbound = set.messages.with(DirectionLabels { direction: Direction::Inbound });
    inbound.inc();
    inbound.inc();
    set.messages.with(DirectionLabels { direction: Direction::Outbound }).inc();
    let text = text_of(&set);
    let expected =
        [r#"websocket_messages_total{direction="inbound"} 2"#, r#"websocket_messages_total{direction="outbound"} 1"#];
    assert_eq!(lines(&text, "websocket_messages_total"), expected);
}

#[test]
fn gauges_go_up_and_down() {
    let set = PlatformMetrics::new();
    set.sessions_active.set(4.5);
    set.sessions_active.add(1.0);
    set.sessions_active.sub(3.0);
    assert_eq!(lines(&text_of(&set), "sessions_active"), ["sessions_active 2.5"]);
}

#[test]
fn a_timer_observes_when_dropped_and_not_when_discarded() {
    let set = PlatformMetrics::new();
    drop(set.session_duration_seconds.timer());
    set.session_duration_seconds.timer().discard();
    let text = text_of(&set);
    assert!(text.contains("session_duration_seconds_count 1\n"), "{text}");
}

#[test]
fn nan_does_not_spoil_the_sum() {
    let set = PlatformMetrics::new();
    set.session_duration_seconds.observe(f64::NAN);
    set.session_duration_seconds.observe(2.0);
    let text = text_of(&set);
    assert!(text.contains("session_duration_seconds_sum 2\n"), "{text}");
    assert!(text.contains("session_duration_seconds_count 1\n"), "{text}");
}

#[test]
fn a_histogram_of_as_many_buckets_as_there_can_be_counts_in_all_of_them() {
    const BOUNDS: [f64; 509] = {
        let mut bounds = [0.0; 509];
        let mut at = 0;
        while at < bounds.len() {
            bounds[at] = at as f64;
            at += 1;
        }
        bounds
    };
    #[derive(MetricSet)]
    struct Wide {
        /// Many buckets.
        #[metric(buckets = BOUNDS.as_slice())]
        wide_size: Histogram,
    }
    let set = Wide::new();
    (0..=509).for_each(|value| set.wide_size.observe(value.into()));
    let text = text_of(&set);
    let counts = lines(&text, "wide_size_bucket").into_iter().map(|line| line.rsplit(' ').next().map(str::parse));
    assert!(counts.eq((1..=510).map(|count: u64| Some(Ok(count)))), "{text}");
}

#[test]
fn callbacks_are_asked_at_each_scrape_and_a_panic_in_one_costs_its_sample_only() {
    let set = PlatformMetrics::new();
    let depth = Arc::new(std::sync::atomic::AtomicU64::new(7));
    let asked = Arc::clone(&depth);
    set.queue_bytes.observe(move || asked.load(std::sync::atomic::Ordering::Relaxed) as f64);
    set.queue_bytes_total.observe(|| panic!("the queue is gone"));
    assert_eq!(lines(&text_of(&set), "queue_bytes"), ["queue_bytes 7"]);
    depth.store(8, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(lines(&text_of(&set), "queue_bytes"), ["queue_bytes 8"]);
}

#[test]
fn a_callback_may_use_the_metrics_that_are_being_read() {
    let set = Arc::new(PlatformMetrics::new());
    let inner = Arc::downgrade(&set);
    set.queue_bytes.observe(move || {
        let Some(set) = inner.upgrade() else { return 0.0 };
        set.queue_bytes.observe(|| 2.0);
        set.user_agents_count.with(user("u1")).set(1.0);
        1.0
    });
    assert_eq!(lines(&text_of(&*set), "queue_bytes"), ["queue_bytes 1"]);
    assert_eq!(lines(&text_of(&*set), "queue_bytes"), ["queue_bytes 2"]);
}

#[test]
fn updates_of_many_threads_are_all_there() {
    let set = PlatformMetrics::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    set.sessions_total.inc();
                    set.sessions_active.add(1.0);
                    set.session_duration_seconds.observe(2.0);
                    set.user_api_requests_total.with(api("u1", true)).inc();
                }
            });
        }
    });
    let text = text_of(&set);
    for line in [
        "sessions_total 4000",
        "sessions_active 4000",
        "session_duration_seconds_sum 8000",
        r#"session_duration_seconds_bucket{le="5"} 4000"#,
        r#"user_api_requests_total{user_id="u1",ok="true"} 4000"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
}

#[test]
fn descriptors_are_known_at_compile_time() {
    const ALL: &[obs_runtime::Descriptor] = HttpMetrics::DESCRIPTORS;
    let requests = &ALL[0];
    assert_eq!((requests.name, requests.kind.as_str()), ("http_requests_total", "counter"));
    assert_eq!(requests.help, "Total HTTP requests.");
    assert_eq!(requests.unit, None);
    let labels: Vec<_> = requests.labels.iter().map(|label| (label.name, label.values.is_some(), label.max)).collect();
    assert_eq!(labels, [("method", true, 10), ("path", false, 1_000), ("status", false, 900)]);
    assert_eq!((requests.file, requests.line), REQUESTS);
    let durations = &ALL[1];
    assert_eq!((durations.unit, durations.buckets.len()), (Some("seconds"), 8));
    let messages = PlatformMetrics::DESCRIPTORS.iter().find(|one| one.name == "websocket_messages_total").unwrap();
    assert_eq!(messages.labels[0].values, Some(&["inbound", "outbound"][..]));
}

/// A set inside a set.
#[derive(MetricSet)]
pub struct Nested {
    /// What is outside.
    pub outer_total: Counter,
    #[metric(flatten)]
    pub http: HttpMetrics,
}

#[test]
fn a_nested_set_keeps_its_names() {
    let set = Nested::new();
    let names: Vec<_> = Nested::DESCRIPTORS.iter().map(|descriptor| descriptor.name).collect();
    assert_eq!(names, ["outer_total", "http_requests_total", "http_request_duration_seconds"]);
    let labels = RouteLabels { method: Method::Get, path: Route::unmatched() };
    set.http.request_duration_seconds.with(labels).observe(0.1);
    let text = text_of(&set);
    assert!(text.contains(r#"http_request_duration_seconds_count{method="GET",path="_unmatched"} 1"#), "{text}");
}

mod renamed {
    //! A facade: the derives find the runtime where `crate =` says.
    pub(crate) use obs_runtime as inner;
}

/// By a facade.
#[derive(MetricSet)]
#[metric_set(crate = crate::renamed::inner)]
pub struct Facade {
    /// Through another path.
    pub facade_total: Counter<FacadeLabels>,
}

#[derive(LabelSet)]
#[label_set(crate = crate::renamed::inner)]
pub struct FacadeLabels {
    r#type: FacadeKind,
}

#[derive(LabelValue)]
#[label(crate = crate::renamed::inner, rename_all = "kebab-case")]
pub enum FacadeKind {
    NotFound,
    #[label(rename = "5xx")]
    Server,
}

#[test]
fn names_can_be_chosen_and_the_runtime_be_elsewhere() {
    let set = Facade::new();
    set.facade_total.with(FacadeLabels { r#type: FacadeKind::NotFound }).inc();
    set.facade_total.with(FacadeLabels { r#type: FacadeKind::Server }).inc();
    let expected = [r#"facade_total{type="not-found"} 1"#, r#"facade_total{type="5xx"} 1"#];
    assert_eq!(lines(&text_of(&set), "facade_total"), expected);
}

/// Everything that an expansion could mean by a name is something else here.
#[allow(dead_code, non_camel_case_types, unused_macros)]
mod shadowed {
    #![no_implicit_prelude]
    #![deny(missing_docs, unused_qualifications, unreachable_pub, clippy::pedantic)]

    mod core {}
    mod std {}
    mod obs_runtime {}

    struct Option;
    struct Result;
    struct Some;
    struct None;
    struct str;
    struct usize;
    struct f64;
    struct Self_;

    macro_rules! panic {
        () => {};
    }
    macro_rules! line {
        () => {};
    }
    macro_rules! file {
        () => {};
    }

    #[derive(::obs_runtime::MetricSet)]
    pub(super) struct Metrics {
        /// With labels.
        pub(super) shadowed_total: ::obs_runtime::Counter<Labels>,
        /// With buckets.
        #[metric(buckets = [1.0, 2.0])]
        shadowed_seconds: ::obs_runtime::Histogram,
        #[metric(flatten)]
        inner: Inner,
    }

    #[derive(::obs_runtime::MetricSet)]
    struct Inner {
        /// Nested.
        inner: ::obs_runtime::Gauge,
    }

    #[derive(::obs_runtime::LabelSet)]
    pub(super) struct Labels {
        pub(super) state: State,
        pub(super) id: Id,
    }

    #[derive(::obs_runtime::LabelValue)]
    #[label(max = 3)]
    pub(super) struct Id(pub(super) ::std::primitive::u8);

    #[derive(::obs_runtime::LabelValue, ::obs_runtime::StateMachine)]
    #[state_machine(buckets = [1.0, 2.0])]
    pub(super) enum State {
        #[initial]
        #[to(State)]
        Start,
        #[terminal]
        State,
    }
}

#[test]
fn expansions_mean_what_they_say_whatever_is_in_scope() {
    let set = shadowed::Metrics::new();
    set.shadowed_total.with(shadowed::Labels { state: shadowed::State::State, id: shadowed::Id(7) }).inc();
    let expected = [r#"shadowed_total{state="state",id="7"} 1"#];
    assert_eq!(lines(&text_of(&set), "shadowed_total"), expected);
    let mut state = obs_runtime::Tracked::new(shadowed::State::Start);
    assert!(obs_runtime::transition!(state, Start => State).is_ok());
}
