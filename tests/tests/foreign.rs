//! Observed calls under somebody else's subscriber, with no runtime started: plain `tracing` spans.

use obs_runtime::{info, observed, record, tracing};
use serde_json::Value;
use tests::Written;
use tracing_subscriber::fmt::format::FmtSpan;

/// What `tracing_subscriber`'s JSON formatter says of `work`, spans' ends included.
fn under_fmt(work: impl FnOnce()) -> Vec<Value> {
    let memory = Written::default();
    let writer = memory.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    memory.json()
}

fn message<'a>(lines: &'a [Value], message: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line["fields"]["message"] == message)
        .unwrap_or_else(|| panic!("no {message:?} in {lines:?}"))
}

#[observed(user_id, agent_id)]
fn create_agent(user_id: u32) -> Result<(), String> {
    record!(agent_id = "a1");
    info!("here");
    Err("no room".to_owned())
}

#[observed]
async fn around() -> Result<(), String> {
    tokio::task::yield_now().await;
    create_agent(7)
}

#[test]
fn a_call_is_a_plain_span_with_its_fields() {
    let lines = under_fmt(|| drop(create_agent(7)));
    let span = &message(&lines, "here")["span"];
    assert_eq!(span["name"], "create_agent");
    assert_eq!(span["user_id"], 7);
    assert_eq!(span["agent_id"], "a1");
    let closed = message(&lines, "close");
    assert_eq!(closed["span"]["outcome"], "error");
    assert_eq!(closed["span"]["error"], "no room");
}

#[test]
fn spans_nest_across_polls_and_an_error_is_told_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let lines = under_fmt(|| drop(runtime.block_on(around())));
    let here = message(&lines, "here");
    let names: Vec<_> = here["spans"].as_array().expect("spans").iter().map(|span| span["name"].clone()).collect();
    assert_eq!(names, ["around", "create_agent"]);
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["fields"]["error"], "no room");
    assert_eq!(errors[0]["span"]["name"], "create_agent");
}

#[test]
fn what_is_started_elsewhere_stays_in_the_span_of_somebody_elses_subscriber() {
    #[observed]
    fn inner() {
        info!("observed there");
    }
    #[observed(user_id)]
    async fn outer(user_id: u32) {
        obs_runtime::spawn(async {
            tokio::task::yield_now().await;
            info!("in a task");
            inner();
        })
        .await
        .expect("no panic");
    }
    // One thread, as a subscriber that is not the process's stays on its own.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let lines = under_fmt(|| {
        runtime.block_on(outer(7));
        let plain = obs_runtime::info_span!("plain", user_id = 8).entered();
        let context = obs_runtime::CallContext::current();
        drop(plain);
        info!("outside");
        context.run(|| info!("back inside"));
        info!("outside again");
    });
    for (told, user_id) in [("in a task", 7), ("back inside", 8)] {
        assert_eq!(message(&lines, told)["span"]["user_id"], user_id, "{told}");
    }
    let names = |told| {
        let spans = message(&lines, told)["spans"].as_array().expect("spans").iter();
        spans.map(|span| span["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("observed there"), ["outer", "inner"]);
    for told in ["outside", "outside again"] {
        assert!(message(&lines, told).get("span").is_none(), "{told}");
    }
}
