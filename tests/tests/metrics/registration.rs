//! What a registry takes, and what it says where a name is taken.

use super::*;

#[test]
fn a_name_registered_twice_is_an_error_that_names_both_places_and_nothing_is_taken() {
    let registry = Registry::new();
    registry.register(&HttpMetrics::new()).unwrap();
    let err = registry.register(&Nested::new()).unwrap_err();
    assert_eq!(err.name, "http_requests_total");
    assert_eq!(err.first, REQUESTS);
    let text = err.to_string();
    let place = format!("{}:{}", REQUESTS.0, REQUESTS.1);
    assert_eq!(text, format!("metric `http_requests_total` is registered twice: at {place} and at {place}"));
    assert!(!registry.encode().contains("outer_total"));
}

/// Takes a name that a histogram of [`PlatformMetrics`] writes its lines under.
#[derive(MetricSet)]
struct Clash {
    /// Not the histogram's.
    #[metric(name = "session_duration_seconds_count", allow(naming))]
    count: Gauge,
}

#[test]
fn the_lines_of_a_histogram_are_its_own() {
    let registry = Registry::new();
    registry.register(&PlatformMetrics::new()).unwrap();
    assert_eq!(registry.register(&Clash::new()).unwrap_err().name, "session_duration_seconds_count");
}

/// Only for the text of the process.
#[derive(MetricSet)]
struct GlobalMetrics {
    /// What the process did.
    global_things_total: Counter,
}

#[test]
fn the_global_instance_is_in_the_text_of_the_process_from_its_first_use() {
    GlobalMetrics::global().global_things_total.inc();
    assert!(std::ptr::eq(GlobalMetrics::global(), GlobalMetrics::global()));
    let text = obs_runtime::metrics::encode();
    assert!(text.contains("# HELP global_things_total What the process did.\n"), "{text}");
    assert!(text.contains("\nglobal_things_total 1\n"), "{text}");
}

/// Comes first.
#[derive(MetricSet)]
struct First {
    /// The first of this name.
    claimed_total: Counter,
}

/// Comes second.
#[derive(MetricSet)]
struct Second {
    /// The second of this name.
    claimed_total: Counter,
}

#[test]
fn a_global_set_whose_name_is_taken_is_told_once_and_left_out() {
    let seen = obs_runtime::testing::capture(|| {
        First::global();
        Second::global();
        Second::global().claimed_total.inc();
    });
    let [line] = seen.logs() else { panic!("{:?}", seen.logs()) };
    let place = |set: &[obs_runtime::Descriptor]| format!("{}:{}", set[0].file, set[0].line);
    let (first, second) = (place(First::DESCRIPTORS), place(Second::DESCRIPTORS));
    assert_eq!(line["level"], "error");
    assert_eq!(line["message"], format!("metric `claimed_total` is registered twice: at {first} and at {second}"));
    let text = obs_runtime::metrics::encode();
    assert!(text.contains("# HELP claimed_total The first of this name.\n"), "{text}");
    assert!(!text.contains("The second of this name."), "{text}");
}

#[test]
fn foreign_collectors_are_in_the_text_and_cannot_write_our_names_twice() {
    let ours = prometheus::IntCounter::new("obs_dropped_total", "Not theirs.").unwrap();
    let theirs = prometheus::IntCounter::new("foreign_things_total", "What a library counts.").unwrap();
    prometheus::default_registry().register(Box::new(ours)).unwrap();
    prometheus::default_registry().register(Box::new(theirs.clone())).unwrap();
    theirs.inc();
    let text = obs_runtime::metrics::encode();
    assert!(text.contains("\nforeign_things_total 1\n"), "{text}");
    assert_eq!(text.matches("# TYPE obs_dropped_total ").count(), 1, "{text}");
}
