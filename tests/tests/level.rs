//! The level changed while the service runs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use obs_runtime::{LevelChange, LevelError, Telemetry, debug, debug_span, info, info_span, observed, trace, tracing};
use serde_json::{Value, json};
use tests::memory::Memory;

const SHORT: Duration = Duration::from_secs(10);

fn messages(memory: &Memory, telemetry: &Telemetry) -> Vec<String> {
    memory.lines(telemetry).iter().map(|line| line["message"].as_str().expect("text").to_owned()).collect()
}

fn telemetry(filter: &str) -> (Telemetry, Memory) {
    let memory = Memory::default();
    (memory.builder(filter).build().expect("nothing is wrong"), memory)
}

#[test]
fn a_change_takes_the_place_of_the_configured_level_until_it_is_reset() {
    let (telemetry, memory) = telemetry("info");
    // The same callsite each time: what `tracing` remembers of it must not outlive the change.
    let say = |n: u32| telemetry.in_scope(|| debug!("said {n}"));
    say(1);
    telemetry.set_level(LevelChange::new("debug")).expect("a level");
    say(2);
    telemetry.set_level(LevelChange::new("warn")).expect("a level");
    say(3);
    telemetry.in_scope(|| info!("quieter than configured"));
    telemetry.set_level(LevelChange::new("level=debug,off")).expect("directives");
    say(4);
    telemetry.reset_level();
    say(5);
    assert_eq!(messages(&memory, &telemetry), ["said 2", "said 4"]);
    assert_eq!(telemetry.level().remaining, None);
}

#[test]
fn a_change_ends_by_itself() {
    let (telemetry, memory) = telemetry("info");
    let say = || telemetry.in_scope(|| debug!("said"));
    telemetry.set_level(LevelChange::new("trace").lasting(SHORT)).expect("a level");
    telemetry.set_level(LevelChange::new("debug").lasting(Duration::from_millis(20))).expect("a level");
    assert!(telemetry.level().remaining.expect("in force") <= Duration::from_millis(20));
    let deadline = Instant::now() + SHORT;
    while telemetry.level().remaining.is_some() {
        assert!(Instant::now() < deadline, "it is still in force");
        std::thread::yield_now();
    }
    say();
    assert_eq!(telemetry.level().filter, "info");
    assert!(messages(&memory, &telemetry).is_empty());
}

#[test]
fn a_change_for_one_user_leaves_all_others_as_they_are() {
    #[observed(user_id)]
    fn work(user_id: &str) {
        debug!("working");
        debug_span!("detail", step = 1).in_scope(|| debug!("in detail"));
        trace!("not even for them");
    }
    let (telemetry, memory) = telemetry("info");
    telemetry.set_level(LevelChange::new("debug").user_id("u1")).expect("a level");
    telemetry.in_scope(|| {
        work("u1");
        work("u2");
        info_span!("late", user_id = tracing::field::Empty).in_scope(|| {
            debug!("not yet");
            tracing::Span::current().record("user_id", "u1");
            debug!("known late");
        });
        debug!("nobody's");
        info!("for everybody");
    });
    let lines = memory.lines(&telemetry);
    let of = |user: &str| {
        let own = lines.iter().filter(|line| line["user_id"] == user).map(|line| line["message"].clone());
        own.collect::<Vec<_>>()
    };
    // `work finished` is told at debug as well.
    assert_eq!(of("u1"), [json!("working"), json!("in detail"), json!("work finished"), json!("known late")]);
    assert!(of("u2").is_empty(), "{lines:?}");
    assert_eq!(lines.last().expect("one line")["message"], "for everybody");
    assert_eq!(lines.len(), 5);
}

#[test]
fn below_the_configured_level_a_span_that_names_its_user_is_on_meanwhile() {
    #[observed(user_id, level = "info")]
    fn work(user_id: &str) {
        info!("working");
    }
    let (telemetry, memory) = telemetry("warn");
    telemetry.set_level(LevelChange::new("info").user_id("u1").agent_id("a1")).expect("a level");
    telemetry.in_scope(|| {
        work("u1");
        info_span!("agent", agent_id = "a1").in_scope(|| work("u1"));
        info_span!("agent", agent_id = "a2").in_scope(|| work("u1"));
    });
    let lines = memory.lines(&telemetry);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["agent_id"], "a1");
}

#[test]
fn directives_on_spans_and_fields_can_come_and_go() {
    let (telemetry, memory) = telemetry("info");
    let outer = telemetry.in_scope(|| info_span!("open", n = 1));
    telemetry.set_level(LevelChange::new("info,[wanted{n=1}]=debug")).expect("directives");
    let wanted = telemetry.in_scope(|| info_span!("wanted", n = 1));
    telemetry.in_scope(|| {
        outer.in_scope(|| debug!("not in it"));
        wanted.in_scope(|| debug!("in it"));
    });
    telemetry.reset_level();
    telemetry.in_scope(|| {
        wanted.in_scope(|| debug!("over"));
        outer.in_scope(|| info!("still there"));
    });
    drop((wanted, outer));
    assert_eq!(messages(&memory, &telemetry), ["in it", "still there"]);
}

#[test]
fn what_means_nothing_changes_nothing() {
    let (telemetry, _) = telemetry("info");
    let refused = |change| telemetry.set_level(change).expect_err("it is refused");
    let err = refused(LevelChange::new("debgu"));
    assert!(err.to_string().contains("did you mean `debug`?"), "{err}");
    assert!(matches!(refused(LevelChange::new("")), LevelError::Filter(_)));
    assert!(matches!(refused(LevelChange::new("a=b=c")), LevelError::Filter(_)));
    let hour = LevelChange::LONGEST;
    assert!(matches!(refused(LevelChange::new("debug").lasting(hour + SHORT)), LevelError::Duration(_)));
    assert!(matches!(refused(LevelChange::new("debug").lasting(Duration::ZERO)), LevelError::Duration(_)));
    assert_eq!(telemetry.level().filter, "info");
    telemetry.set_level(LevelChange::new("debug").lasting(hour)).expect("an hour is allowed");
}

/// The status and the body of the answer.
async fn ask(addr: SocketAddr, method: &'static str, path: &'static str, body: &'static str) -> (u16, Value) {
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).expect("the server is up");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    });
    asking.await.expect("no panic")
}

#[tokio::test]
async fn the_administration_tells_sets_and_resets_the_level() {
    let (telemetry, memory) = telemetry("info");
    let server = telemetry.serve().await.expect("free ports");
    let admin = server.admin_addr();
    let configured = json!({"filter": "info", "configured": "info"});
    assert_eq!(ask(admin, "GET", "/admin/level", "").await, (200, configured.clone()));

    let (status, told) = ask(admin, "PUT", "/admin/level", r#"{"filter":"debug","for":"5m","user_id":"u1"}"#).await;
    assert_eq!((status, &told["filter"], &told["user_id"]), (200, &json!("debug"), &json!("u1")));
    assert!(["300s", "299s"].contains(&told["for"].as_str().expect("a duration")), "{told}");
    assert_eq!(telemetry.level().filter, "debug");
    telemetry.in_scope(|| info_span!("s", user_id = "u1").in_scope(|| debug!("said")));

    assert_eq!(ask(admin, "DELETE", "/admin/level", "").await, (200, configured));
    assert_eq!(messages(&memory, &telemetry), ["Log level changed", "said", "Log level reset"]);
    telemetry.shutdown(SHORT);
}

#[tokio::test]
async fn the_administration_says_what_it_does_not_understand() {
    let (telemetry, _) = telemetry("info");
    let server = telemetry.serve().await.expect("free ports");
    for (body, why) in [
        ("", "EOF"),
        ("[]", "invalid"),
        (r#"{"for":"5m"}"#, "filter"),
        (r#"{"filter":"debug","fro":"5m"}"#, "fro"),
        (r#"{"filter":"debug","for":"5 weeks"}"#, "duration"),
        (r#"{"filter":"debug","for":"2h"}"#, "1 hour"),
        (r#"{"filter":"infoo"}"#, "did you mean `info`?"),
    ] {
        let (status, answer) = ask(server.admin_addr(), "PUT", "/admin/level", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().expect("a reason").contains(why), "{body}: {answer}");
    }
    assert_eq!(telemetry.level().filter, "info");
    assert_eq!(ask(server.admin_addr(), "POST", "/admin/level", "{}").await.0, 405);
    telemetry.shutdown(SHORT);
}
