//! How many series there can be, and how they leave.

use super::*;

#[test]
fn counters_above_the_bound_are_added_up_under_other_and_lose_no_count() {
    let set = PlatformMetrics::new();
    for id in ["u1", "u2", "u3", "u4", "u1"] {
        set.user_api_requests_total.with(api(id, true)).inc();
    }
    set.user_api_requests_total.with(api("u4", false)).inc();
    set.user_api_requests_total.with(api("u1", false)).inc();
    let text = text_of(&set);
    let expected = [
        r#"user_api_requests_total{user_id="_other",ok="false"} 1"#,
        r#"user_api_requests_total{user_id="_other",ok="true"} 2"#,
        r#"user_api_requests_total{user_id="u1",ok="false"} 1"#,
        r#"user_api_requests_total{user_id="u1",ok="true"} 2"#,
        r#"user_api_requests_total{user_id="u2",ok="true"} 1"#,
    ];
    assert_eq!(lines(&text, "user_api_requests_total"), expected);
}

#[test]
fn gauges_above_the_bound_are_dropped_and_what_leaves_makes_room() {
    let set = PlatformMetrics::new();
    set.user_agents_count.with(user("u1")).set(1.0);
    set.user_agents_count.with(user("u2")).set(2.0);
    let third = set.user_agents_count.with(user("u3"));
    third.set(3.0);
    let before = [r#"user_agents_count{user_id="u1"} 1"#, r#"user_agents_count{user_id="u2"} 2"#];
    assert_eq!(lines(&text_of(&set), "user_agents_count"), before);

    assert!(set.user_agents_count.remove(&user("u1")));
    assert!(!set.user_agents_count.remove(&user("u1")));
    third.set(3.0);
    let after = [r#"user_agents_count{user_id="u2"} 2"#, r#"user_agents_count{user_id="u3"} 3"#];
    assert_eq!(lines(&text_of(&set), "user_agents_count"), after);
}

#[test]
fn a_bound_that_was_reached_is_counted_as_lost() {
    let lost = || {
        let text = obs_runtime::metrics::encode();
        let line = r#"obs_dropped_total{signal="metrics",reason="cardinality"} "#;
        let found = text.lines().find_map(|other| other.strip_prefix(line)).map(|count| count.parse::<u64>().unwrap());
        found.unwrap()
    };
    let before = lost();
    let set = PlatformMetrics::new();
    for id in ["u1", "u2", "u3"] {
        set.user_agents_count.with(user(id)).set(1.0);
    }
    assert!(lost() > before);
}

#[test]
fn a_removed_series_begins_anew_and_a_kept_handle_does_not_bring_it_back() {
    let set = PlatformMetrics::new();
    let kept = set.messages.with(DirectionLabels { direction: Direction::Inbound });
    kept.add(5);
    assert!(set.messages.remove(&DirectionLabels { direction: Direction::Inbound }));
    kept.inc();
    assert!(lines(&text_of(&set), "websocket_messages_total").is_empty());
    set.messages.with(DirectionLabels { direction: Direction::Inbound }).inc();
    let expected = [r#"websocket_messages_total{direction="inbound"} 1"#];
    assert_eq!(lines(&text_of(&set), "websocket_messages_total"), expected);

    let kept = set.user_agents_count.with(user("u1"));
    kept.set(1.0);
    set.user_agents_count.remove(&user("u1"));
    kept.set(2.0);
    assert!(lines(&text_of(&set), "user_agents_count").is_empty());
}

#[test]
fn retain_keeps_what_it_is_told_to() {
    let set = PlatformMetrics::new();
    for (id, ok) in [("u1", true), ("u1", false), ("u2", true)] {
        set.user_api_requests_total.with(api(id, ok)).inc();
    }
    set.user_api_requests_total.retain(|labels| &*labels.user_id.0 != "u1");
    let expected = [r#"user_api_requests_total{user_id="u2",ok="true"} 1"#];
    assert_eq!(lines(&text_of(&set), "user_api_requests_total"), expected);
    set.messages.with(DirectionLabels { direction: Direction::Inbound }).inc();
    set.messages.with(DirectionLabels { direction: Direction::Outbound }).inc();
    set.messages.retain(|labels| matches!(labels.direction, Direction::Outbound));
    assert_eq!(
        lines(&text_of(&set), "websocket_messages_total"),
        [r#"websocket_messages_total{direction="outbound"} 1"#]
    );
}

#[test]
fn what_is_removed_is_forgotten_by_threads_that_have_found_it() {
    let set = PlatformMetrics::new();
    let barrier = std::sync::Barrier::new(2);
    let count = |n| set.user_api_requests_total.with(api("one", true)).add(n);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..3).for_each(|_| count(100));
            barrier.wait();
            barrier.wait();
            count(1);
        });
        barrier.wait();
        assert!(set.user_api_requests_total.remove(&api("one", true)));
        // It takes the place that the other thread has written to.
        set.user_api_requests_total.with(api("two", true)).add(5);
        barrier.wait();
    });
    assert_eq!(
        lines(&text_of(&set), "user_api_requests_total"),
        [
            "user_api_requests_total{user_id=\"one\",ok=\"true\"} 1",
            "user_api_requests_total{user_id=\"two\",ok=\"true\"} 5",
        ]
    );
    set.user_api_requests_total.retain(|labels| &*labels.user_id.0 != "one");
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| count(1)));
    });
    assert!(text_of(&set).contains("user_api_requests_total{user_id=\"one\",ok=\"true\"} 2\n"));
}
