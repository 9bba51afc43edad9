//! The description of obs-logs says what is served, by the schemas of OpenAPI and of its own.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use obs_logs::{
    AgentId, Batch, BearerTokens, Embedded, Level, Limits, Line, LogsApi, Owner, Retention, Stream, TokenKey, TraceId,
    UserId,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Checks the document, and each answer against the schema that the document has for it.
const CHECK: &str = r##"
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
given = json.load(sys.stdin)
document = given["document"]
assert document["openapi"].startswith("3.1."), document["openapi"]
errors = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
assert not errors, errors
registry = Registry().with_resource("urn:document", Resource.from_contents(document, default_specification=DRAFT202012))
def whole(schema):
    if isinstance(schema, dict):
        return {key: ("urn:document" + value if key == "$ref" else whole(value)) for key, value in schema.items()}
    return [whole(item) for item in schema] if isinstance(schema, list) else schema
def strict(schema):
    # A member that the description does not know is a mistake.
    if isinstance(schema, dict):
        schema = {key: strict(value) for key, value in schema.items()}
        if schema.get("properties"):
            schema["additionalProperties"] = False
        return schema
    return [strict(item) for item in schema] if isinstance(schema, list) else schema
strictly = strict(document)
registry = Registry().with_resource("urn:document", Resource.from_contents(strictly, default_specification=DRAFT202012))
for answer in given["answers"]:
    content = strictly["paths"][answer["path"]]["get"]["responses"][str(answer["status"])]["content"]
    schema = whole(content[answer["type"]]["schema"])
    errors = [error.message for error in Draft202012Validator(schema, registry=registry).iter_errors(answer["body"])]
    assert not errors, (answer, errors)
print("checked", len(given["answers"]))
"##;

const LOGS: &str = "/v1/agents/{agent_id}/logs";
const DOWNLOAD: &str = "/v1/agents/{agent_id}/logs/download";

fn platform(root: &std::path::Path) -> Router {
    let store = Embedded::open(root, Retention::default()).unwrap();
    let (agent, user) = (AgentId::parse("a1").unwrap(), UserId::parse("u1").unwrap());
    let mut batch = Batch::default();
    let lines = batch.lines_of(&Owner { agent_id: agent.clone(), user_id: None });
    let plain = Line {
        timestamp: jiff_now(),
        stream: Stream::Stdout,
        level: Level::Info,
        message: "plain",
        trace_id: None,
        fields: "",
        cut: false,
    };
    let trace_id = TraceId::parse("0af7651916cd43dd8448eb211c80319c");
    lines.push(&plain);
    lines.push(&Line {
        stream: Stream::Stderr,
        level: Level::Error,
        trace_id,
        fields: r#"{"n":1}"#,
        cut: true,
        ..plain
    });
    store.append_blocking(batch).unwrap();
    let tokens = BearerTokens::new().with("secret", user.clone());
    let limits = Limits::default().requests(1, 60);
    LogsApi::new(Arc::new(store), tokens, HashMap::from([(agent, user)]), TokenKey::from_bytes([1; 32]))
        .limits(limits)
        .router()
}

/// Now, in nanoseconds since 1970.
fn jiff_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

async fn get(router: &Router, path: &str, secret: &str) -> (u16, String, Vec<u8>) {
    let request = Request::get(path).header("authorization", format!("Bearer {secret}")).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
    // A follower's stream has no end.
    let body = if kind == "text/event-stream" { Vec::new() } else { body.collect().await.unwrap().to_bytes().to_vec() };
    (parts.status.as_u16(), kind, body)
}

#[tokio::test]
async fn the_parameters_that_are_described_are_those_that_are_known() {
    let root = tempfile::tempdir().unwrap();
    let router = platform(root.path());
    let document: Value = serde_json::from_slice(&get(&router, "/openapi.json", "").await.2).unwrap();
    assert_eq!(document, LogsApi::description());
    let values = [
        ("tail", "5"),
        ("since", "2026-01-15T10:00:00Z"),
        ("until", "2126-01-15T10:00:00Z"),
        ("level", "warn"),
        ("q", "x"),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ("order", "desc"),
        ("follow", "1"),
        ("next_token", "x"),
        ("limit", "5"),
        ("agent_id", "a1"),
    ];
    for (template, path) in [(LOGS, "/v1/agents/a1/logs"), (DOWNLOAD, "/v1/agents/a1/logs/download")] {
        let parameters = document["paths"][template]["get"]["parameters"].as_array().unwrap();
        let described: BTreeSet<_> =
            parameters.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()).collect();
        let mut known = BTreeSet::new();
        for (name, value) in values {
            let (status, _, body) = get(&router, &format!("{path}?{name}={value}"), "secret").await;
            let unknown = String::from_utf8_lossy(&body).contains("is not known here");
            assert!(status == 200 || status == 400, "{status}");
            if !unknown {
                known.insert(name);
            }
        }
        assert_eq!(described, known, "{template}");
    }
}

#[tokio::test]
async fn answers_are_what_the_description_says() {
    let Some(python) = tests::python("openapi_spec_validator") else { return };
    let root = tempfile::tempdir().unwrap();
    let router = platform(root.path());
    let mut answers = Vec::new();
    for (template, path, secret, expected) in [
        (LOGS, "/v1/agents/a1/logs", "secret", 200),
        (LOGS, "/v1/agents/a1/logs?order=desc", "secret", 200),
        (LOGS, "/v1/agents/a1/logs?tail=0&follow=1", "secret", 200),
        (LOGS, "/v1/agents/a1/logs?tail=x&since=y", "secret", 400),
        (LOGS, "/v1/agents/a1/logs", "wrong", 401),
        (LOGS, "/v1/agents/other/logs", "secret", 404),
        (DOWNLOAD, "/v1/agents/a1/logs/download", "secret", 200),
        (DOWNLOAD, "/v1/agents/a1/logs/download?tail=1", "secret", 400),
        (DOWNLOAD, "/v1/agents/a1/logs/download", "wrong", 401),
        (DOWNLOAD, "/v1/agents/other/logs/download", "secret", 404),
    ] {
        let (status, kind, body) = get(&router, path, secret).await;
        assert_eq!(status, expected, "{path}");
        let body = match kind.ends_with("json") && !kind.contains("ndjson") {
            true => serde_json::from_slice(&body).unwrap(),
            false => Value::String(String::from_utf8(body).unwrap()),
        };
        answers.push(json!({"path": template, "status": status, "type": kind, "body": body}));
    }
    for _ in 0..60 {
        let (status, kind, body) = get(&router, "/v1/agents/a1/logs", "secret").await;
        if status == 429 {
            let body: Value = serde_json::from_slice(&body).unwrap();
            answers.push(json!({"path": LOGS, "status": 429, "type": kind, "body": body}));
            break;
        }
    }
    assert_eq!(answers.last().unwrap()["status"], 429);
    let given = json!({"document": LogsApi::description(), "answers": answers});
    let mut check =
        Command::new(python).args(["-c", CHECK]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "checked 11\n");
}
