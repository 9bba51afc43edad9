//! Engines that are the subscribers of some scopes only.

use std::time::Duration;

use obs_runtime::testing::capture;
use obs_runtime::tracing::Id;
use obs_runtime::{Telemetry, correlated, info, info_span, observed};
use serde_json::Value;
use tests::Written;

fn say() {
    info!("said");
}

#[test]
fn a_callsite_that_is_first_met_outside_of_a_capture_is_on_inside() {
    let seen = capture(|| {
        // The thread has no subscriber.
        std::thread::spawn(say).join().expect("no panic");
        say();
    });
    assert_eq!(seen.logs().len(), 1);
}

/// A runtime that was built, and what it writes.
struct Built(Telemetry, Written);

impl Built {
    fn new() -> Self {
        let memory = Written::default();
        Built(Telemetry::builder("tests").log_writer(memory.clone()).build().expect("it builds"), memory)
    }

    fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.in_scope(work)
    }

    fn lines(&self) -> Vec<Value> {
        self.0.flush(Duration::from_secs(10));
        self.1.json()
    }
}

/// Whether a line knows nothing of any span.
fn is_alone(line: &Value) -> bool {
    line["trace_id"].is_null() && line["span_id"].is_null() && line.get("owner").is_none()
}

#[test]
fn engines_in_one_process_do_not_see_each_others_spans() {
    let (one, other) = (Built::new(), Built::new());
    one.run(|| {
        let span = info_span!("work", owner = "one").entered();
        other.run(|| info!("said by the other"));
        let inner = other.run(|| {
            let inner = info_span!("inner").entered();
            info!("said in a span of the other");
            inner
        });
        info!("said by the one");
        drop((inner, span));
    });
    let (said, heard) = (one.lines(), other.lines());
    assert_eq!((said.len(), heard.len()), (1, 2));
    assert_eq!(said[0]["owner"], "one");
    assert!(is_alone(&heard[0]), "{}", heard[0]);
    assert!(heard[1].get("owner").is_none(), "{}", heard[1]);
    assert_ne!(heard[1]["trace_id"], said[0]["trace_id"]);
}

#[test]
fn a_span_of_another_engine_is_no_parent() {
    #[observed(parent = parent.clone())]
    fn below(parent: Option<Id>) {
        info!("below");
    }
    let (one, other) = (Built::new(), Built::new());
    let span = one.run(|| info_span!("work", owner = "one"));
    let id = span.id();
    other.run(|| {
        info!(parent: &span, "by a span");
        info!(parent: id.clone(), "by an id");
        info_span!(parent: id.clone(), "child").in_scope(|| info!("in a child"));
        below(id.clone());
        let follower = info_span!("follower");
        follower.follows_from(id.clone());
    });
    one.run(|| info!(parent: id.clone(), "by an id at home"));
    let heard = other.lines();
    assert_eq!(heard.len(), 4);
    assert!(is_alone(&heard[0]) && is_alone(&heard[1]), "{heard:?}");
    let home = &one.lines()[0];
    assert_eq!(home["owner"], "one");
    for line in &heard[2..] {
        assert!(line.get("owner").is_none() && line["trace_id"] != home["trace_id"], "{line}");
    }
}

#[test]
fn what_goes_out_is_the_context_of_the_engine_at_hand() {
    #[correlated(outbound)]
    fn send(#[carrier] headers: &mut std::collections::HashMap<String, String>) -> bool {
        headers.contains_key("traceparent")
    }
    let (one, other) = (Built::new(), Built::new());
    let send = || send(&mut std::collections::HashMap::new());
    one.run(|| {
        let _span = info_span!("work").entered();
        assert!(send());
        assert!(!other.run(send), "a span of another engine goes nowhere");
        assert!(other.run(|| info_span!("work").in_scope(send)));
    });
    let seen = capture(|| one.run(|| info_span!("outside").in_scope(|| capture(send).value)));
    assert!(!seen.value);
}
