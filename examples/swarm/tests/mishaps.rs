//! What happens when something is wrong: the configuration, a port, the collector, what clients send.
#![allow(clippy::unwrap_used)]

mod running;

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use swarm::drive::platform::Platform;
use swarm::drive::samples::Samples;
use swarm::drive::workload::User;
use swarm::process::Process;

use self::running::{Directory, PATIENCE, PROGRAM, gateway_to, lines};

const NO_CONTROL: &str = "http://127.0.0.1:1";
const GATEWAY: [&str; 3] = ["gateway", "--control", NO_CONTROL];

/// An address of this machine that nobody listens on.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn swarm(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).envs([
        ("OBS_METRICS_ADDRESS", "127.0.0.1"),
        ("OBS_METRICS_PORT", "0"),
        ("OBS_ADMIN_PORT", "0"),
    ]);
    command.envs(environment.iter().copied()).output().unwrap()
}

/// A gateway that is ready, with nothing behind it.
async fn gateway(log: &std::path::Path, environment: &[(&str, &str)]) -> Process {
    gateway_to(NO_CONTROL, log, environment).await
}

#[test]
fn all_mistakes_of_the_configuration_are_told_at_once() {
    let directory = Directory::new();
    let file = directory.file("obs.toml");
    std::fs::write(
        &file,
        "log_lvl = \"info\"\nlog_json = \"yes\"\ntrace_sample_rate = 1.5\nmetrics_port = 70000\nlog_level = \"swarm=loud\"\n",
    )
    .unwrap();
    let environment = [("OBS_CONFIG", file.to_str().unwrap())];
    for arguments in [&[][..], &GATEWAY] {
        let mut command = Command::new(PROGRAM);
        let output = command.args(arguments).envs(environment).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for mistake in ["log_lvl", "log_json", "1.5", "70000", "loud"] {
            assert!(said.contains(mistake), "{mistake} is not told:\n{said}");
        }
        assert_eq!(said.lines().filter(|line| line.starts_with("  ")).count(), 5, "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, environment) in [
        ([&GATEWAY[..], &["--listen", &addr]].concat(), vec![]),
        (GATEWAY.to_vec(), vec![("OBS_METRICS_PORT", port.as_str())]),
        (GATEWAY.to_vec(), vec![("OBS_ADMIN_PORT", port.as_str())]),
    ] {
        let output = swarm(&arguments, &environment);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&addr), "{addr} is not told:\n{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[tokio::test]
async fn an_unreachable_collector_harms_nobody_and_the_loss_is_counted() {
    let directory = Directory::new();
    let endpoint = format!("http://{}", nobody());
    let gateway =
        gateway(&directory.file("log"), &[("OBS_OTLP_ENDPOINT", &endpoint), ("OBS_OTLP_TIMEOUT", "500ms")]).await;
    let http = gateway.announcement().http.clone().unwrap();
    let metrics = gateway.announcement().metrics.clone().unwrap();
    let end = Instant::now() + PATIENCE;
    let mut slowest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let response = reqwest::get(format!("http://{http}/")).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        assert_eq!(response.status(), 200);
        let page = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
        let lost = Samples::parse(&page).sum("obs_dropped_total", &[("signal", "spans"), ("reason", "export_failed")]);
        if lost.is_some_and(|lost| lost > 0.0) {
            break;
        }
        assert!(Instant::now() < end, "no loss was counted:\n{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(slowest < Duration::from_secs(5), "a request waited {slowest:?} for telemetry");
    let status = gateway.stop(PATIENCE).await;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[tokio::test]
async fn malformed_headers_begin_a_new_trace() {
    let directory = Directory::new();
    let log = directory.file("log");
    let gateway = gateway(&log, &[]).await;
    let url = format!("http://{}/v1/agents", gateway.announcement().http.as_deref().unwrap());
    let client = reqwest::Client::new();
    let long = "a".repeat(9_000);
    let cases: [&[(&str, &[u8])]; 8] = [
        &[("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")],
        &[("traceparent", b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01")],
        &[("traceparent", b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
        &[("traceparent", b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
        &[("traceparent", b"\xff\xfe\x80"), ("tracestate", b"\xff=\xff,,,=")],
        &[
            ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
        &[("traceparent", long.as_bytes()), ("baggage", b";;;=,%zz=%"), ("x-request-id", long.as_bytes())],
        &[("x-request-id", b"{\"level\":\"error\"}\xe2\x80\xa8 two words")],
    ];
    let mut request_ids = Vec::new();
    for case in cases {
        let mut request = client.get(&url).header("x-user-id", "ana");
        for (name, value) in case {
            request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
        }
        let response = request.send().await.unwrap();
        // There is no control: that is all that goes wrong.
        assert_eq!(response.status(), 502);
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(!long.starts_with(&request_id) && !request_id.contains(['{', ' ']), "{request_id} was believed");
        request_ids.push(request_id);
    }
    let status = gateway.stop(PATIENCE).await;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let lines = lines(&log);
    let mut traces = std::collections::BTreeSet::new();
    for request_id in &request_ids {
        let line = lines.iter().find(|line| line["request_id"] == request_id.as_str());
        let line = line.unwrap_or_else(|| panic!("no line of request {request_id}"));
        let trace_id = line["trace_id"].as_str().unwrap();
        assert_ne!(trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(trace_id.len() == 32 && traces.insert(trace_id), "{trace_id} is not new");
    }
    assert!(!std::fs::read_to_string(&log).unwrap().contains("panicked"));
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_one_error_line() {
    let directory = Directory::new();
    let log = directory.file("log");
    let gateway = gateway(&log, &[]).await;
    let url = format!("http://{}/v1/agents", gateway.announcement().http.as_deref().unwrap());
    let response = reqwest::Client::new().get(&url).header("x-user-id", "ana").send().await.unwrap();
    assert_eq!(response.status(), 502);
    gateway.stop(PATIENCE).await;
    let lines = lines(&log);
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["target"], "swarm::call");
    assert_eq!(errors[0]["user_id"], "ana");
    assert!(errors[0]["error"].as_str().unwrap().starts_with("control cannot be reached"), "{}", errors[0]);
}

#[tokio::test]
async fn a_sound_trace_and_request_id_are_continued() {
    let directory = Directory::new();
    let log = directory.file("log");
    let gateway = gateway(&log, &[]).await;
    let url = format!("http://{}/v1/agents", gateway.announcement().http.as_deref().unwrap());
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = reqwest::Client::new().get(&url).header("x-user-id", "ana").header("x-request-id", "mine-1");
    let request = request.header("traceparent", format!("00-{trace_id}-00f067aa0ba902b7-01"));
    assert_eq!(request.send().await.unwrap().headers()["x-request-id"], "mine-1");
    gateway.stop(PATIENCE).await;
    let lines = lines(&log);
    let line = lines.iter().find(|line| line["request_id"] == "mine-1").expect("a line of the request");
    assert_eq!(line["trace_id"], trace_id);
}

#[tokio::test]
async fn how_much_of_a_caller_is_believed_is_configured() {
    let directory = Directory::new();
    let theirs = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (trust, keeps_trace, keeps_request) in [("all", true, true), ("ids", false, true), ("none", false, false)] {
        let log = directory.file(trust);
        let gateway = gateway(&log, &[("OBS_TRUST", trust)]).await;
        let url = format!("http://{}/v1/agents", gateway.announcement().http.as_deref().unwrap());
        let request = reqwest::Client::new().get(&url).header("x-user-id", "ana").header("x-request-id", "mine-1");
        let request = request.header("traceparent", format!("00-{theirs}-00f067aa0ba902b7-01"));
        let response = request.send().await.unwrap();
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(request_id == "mine-1", keeps_request, "{trust}: {request_id}");
        gateway.stop(PATIENCE).await;
        let lines = lines(&log);
        let line = lines.iter().find(|line| line["request_id"] == request_id.as_str()).expect("a line of the request");
        assert_eq!(line["trace_id"] == theirs, keeps_trace, "{trust}: {line}");
    }
}

#[tokio::test]
async fn a_scheduler_that_cannot_be_reached_is_one_error_line() {
    let directory = Directory::new();
    let log = directory.file("log");
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["control", "--scheduler", &format!("http://{}", nobody()), "--database"]);
    command.arg(directory.file("database"));
    command.envs([("OBS_METRICS_ADDRESS", "127.0.0.1"), ("OBS_METRICS_PORT", "0"), ("OBS_ADMIN_PORT", "0")]);
    let control = Process::start("control", command, &log).await.unwrap();
    let url = format!("http://{}/agents", control.announcement().http.as_deref().unwrap());
    let spec = serde_json::json!({ "name": "a", "region": "eu", "memory_mib": 64 });
    let request = reqwest::Client::new().post(&url).header("x-user-id", "ana").header("x-request-id", "mine-1");
    let response = request.json(&spec).send().await.unwrap();
    assert_eq!(response.status(), 502);
    control.stop(PATIENCE).await;
    let lines = lines(&log);
    let of_request = lines.iter().filter(|line| line["request_id"] == "mine-1" && line["level"] == "error");
    let errors: Vec<_> = of_request.collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["user_id"], "ana");
    assert!(errors[0]["error"].as_str().unwrap().contains("onnect"), "{}", errors[0]);
}

#[tokio::test]
async fn whoever_follows_a_log_is_told_when_control_stops() {
    let directory = Directory::new();
    let platform = Platform::start(std::path::Path::new(PROGRAM), &directory.0, &[]).await.unwrap();
    let ana = User::new("ana", &platform.gateway());
    let agent = ana.create(serde_json::json!({ "name": "a", "region": "eu", "memory_mib": 64 })).await.unwrap();
    let log = platform.agent_logs("ana", agent.agent_id(), "?follow=1").await.unwrap();
    let [_, control, _] = platform.announcements();
    assert!(Command::new("kill").args(["-TERM", &control.process_id.to_string()]).status().unwrap().success());
    let heard = tokio::time::timeout(PATIENCE, log.text()).await.expect("the log ends").unwrap();
    assert!(heard.ends_with("event: stopping\ndata: {}\n\n"), "{heard}");
    platform.stop().await;
}

#[tokio::test]
async fn control_remembers_its_agents_and_sees_which_have_lost_their_pods() {
    let directory = Directory::new();
    let program = std::path::Path::new(PROGRAM);
    let platform = Platform::start(program, &directory.0, &[]).await.unwrap();
    let ana = User::new("ana", &platform.gateway());
    let spec = serde_json::json!({ "name": "a", "region": "eu", "memory_mib": 64 });
    let (running, sleeping) = (ana.create(spec.clone()).await.unwrap(), ana.create(spec).await.unwrap());
    assert_eq!(ana.change(sleeping.agent_id(), "hibernate").await.unwrap().status, Some(200));
    platform.stop().await;

    let platform = Platform::start(program, &directory.0, &[]).await.unwrap();
    let ana = User::new("ana", &platform.gateway());
    let list = ana.list().await.unwrap().body;
    let status = |agent_id: &str| {
        let agent = list.as_array().unwrap().iter().find(|agent| agent["agent_id"] == agent_id);
        agent.unwrap_or_else(|| panic!("{agent_id} is forgotten: {list}"))["status"].clone()
    };
    assert_eq!(status(running.agent_id()), "failed");
    assert_eq!(status(sleeping.agent_id()), "hibernating");
    assert_eq!(ana.change(sleeping.agent_id(), "resume").await.unwrap().status, Some(200));
    let scrapes = platform.scrapes().await.unwrap();
    let control = scrapes.iter().find(|scrape| scrape.service == "swarm-control").unwrap();
    assert_eq!(control.samples.sum("agents_total", &[("status", "running")]), Some(1.0));
    assert_eq!(control.samples.sum("agents_total", &[("status", "failed")]), Some(1.0));
    platform.stop().await;
}

#[test]
fn a_run_that_takes_too_long_is_given_up() {
    let directory = Directory::new();
    let output = Command::new(PROGRAM).args(["--deadline", "0", "--directory"]).arg(&directory.0).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not done within 0 seconds"), "{said}");
}

#[test]
fn plain_swarm_shows_what_telemetry_knows() {
    let output = Command::new(PROGRAM).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}\n{said}");
    for shown in ["POST /v1/agents", "└─ ", "Agent created", "no node in region", "agents_total{status=\"running\"}"]
    {
        assert!(told.contains(shown), "{shown} is not shown:\n{told}");
    }
    assert!(!told.contains('\x1b'), "colours are for terminals");
}

#[test]
fn children_do_not_outlive_a_parent_that_was_killed() {
    use std::io::{BufRead, BufReader};

    let mut parent = Command::new(PROGRAM).arg("--stay").stdout(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = told.take_while(|line| line != "ctrl-c stops everything").collect();
    let authority = |line: &String| Some(line.split_once("http://")?.1.split('/').next()?.to_owned());
    let urls = told.iter().filter(|line| {
        ["gateway ", "traces ", "control ", "scheduler ", "agent "].iter().any(|it| line.starts_with(it))
    });
    let addrs: Vec<_> = urls.filter_map(authority).collect();
    let directory = told.iter().find_map(|line| line.strip_prefix("files ")).map(|path| path.trim().to_owned());
    let answers = |addr: &String| std::net::TcpStream::connect(addr).is_ok();
    assert!(addrs.len() >= 7 && addrs.iter().all(answers), "{told:#?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let end = Instant::now() + PATIENCE;
    while addrs.iter().any(answers) {
        assert!(Instant::now() < end, "some still answer: {addrs:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Who was killed does not tidy up.
    let _ = std::fs::remove_dir_all(directory.unwrap());
}

#[test]
fn raw_output_is_json_lines() {
    let output = Command::new(PROGRAM).arg("--json").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let values: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.iter().filter(|value| value["span"].is_object()).count() >= 6);
    assert!(values.iter().filter(|value| value["message"].is_string()).count() >= 8);
    assert!(values.iter().filter(|value| value["metric"].is_string()).count() >= 5);
}
