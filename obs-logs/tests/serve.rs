//! Users read the logs of their own agents, and of no others.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use obs_logs::{
    AgentId, BearerTokens, BoxError, Embedded, Level, Limits, Line, LogStore, LogsApi, Owner, Ownership, Retention,
    Stream, TokenKey, TraceId, UserId,
};
use obs_runtime::testing::capture_async;
use serde_json::{Value, json};
use support::agent;
use tower::ServiceExt;

/// 2026-01-15T10:30:00Z.
const TIME: i64 = 1_768_473_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// `a1` and `a2` are of `u1`, `b1` is of `u2`; it counts who asks.
struct Owners {
    asked: Arc<AtomicUsize>,
}

impl Ownership for Owners {
    fn owner<'a>(
        &'a self,
        agent: &'a AgentId,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<UserId>, BoxError>> + Send + 'a>> {
        self.asked.fetch_add(1, SeqCst);
        Box::pin(async move {
            match agent.as_str() {
                "a1" | "a2" => Ok(Some(user("u1"))),
                "b1" => Ok(Some(user("u2"))),
                "broken" => Err("the registry is down".into()),
                _ => Ok(None),
            }
        })
    }
}

struct Platform {
    router: Router,
    store: Embedded,
    asked: Arc<AtomicUsize>,
    _root: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn messages(&self) -> Vec<String> {
        let logs = self.json()["logs"].as_array().unwrap().clone();
        logs.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn seqs(&self) -> Vec<u64> {
        self.json()["logs"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    }

    fn token(&self) -> String {
        self.json()["next_token"].as_str().unwrap().to_owned()
    }

    fn mistakes(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["parameter"].as_str().unwrap().to_owned()).collect()
    }
}

impl Platform {
    fn new() -> Self {
        Self::with(|api| api.limits(Limits::default().requests(10_000, 10_000)))
    }

    fn with(change: impl FnOnce(LogsApi) -> LogsApi) -> Self {
        let root = tempfile::tempdir().unwrap();
        let forever = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let store = Embedded::open(root.path(), Retention::default().age(forever)).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        Platform { router: Self::router(&store, asked.clone(), change), store, asked, _root: root }
    }

    fn router(store: &Embedded, asked: Arc<AtomicUsize>, change: impl FnOnce(LogsApi) -> LogsApi) -> Router {
        let tokens = BearerTokens::new().with("secret-1", user("u1")).with("secret-2", user("u2"));
        let api = LogsApi::new(Arc::new(store.clone()), tokens, Owners { asked }, TokenKey::from_bytes([1; 32]));
        change(api).router()
    }

    fn append(&self, id: &str, lines: &[Line<'_>]) {
        let mut batch = obs_logs::Batch::default();
        let agent = batch.lines_of(&Owner { agent_id: agent(id), user_id: None });
        lines.iter().for_each(|line| agent.push(line));
        self.store.append_blocking(batch).unwrap();
    }

    /// Lines a second apart.
    fn append_texts(&self, id: &str, texts: impl IntoIterator<Item = usize>) {
        let texts: Vec<_> = texts.into_iter().map(|n| (n, n.to_string())).collect();
        let lines: Vec<_> = texts.iter().map(|(n, text)| line(TIME + *n as i64 * SECOND, text)).collect();
        self.append(id, &lines);
    }

    async fn request(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// What `u1` gets.
    async fn get(&self, path: &str) -> Answer {
        self.get_as("secret-1", path).await
    }

    async fn get_as(&self, secret: &str, path: &str) -> Answer {
        answer(self.request(request(secret, path)).await).await
    }
}

fn request(secret: &str, path: &str) -> Request<Body> {
    Request::get(path).header("authorization", format!("Bearer {secret}")).body(Body::empty()).unwrap()
}

async fn answer(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

fn line(timestamp: i64, message: &str) -> Line<'_> {
    Line { timestamp, stream: Stream::Stdout, level: Level::Info, message, trace_id: None, fields: "", cut: false }
}

#[tokio::test]
async fn an_answer_has_the_published_form() {
    let platform = Platform::new();
    platform.append("a1", &[line(TIME, "Processing user message")]);
    let answer = platform.get("/v1/agents/a1/logs?tail=100&since=2026-01-15T10:00:00Z").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let expected = r#"{"logs":[{"timestamp":"2026-01-15T10:30:00Z","level":"info","message":"Processing user message","seq":1}],"next_token":""#;
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn the_newest_lines_come_as_the_kubelet_gives_them() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..150);
    let numbers = |range: std::ops::Range<usize>| range.map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(platform.get("/v1/agents/a1/logs").await.messages(), numbers(50..150), "a hundred by default");
    assert_eq!(platform.get("/v1/agents/a1/logs?tail=0").await.messages(), numbers(0..0));
    assert_eq!(platform.get("/v1/agents/a1/logs?tail=1000").await.messages(), numbers(0..150));
    let since = platform.get("/v1/agents/a1/logs?since=2026-01-15T10:32:00Z").await;
    assert_eq!(since.messages(), numbers(120..150), "since is inclusive");
    let until = platform.get("/v1/agents/a1/logs?tail=2&until=2026-01-15T10:32:00Z").await;
    assert_eq!(until.messages(), numbers(118..120), "until is not");
    assert!(platform.get("/v1/agents/a2/logs").await.messages().is_empty());
}

#[tokio::test]
async fn filters_say_which_lines() {
    let platform = Platform::new();
    let traced = TraceId::parse("0af7651916cd43dd8448eb211c80319c");
    platform.append(
        "a1",
        &[
            line(TIME, "plain"),
            Line { level: Level::Warn, ..line(TIME, "bad") },
            Line { level: Level::Error, stream: Stream::Stderr, ..line(TIME, "worse") },
            Line { trace_id: traced, fields: r#"{"user":"50% & co"}"#, ..line(TIME, "traced") },
        ],
    );
    let messages = async |query: &str| platform.get(&format!("/v1/agents/a1/logs?{query}")).await.messages();
    assert_eq!(messages("level=warn").await, ["bad", "worse"]);
    assert_eq!(messages("level=error").await, ["worse"]);
    assert_eq!(messages("q=a").await, ["plain", "bad", "traced"]);
    assert_eq!(messages("q=50%25+%26+co").await, ["traced"]);
    assert_eq!(messages("trace_id=0af7651916cd43dd8448eb211c80319c&q=a").await, ["traced"]);
    let logs = platform.get("/v1/agents/a1/logs").await.json();
    assert_eq!(logs["logs"][2]["stream"], "stderr");
    assert_eq!(logs["logs"][3]["fields"], json!({"user": "50% & co"}));
    assert_eq!(logs["logs"][3]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test]
async fn tokens_read_on_to_newer_lines_without_gap_or_repeat() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..5);
    let mut answer = platform.get("/v1/agents/a1/logs?tail=3").await;
    let mut seqs = answer.seqs();
    for round in 1..6 {
        platform.append_texts("a1", round * 5..round * 5 + 5);
        // What is written between the answers comes in the next ones, however many they are.
        loop {
            answer = platform.get(&format!("/v1/agents/a1/logs?tail=2&next_token={}", answer.token())).await;
            if answer.seqs().is_empty() {
                break;
            }
            seqs.extend(answer.seqs());
        }
    }
    assert_eq!(seqs, (3..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_without_lines_gives_a_token_for_the_first_one() {
    let platform = Platform::new();
    let answer = platform.get("/v1/agents/a1/logs").await;
    platform.append_texts("a1", 0..2);
    let next = platform.get(&format!("/v1/agents/a1/logs?next_token={}", answer.token())).await;
    assert_eq!(next.seqs(), [1, 2]);
}

#[tokio::test]
async fn tokens_of_the_reverse_order_read_on_to_the_oldest_line_while_others_are_written() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..25);
    let mut answer = platform.get("/v1/agents/a1/logs?tail=10&order=desc&q=1").await;
    let mut messages = answer.messages();
    while answer.json()["next_token"] != Value::Null {
        platform.append_texts("a1", 100..110);
        let path = format!("/v1/agents/a1/logs?tail=10&order=desc&q=1&next_token={}", answer.token());
        answer = platform.get(&path).await;
        messages.extend(answer.messages());
    }
    let expected: Vec<_> = (0..25).rev().map(|n: usize| n.to_string()).filter(|text| text.contains('1')).collect();
    assert_eq!(messages, expected);
}

#[tokio::test]
async fn a_token_is_worth_nothing_for_another_agent_or_query() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..5);
    platform.append_texts("a2", 0..5);
    let token = platform.get("/v1/agents/a1/logs?tail=2&level=info").await.token();
    let with = |path: &str| format!("{path}&next_token={token}");
    assert_eq!(platform.get(&with("/v1/agents/a1/logs?level=info")).await.status, StatusCode::OK);
    for path in [
        "/v1/agents/a2/logs?level=info",
        "/v1/agents/a1/logs?level=warn",
        "/v1/agents/a1/logs?tail=5",
        "/v1/agents/a1/logs?level=info&order=desc",
    ] {
        let answer = platform.get(&with(path)).await;
        assert_eq!(
            (answer.status, answer.mistakes()),
            (StatusCode::BAD_REQUEST, vec!["next_token".to_owned()]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_agent_and_somebody_elses_look_the_same_and_cost_the_same() {
    let platform = Platform::new();
    platform.append_texts("b1", 0..5);
    let good_token = platform.get("/v1/agents/a1/logs").await.token();
    let mut answers = Vec::new();
    for id in ["b1", "unknown", "a1%20", "%ff", "..%2fa1"] {
        for rest in ["logs", "logs/download", "logs?follow=1", &format!("logs?next_token={good_token}")] {
            let asked = platform.asked.load(SeqCst);
            let answer = platform.get(&format!("/v1/agents/{id}/{rest}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND);
            if ["b1", "unknown"].contains(&id) {
                assert_eq!(platform.asked.load(SeqCst), asked + 1);
            }
            answers.push((answer.headers, answer.body));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let (headers, body) = answers.pop().unwrap();
    assert_eq!(headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        problem,
        json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "You have no agent of this id."})
    );
    assert_eq!(platform.get_as("secret-2", "/v1/agents/b1/logs").await.messages().len(), 5);
}

#[tokio::test]
async fn whoever_does_not_say_who_they_are_learns_nothing() {
    let platform = Platform::new();
    let bad = ["", "Bearer", "Bearer ", "Bearer secret-3", "Basic secret-1", "secret-1"];
    for header in bad {
        for id in ["a1", "unknown"] {
            let mut request = Request::get(format!("/v1/agents/{id}/logs?tail=x"));
            if !header.is_empty() {
                request = request.header("authorization", header);
            }
            let answer = answer(platform.request(request.body(Body::empty()).unwrap()).await).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(platform.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn every_bad_parameter_is_named() {
    let platform = Platform::new();
    let answer = platform.get("/v1/agents/a1/logs?tail=-1&since=now&level=all&next=1&order=").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.mistakes(), ["tail", "since", "level", "next", "order"]);
    let download = platform.get("/v1/agents/a1/logs/download?tail=5&q=x").await;
    assert_eq!(download.mistakes(), ["tail"]);
}

#[tokio::test]
async fn who_asks_too_often_waits_and_others_do_not() {
    let platform = Platform::with(|api| api.limits(Limits::default().requests(1, 3)));
    for _ in 0..3 {
        assert_eq!(platform.get("/v1/agents/unknown/logs").await.status, StatusCode::NOT_FOUND);
    }
    let asked = platform.asked.load(SeqCst);
    let answer = platform.get("/v1/agents/a1/logs").await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(platform.asked.load(SeqCst), asked);
    assert_eq!(platform.get_as("secret-2", "/v1/agents/b1/logs").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_503() {
    let platform = Platform::new();
    let answer = platform.get("/v1/agents/broken/logs").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("registry"), "what is inside stays inside");
}

/// Events of a stream, as far as they came.
struct Events {
    body: Body,
    text: String,
    /// Why the stream ends, if that was said.
    ended: Option<String>,
}

impl Events {
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                    return Some((id, serde_json::from_str(&data).unwrap()));
                }
                self.ended = field("event: ").or(self.ended.take());
                continue;
            }
            let frame = self.body.frame().await?.unwrap();
            self.text.push_str(str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn messages(&mut self, n: usize) -> Vec<String> {
        let mut messages = Vec::new();
        for _ in 0..n {
            messages.push(self.next().await.unwrap().1["message"].as_str().unwrap().to_owned());
        }
        messages
    }
}

async fn follow(platform: &Platform, path: &str, last_event: Option<&str>) -> Events {
    let mut request = request("secret-1", path);
    if let Some(id) = last_event {
        request.headers_mut().insert("last-event-id", id.parse().unwrap());
    }
    let response = platform.request(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Events { body: response.into_body(), text: String::new(), ended: None }
}

#[tokio::test]
async fn a_follower_gets_the_newest_lines_and_every_new_one_and_resumes_behind_any() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..5);
    let mut events = follow(&platform, "/v1/agents/a1/logs?follow=1&tail=2", None).await;
    assert_eq!(events.messages(2).await, ["3", "4"]);
    platform.append_texts("a1", 5..8);
    let (seen, event) = events.next().await.unwrap();
    assert_eq!((event["message"].as_str().unwrap(), event["seq"].as_u64().unwrap()), ("5", 6));
    drop(events);
    platform.append_texts("a1", 8..9);
    let mut events = follow(&platform, "/v1/agents/a1/logs?follow=1&tail=2", Some(&seen)).await;
    assert_eq!(events.messages(3).await, ["6", "7", "8"]);
    platform.append_texts("a1", 9..10);
    assert_eq!(events.messages(1).await, ["9"]);
    // A page's token is a place for a follower, too.
    let token = platform.get("/v1/agents/a1/logs?tail=1").await.token();
    let mut events = follow(&platform, &format!("/v1/agents/a1/logs?follow=1&next_token={token}"), None).await;
    platform.append_texts("a1", 10..11);
    assert_eq!(events.messages(1).await, ["10"]);
    let bad = Request::get("/v1/agents/a1/logs?follow=1")
        .header("authorization", "Bearer secret-1")
        .header("last-event-id", "7")
        .body(Body::empty())
        .unwrap();
    assert_eq!(answer(platform.request(bad).await).await.mistakes(), ["last-event-id"]);
}

#[tokio::test]
async fn a_follower_is_told_only_of_what_it_asked_for_and_soon() {
    let platform = Platform::new();
    let mut events = follow(&platform, "/v1/agents/a1/logs?follow=1&level=warn&tail=0", None).await;
    platform.append("a1", &[line(TIME, "no"), Line { level: Level::Error, ..line(TIME, "yes") }, line(TIME, "no")]);
    let begun = Instant::now();
    assert_eq!(events.messages(1).await, ["yes"]);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn followers_end_when_the_server_stops_and_go_on_behind_their_last_event() {
    let mut followers = None;
    let mut platform = Platform::with(|api| {
        followers = Some(api.followers());
        api
    });
    platform.append_texts("a1", 0..2);
    let mut events = follow(&platform, "/v1/agents/a1/logs?follow=1&tail=2", None).await;
    events.next().await.unwrap();
    let (seen, _) = events.next().await.unwrap();
    let waits = tokio::spawn(async move {
        assert!(events.next().await.is_none(), "the stream ends");
        events.ended
    });
    followers.unwrap().end();
    assert_eq!(waits.await.unwrap().as_deref(), Some("stopping"));
    platform.append_texts("a1", 2..3);
    // The server that comes next.
    platform.router = Platform::router(&platform.store, platform.asked.clone(), |api| api);
    let mut events = follow(&platform, "/v1/agents/a1/logs?follow=1&tail=2", Some(&seen)).await;
    assert_eq!(events.messages(1).await, ["2"]);
}

#[tokio::test]
async fn streams_are_few_for_each_user() {
    let platform = Platform::with(|api| api.limits(Limits::default().streams(2)));
    let first = follow(&platform, "/v1/agents/a1/logs?follow=1", None).await;
    let _second = follow(&platform, "/v1/agents/a1/logs?follow=1", None).await;
    assert_eq!(platform.get("/v1/agents/a1/logs/download").await.status, StatusCode::TOO_MANY_REQUESTS);
    drop(first);
    assert_eq!(platform.get("/v1/agents/a1/logs/download").await.status, StatusCode::OK);
    assert_eq!(platform.get("/v1/agents/a1/logs/download").await.status, StatusCode::OK, "a finished one is none");
}

#[tokio::test]
async fn a_download_has_every_line_that_was_there_when_it_began() {
    let platform = Platform::new();
    platform.append_texts("a1", 0..2_500);
    let response = platform.request(request("secret-1", "/v1/agents/a1/logs/download")).await;
    platform.append_texts("a1", 2_500..2_600);
    let answer = answer(response).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"a1.ndjson\"");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let seqs: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=2_500).collect::<Vec<_>>());
    let some = platform.get("/v1/agents/a1/logs/download?q=77&until=2026-01-15T10:45:00Z").await;
    let text = String::from_utf8(some.body.to_vec()).unwrap();
    assert_eq!(text.lines().count(), (0..900).filter(|n: &usize| n.to_string().contains("77")).count());
    assert!(platform.get("/v1/agents/a2/logs/download").await.body.is_empty());
}

#[tokio::test]
async fn every_access_is_told_to_the_auditors_refused_ones_too() {
    let platform = Platform::with(|api| api.limits(Limits::default().requests(1, 4)));
    let paths = ["a1/logs", "b1/logs/download", "unknown/logs", "a1/logs?tail=x", "a1/logs"];
    let seen = capture_async(async {
        for path in paths {
            platform.get(&format!("/v1/agents/{path}")).await;
        }
        platform.get_as("wrong", "/v1/agents/a1/logs").await;
    })
    .await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let told: Vec<_> = seen
        .logs()
        .iter()
        .filter(|line| line["target"] == "audit")
        .map(|line| {
            let field = |name: &str| text(&line[name]).unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {} {}",
                field("user_id"),
                field("agent_id"),
                field("access"),
                field("error.type").replace('-', &field("outcome"))
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "u1 a1 logs ok",
            "u1 b1 download not_owner",
            "u1 unknown logs agent_not_found",
            "u1 a1 logs bad_parameters",
            "u1 a1 logs too_many_requests",
            "- a1 logs unauthenticated",
        ]
    );
    let warned: Vec<_> =
        seen.logs().iter().filter(|line| line["level"] == "warn").map(|line| text(&line["error.type"])).collect();
    assert_eq!(warned, [Some("not_owner".to_owned())]);
}

#[tokio::test]
async fn owners_may_be_a_map_and_a_store_is_any_store() {
    let root = tempfile::tempdir().unwrap();
    let store: Arc<dyn LogStore> = Arc::new(Embedded::open(root.path(), Retention::default()).unwrap());
    let owners = HashMap::from([(agent("a"), user("u"))]);
    let tokens = BearerTokens::new().with("t", user("u"));
    let router = LogsApi::new(store, tokens, owners, TokenKey::random().unwrap()).router();
    let answer = answer(router.oneshot(request("t", "/v1/agents/a/logs")).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
}
