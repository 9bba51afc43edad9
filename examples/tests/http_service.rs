//! The example `http_service`, run as a process: what it answers, logs and counts agree.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

struct Service {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Self {
        let mut process = Command::new(example("http_service"))
            .arg("127.0.0.1:0")
            .envs([("OBS_METRICS_PORT", "0"), ("OBS_ADMIN_PORT", "0"), ("OBS_METRICS_ADDRESS", "127.0.0.1")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built with the tests");
        let lines = BufReader::new(process.stdout.take().expect("piped"));
        Service { process, lines }
    }

    /// The log lines up to the one with this message.
    fn until(&mut self, message: &str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        while seen.last().is_none_or(|line| line["message"] != message) {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("readable");
            assert!(read > 0, "it ended before `{message}`: {seen:?}");
            seen.push(serde_json::from_str(&line).expect("a line is JSON"));
        }
        seen
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo builds the examples of a package with its tests, in the folder beside theirs.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("known");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

fn ask(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{head}\r\nhost: {address}\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[test]
fn a_request_its_lines_and_its_metrics_agree() {
    let mut service = Service::start();
    let listening = service.until("Listening").pop().expect("a line");
    let at = |name: &str| listening[name].as_str().expect("an address").to_owned();
    let (address, metrics) = (at("address"), at("metrics"));

    let caller = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01");
    let good = ask(&address, &format!("POST /v1/users/u1/agents HTTP/1.1\r\n{caller}\r\nx-request-id: r-17"));
    assert!(good.starts_with("HTTP/1.1 200 OK"), "{good}");
    assert_eq!(header(&good, "x-request-id"), Some("r-17"));
    let lines = service.until("Agent created");
    for line in &lines {
        assert_eq!(line["trace_id"], TRACE, "{line}");
        assert_eq!((&line["request_id"], &line["user_id"]), (&"r-17".into(), &"u1".into()), "{line}");
    }
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["agent_id"], "agent-of-u1");

    let bad = ask(&address, "POST /v1/users/nobody/agents HTTP/1.1\r\ntraceparent: 00-ZZ\r\nx-request-id: a b");
    assert!(bad.starts_with("HTTP/1.1 404"), "{bad}");
    let lines = service.until("place failed");
    let errors = lines.iter().filter(|line| line["level"] == "error");
    assert_eq!(errors.count(), 1);
    let made = header(&bad, "x-request-id").expect("made");
    assert_eq!(made.len(), 36);
    for line in &lines {
        assert_eq!(line["request_id"], made, "{line}");
        assert_ne!(line["trace_id"], TRACE, "{line}");
    }

    let text = ask(&metrics, "GET /metrics HTTP/1.1");
    for sample in [
        r#"http_requests_total{method="POST",path="/v1/users/{user_id}/agents",status="200"} 1"#,
        r#"http_requests_total{method="POST",path="/v1/users/{user_id}/agents",status="404"} 1"#,
        r#"http_request_duration_seconds_count{method="POST",path="/v1/users/{user_id}/agents"} 2"#,
        r#"operation_duration_seconds_count{operation="place",target="http_service",outcome="ok"} 1"#,
        r#"operation_duration_seconds_count{operation="place",target="http_service",outcome="error"} 1"#,
        r#"obs_dropped_total{signal="context",reason="malformed"} 2"#,
        r#"operations_in_flight{operation="create_agent",target="http_service"} 0"#,
    ] {
        assert!(text.lines().any(|line| line == sample), "no `{sample}` in:\n{text}");
    }
}
