//! What every store does.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use obs_logs::{
    AgentId, Batch, BearerTokens, Collector, Direction, Entry, Filter, Level, Limits, Line, LogStore, LogsApi, Owner,
    PodName, Read, Start, Stream, TokenKey, TraceId, UserId,
};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A store without lines.
pub struct Opened {
    pub store: Arc<dyn LogStore>,
    /// The nanoseconds that it does not tell apart.
    pub tick: i64,
    /// Lines of the same time stay in the order in which they were written.
    pub ordered: bool,
    /// What must live as long as the store.
    pub _held: Box<dyn Any + Send>,
}

/// The tests of a store, given a future that opens a new one; without one, they pass.
macro_rules! suite {
    ($open:expr) => {
        suite! { $open;
            pages_join_without_gap_or_repeat_whatever_times_are_equal
            every_line_is_a_place_to_go_on_from
            whoever_reads_on_from_the_newest_line_gets_each_new_one_once
            an_empty_log_has_a_place_to_go_on_from
            nothing_is_there_from_now_on_if_nothing_was_wanted
            what_is_appended_comes_back_as_it_was
            a_filter_finds_what_a_look_at_every_line_finds
            agents_do_not_see_each_other
            a_collector_stores_each_line_once
            the_interface_pages_follows_and_downloads
        }
    };
    ($open:expr; $($test:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            if let Some(opened) = $open.await {
                crate::suite::$test(&opened).await;
            }
        }
    )*};
}

pub fn agent(id: &str) -> AgentId {
    AgentId::parse(id).unwrap()
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

pub fn line(timestamp: i64, message: &str) -> Line<'_> {
    Line { timestamp, stream: Stream::Stdout, level: Level::Info, message, trace_id: None, fields: "", cut: false }
}

pub fn batch(id: &str, lines: &[Line<'_>]) -> Batch {
    let mut batch = Batch::default();
    let agent = batch.lines_of(&Owner { agent_id: agent(id), user_id: None });
    lines.iter().for_each(|line| agent.push(line));
    batch
}

pub async fn append(store: &dyn LogStore, id: &str, lines: &[Line<'_>]) {
    store.append(batch(id, lines)).await.unwrap();
}

pub fn read(direction: Direction, limit: usize) -> Read {
    Read { agent: agent("a"), filter: Filter::default(), start: Start::Outside, direction, limit }
}

/// The lines of all pages.
pub async fn entries(store: &dyn LogStore, mut read: Read) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let page = store.read(read.clone()).await.unwrap();
        assert!(page.found.len() <= read.limit);
        entries.extend(page.found.into_iter().map(|found| found.entry));
        if page.done {
            return entries;
        }
        read.start = Start::After(page.ended);
    }
}

/// Their messages.
pub async fn all(store: &dyn LogStore, read: Read) -> Vec<String> {
    entries(store, read).await.into_iter().map(|entry| entry.message).collect()
}

impl Opened {
    /// A time some seconds ago that the store keeps as it is.
    fn begin(&self) -> i64 {
        (now() - 10_000_000_000) / self.tick * self.tick
    }
}

pub async fn pages_join_without_gap_or_repeat_whatever_times_are_equal(opened: &Opened) {
    let (store, begin) = (&*opened.store, opened.begin());
    // A few lines at each of a few times, and very many at one.
    let texts: Vec<_> = (0..700).map(|n| format!("{n:04}{}", "x".repeat(n % 13))).collect();
    let time = |n: usize| begin + opened.tick * if (300..600).contains(&n) { 150 } else { n as i64 / 3 };
    let lines: Vec<_> = texts.iter().enumerate().map(|(n, text)| line(time(n), text)).collect();
    let lines = {
        let mut lines = lines;
        lines.sort_by_key(|line| line.timestamp);
        lines
    };
    let written: Vec<_> = lines.iter().map(|line| line.message).collect();
    append(store, "a", &lines).await;
    append(store, "b", &[line(begin, "another")]).await;
    for limit in [1_000, 333, 40] {
        let forward = all(store, read(Direction::Forward, limit)).await;
        let mut backward = all(store, read(Direction::Backward, limit)).await;
        backward.reverse();
        assert!(forward == backward, "one order in both directions");
        assert!(!opened.ordered || forward == written, "the order of writing, with pages of {limit}");
        let mut sorted = forward.clone();
        sorted.sort();
        assert!(sorted == texts, "{} lines with pages of {limit}", sorted.len());
    }
}

pub async fn every_line_is_a_place_to_go_on_from(opened: &Opened) {
    let (store, begin) = (&*opened.store, opened.begin());
    let texts: Vec<_> = (0..24).map(|n| format!("line {n}")).collect();
    let lines: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| line(begin + n as i64 / 3 * opened.tick, text)).collect();
    append(store, "a", &lines).await;
    for direction in [Direction::Forward, Direction::Backward] {
        let page = store.read(read(direction, 1000)).await.unwrap();
        let messages: Vec<_> = page.found.iter().map(|found| found.entry.message.clone()).collect();
        assert_eq!(messages.len(), texts.len());
        for (at, found) in page.found.iter().enumerate() {
            let wish = Read { start: Start::After(found.cursor), ..read(direction, 1000) };
            assert_eq!(all(store, wish).await, messages[at + 1..]);
        }
    }
}

pub async fn whoever_reads_on_from_the_newest_line_gets_each_new_one_once(opened: &Opened) {
    const MORE: usize = 60;
    let store = opened.store.clone();
    append(&*store, "a", &[line(opened.begin(), "first")]).await;
    let tail = store.read(read(Direction::Backward, 5)).await.unwrap();
    let mut wish = Read { start: Start::After(tail.began), ..read(Direction::Forward, 7) };
    assert!(store.read(wish.clone()).await.unwrap().found.is_empty());
    let writer = tokio::spawn(async move {
        for n in 0..MORE {
            append(&*store, "a", &[line(now(), &format!("{n}"))]).await;
        }
    });
    let mut got = Vec::new();
    while got.len() < MORE {
        let over = writer.is_finished();
        let page = opened.store.read(wish.clone()).await.unwrap();
        assert!(!over || !page.found.is_empty(), "{} lines", got.len());
        got.extend(page.found.into_iter().map(|found| found.entry.message));
        wish.start = Start::After(page.ended);
    }
    assert_eq!(got, (0..MORE).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(opened.store.read(wish).await.unwrap().found.is_empty());
}

pub async fn an_empty_log_has_a_place_to_go_on_from(opened: &Opened) {
    let page = opened.store.read(read(Direction::Backward, 10)).await.unwrap();
    assert!(page.done && page.found.is_empty());
    append(&*opened.store, "a", &[line(now(), "first")]).await;
    let on = Read { start: Start::After(page.began), ..read(Direction::Forward, 10) };
    assert_eq!(all(&*opened.store, on).await, ["first"]);
}

pub async fn nothing_is_there_from_now_on_if_nothing_was_wanted(opened: &Opened) {
    let store = &*opened.store;
    append(store, "a", &[line(opened.begin(), "old")]).await;
    assert!(store.read(read(Direction::Forward, 0)).await.unwrap().found.is_empty());
    let page = store.read(read(Direction::Backward, 0)).await.unwrap();
    assert!(page.found.is_empty());
    append(store, "a", &[line(now(), "new")]).await;
    let on = Read { start: Start::After(page.began), ..read(Direction::Forward, 10) };
    assert_eq!(all(store, on).await, ["new"]);
}

pub async fn what_is_appended_comes_back_as_it_was(opened: &Opened) {
    let begin = opened.begin();
    let at = |n: i64| begin + n * opened.tick;
    let trace_id = TraceId::parse(TRACE);
    let lines = [
        line(at(0), "plain \"text\"\n"),
        Line { stream: Stream::Stderr, level: Level::Error, cut: true, ..line(at(1), "bad") },
        Line { trace_id, level: Level::Debug, fields: r#"{"n":[1,2],"s":"x"}"#, ..line(at(2), "traced") },
        line(at(3), r#"{"message":"a text that looks like JSON"}"#),
        line(at(4), ""),
        Line { stream: Stream::Stderr, ..line(at(5), "{\u{1}é\u{1f980}") },
        Line { cut: true, ..line(at(6), "a part") },
    ];
    append(&*opened.store, "a", &lines).await;
    let found = entries(&*opened.store, read(Direction::Forward, 10)).await;
    let members = |entry: &Entry| {
        let mut entry = serde_json::to_value(entry).unwrap();
        entry.as_object_mut().unwrap().retain(|name, _| name != "timestamp" && name != "seq");
        entry
    };
    assert_eq!(
        found.iter().map(members).collect::<Vec<_>>(),
        [
            json!({"level": "info", "message": "plain \"text\"\n"}),
            json!({"level": "error", "message": "bad", "stream": "stderr", "cut": true}),
            json!({"level": "debug", "message": "traced", "trace_id": TRACE, "fields": {"n": [1, 2], "s": "x"}}),
            json!({"level": "info", "message": "{\"message\":\"a text that looks like JSON\"}"}),
            json!({"level": "info", "message": ""}),
            json!({"level": "info", "message": "{\u{1}é\u{1f980}", "stream": "stderr"}),
            json!({"level": "info", "message": "a part", "cut": true}),
        ]
    );
    let times: Vec<_> = found.iter().map(|entry| entry.timestamp.as_nanosecond() as i64).collect();
    assert_eq!(times, (0..7).map(at).collect::<Vec<_>>());
    assert!(found.is_sorted_by_key(|entry| entry.seq));
}

pub async fn a_filter_finds_what_a_look_at_every_line_finds(opened: &Opened) {
    let begin = opened.begin();
    let at = |n: usize| begin + n as i64 * opened.tick;
    let trace = |n: usize| TraceId::parse(&format!("{:032x}", n % 3));
    let texts: Vec<_> = (0..60).map(|n| format!("t{} \"{}\" a/b 50% `é`", n % 7, n % 5)).collect();
    let level = |n: usize| Level::ALL[n * 3 % 5];
    let lines: Vec<_> = (0..60)
        .map(|n| Line {
            level: level(n),
            trace_id: trace(n),
            fields: if n % 4 == 0 { r#"{"key":"of fields"}"# } else { "" },
            ..line(at(n), &texts[n])
        })
        .collect();
    for some in lines.chunks(25) {
        append(&*opened.store, "a", some).await;
    }
    let time = |n: usize| jiff::Timestamp::from_nanosecond(at(n).into()).unwrap();
    let filters = [
        Filter { since: Some(time(20)), ..Filter::default() },
        Filter { until: Some(time(20)), ..Filter::default() },
        Filter { since: Some(time(20)), until: Some(time(20)), ..Filter::default() },
        Filter { since: Some(time(7)), until: Some(time(41)), level: Some(Level::Warn), ..Filter::default() },
        Filter { level: Some(Level::Trace), ..Filter::default() },
        Filter { level: Some(Level::Error), q: Some("t3".to_owned()), ..Filter::default() },
        Filter { q: Some("3 \"".to_owned()), ..Filter::default() },
        Filter { q: Some("50% `é`".to_owned()), ..Filter::default() },
        Filter { q: Some("f field".to_owned()), ..Filter::default() },
        // How a line is written is no text of it.
        Filter { q: Some("level".to_owned()), ..Filter::default() },
        Filter { q: Some("nowhere".to_owned()), ..Filter::default() },
        Filter { trace_id: trace(1), ..Filter::default() },
        Filter { trace_id: trace(2), q: Some("t1".to_owned()), level: Some(Level::Debug), ..Filter::default() },
    ];
    for filter in filters {
        let wanted = |n: &usize| {
            filter.since.is_none_or(|since| time(*n) >= since)
                && filter.until.is_none_or(|until| time(*n) < until)
                && filter.level.is_none_or(|least| level(*n) >= least)
                && filter.trace_id.is_none_or(|id| trace(*n) == Some(id))
                && filter.q.as_ref().is_none_or(|q| texts[*n].contains(q) || lines[*n].fields.contains(q))
        };
        let wanted: Vec<_> = (0..60).filter(wanted).map(at).collect();
        for limit in [100, 4] {
            let wish = Read { filter: filter.clone(), ..read(Direction::Forward, limit) };
            let found = entries(&*opened.store, wish.clone()).await;
            let times: Vec<_> = found.iter().map(|entry| entry.timestamp.as_nanosecond() as i64).collect();
            assert_eq!(times, wanted, "{filter:?}");
            let back = entries(&*opened.store, Read { direction: Direction::Backward, ..wish }).await;
            let times: Vec<_> = back.iter().rev().map(|entry| entry.timestamp.as_nanosecond() as i64).collect();
            assert_eq!(times, wanted, "backwards {filter:?}");
        }
    }
}

pub async fn agents_do_not_see_each_other(opened: &Opened) {
    let ids = ["a", "a1", "A", "a:", "a*", "a%", "a%3A", "a\"}|=", ".*"];
    for id in ids {
        append(&*opened.store, id, &[line(opened.begin(), &format!("of {id}"))]).await;
    }
    for id in ids {
        let wish = Read { agent: agent(id), ..read(Direction::Backward, 10) };
        assert_eq!(all(&*opened.store, wish).await, [format!("of {id}")]);
    }
    let nobody = Read { agent: agent("agent-a"), ..read(Direction::Forward, 10) };
    assert!(all(&*opened.store, nobody).await.is_empty());
}

pub async fn a_collector_stores_each_line_once(opened: &Opened) {
    let root = tempfile::tempdir().unwrap();
    let begin = opened.begin();
    let at = |n: i64| jiff::Timestamp::from_nanosecond((begin + n * opened.tick).into()).unwrap();
    let file = root.path().join("agent-a_swarm-agents_main-1.log");
    for round in 0..3 {
        let text: String = (0..(round + 1) * 40).map(|n| format!("{} stdout F line {n}\n", at(n))).collect();
        std::fs::write(&file, text).unwrap();
        let collector = Collector::of_directory(root.path(), PodName::with_prefix("agent-"));
        let collecting = collector.start(opened.store.clone()).unwrap();
        tokio::task::spawn_blocking(|| collecting.stop()).await.unwrap();
    }
    let messages = all(&*opened.store, read(Direction::Forward, 30)).await;
    assert_eq!(messages, (0..120).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

pub async fn the_interface_pages_follows_and_downloads(opened: &Opened) {
    let begin = opened.begin();
    let texts: Vec<_> = (0..25).map(|n| n.to_string()).collect();
    let lines: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| line(begin + n as i64 / 4 * opened.tick, text)).collect();
    append(&*opened.store, "a", &lines).await;
    let owners = HashMap::from([(agent("a"), UserId::parse("u").unwrap())]);
    let tokens = BearerTokens::new().with("t", UserId::parse("u").unwrap());
    let api = LogsApi::new(opened.store.clone(), tokens, owners, TokenKey::from_bytes([1; 32]));
    let router = api.limits(Limits::default().requests(1_000, 1_000)).router();
    let request = |path: &str| Request::get(path).header("authorization", "Bearer t").body(Body::empty()).unwrap();
    let get = async |path: &str| -> Value {
        let response = router.clone().oneshot(request(path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    };
    let mut page = get("/v1/agents/a/logs?tail=10&order=desc").await;
    let mut messages = Vec::new();
    loop {
        let logs = page["logs"].as_array().unwrap();
        messages.extend(logs.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()));
        let Some(token) = page["next_token"].as_str() else { break };
        page = get(&format!("/v1/agents/a/logs?tail=10&order=desc&next_token={token}")).await;
    }
    messages.sort_by_key(|message| message.parse::<u32>().unwrap());
    assert_eq!(messages, texts);
    let response = router.clone().oneshot(request("/v1/agents/a/logs/download")).await.unwrap();
    let download = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(download.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), texts.len());
    let response = router.clone().oneshot(request("/v1/agents/a/logs?follow=1&tail=1")).await.unwrap();
    append(&*opened.store, "a", &[line(now(), "the newest")]).await;
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("the newest") {
        text.push_str(str::from_utf8(&body.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap());
    }
    assert_eq!(text.matches("data:").count(), 2);
}
