//! Logs in a Loki, by its documented behaviour.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use obs_logs::{Collector, Direction, Filter, Level, LogStore, Loki, PodName, Read, StoreError};
use obs_runtime::testing::capture_async;
use serde_json::json;

use crate::fake_loki::{push, served};
use crate::suite::{Opened, TRACE, all, append, batch, line, now, read};

async fn open() -> Option<Opened> {
    let (served, root) = (served().await, tempfile::tempdir().unwrap());
    let store = served.builder().checkpoints(root.path().join("checkpoints")).build().unwrap();
    Some(Opened { store: Arc::new(store), tick: 1, ordered: false, _held: Box::new((served, root)) })
}

suite!(open());

#[tokio::test]
async fn no_limit_is_asked_for_that_loki_refuses() {
    let served = served().await;
    append(&served.store(), "a", &[line(now(), "x")]).await;
    for limit in [1, 1_000, 100_000] {
        assert_eq!(all(&served.store(), read(Direction::Forward, limit)).await, ["x"]);
    }
    assert!(served.loki.lock().unwrap().limits.last().is_some_and(|most| *most <= 5_000));
}

#[tokio::test]
async fn what_vector_sends_is_read_too() {
    let served = served().await;
    let at = now();
    let body = json!({"streams": [{
        "stream": {"stream": "agent", "service": "agent", "level": "warn", "namespace": "swarm-agents"},
        "values": [[at.to_string(), format!(r#"{{"timestamp":"x","level":"WARN","message":"hello","trace_id":"{TRACE}","n":1}}"#), {"agent_id": "a", "user_id": "u"}]],
    }]});
    push(
        State(served.loki.clone()),
        HeaderMap::from_iter([("x-scope-orgid".parse().unwrap(), "swarm".parse().unwrap())]),
        Json(body),
    )
    .await
    .unwrap();
    let wish =
        Read { filter: Filter { level: Some(Level::Warn), ..Filter::default() }, ..read(Direction::Backward, 10) };
    let page = served.store().read(wish).await.unwrap();
    let entry = serde_json::to_value(&page.found[0].entry).unwrap();
    assert_eq!(
        (&entry["level"], &entry["message"], &entry["trace_id"]),
        (&json!("warn"), &json!("hello"), &json!(TRACE))
    );
    assert_eq!(entry["fields"], json!({"n": 1}));
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let served = served().await;
    append(&served.store(), "a", &[line(now(), "of swarm")]).await;
    let other = Loki::at(served.url.clone()).tenant("other").build().unwrap();
    assert!(all(&other, read(Direction::Forward, 10)).await.is_empty());
    let none = Loki::at(served.url.clone()).build().unwrap();
    let err = none.read(read(Direction::Forward, 10)).await.unwrap_err();
    assert_eq!(err.to_string(), "Loki does not answer as it should: status 401");
}

#[tokio::test]
async fn a_push_that_may_succeed_later_is_an_error_and_one_that_never_will_is_not() {
    let served = served().await;
    let store = served.store();
    let batch = batch("a", &[line(now(), "x")]);
    for (status, reason) in
        [(StatusCode::TOO_MANY_REQUESTS, "throttled"), (StatusCode::INTERNAL_SERVER_ERROR, "unavailable")]
    {
        served.loki.lock().unwrap().refusal = Some(status);
        let seen = capture_async(store.append(batch.clone())).await;
        assert!(matches!(seen.value, Err(StoreError::Remote { .. })));
        assert_eq!(seen.metric("obs_logs_remote_errors_total", &[("reason", reason)]), Some(1.0));
    }
    served.loki.lock().unwrap().refusal = Some(StatusCode::BAD_REQUEST);
    store.append(batch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_forgot_where_it_was_pushes_nothing_twice() {
    let served = served().await;
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let at = |n: i64| jiff::Timestamp::from_nanosecond(i128::from(now() - 60_000_000_000 + n * 1_000_000)).unwrap();
    // Loki takes no lines that are too old: these are new.
    let text: String = (0..100).map(|n| format!("{} stdout F line {n}\n", at(n))).collect();
    std::fs::write(logs.join("agent-a_swarm-agents_main-1.log"), text).unwrap();
    for _ in 0..2 {
        let collector = Collector::of_directory(&logs, PodName::with_prefix("agent-"));
        let collecting = collector.start(Arc::new(served.store())).unwrap();
        tokio::task::spawn_blocking(|| collecting.stop()).await.unwrap();
    }
    let messages = all(&served.store(), read(Direction::Forward, 30)).await;
    assert_eq!(messages, (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>());
}
