//! A small server that does what Loki's documentation says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use obs_logs::{Loki, LokiBuilder};
use serde_json::{Value, json};

/// Tenant, labels, time, line, structured metadata. A line with the labels, time and text of another is stored once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    tenant: String,
    labels: BTreeMap<String, String>,
    time: u64,
    text: String,
    metadata: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct FakeLoki {
    lines: BTreeMap<(String, BTreeMap<String, String>, u64, String), Stored>,
    /// Limits that were asked for.
    pub limits: BTreeSet<usize>,
    /// What is answered to pushes, instead of taking them.
    pub refusal: Option<StatusCode>,
}

pub type Shared = Arc<Mutex<FakeLoki>>;

fn tenant(headers: &HeaderMap) -> Result<String, StatusCode> {
    let tenant = headers.get("x-scope-orgid").ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(tenant.to_str().unwrap().to_owned())
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let texts = value.as_object().into_iter().flatten();
    texts.map(|(name, value)| (name.clone(), value.as_str().expect("metadata are strings").to_owned())).collect()
}

pub async fn push(
    State(loki): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    let (tenant, mut loki) = (tenant(&headers)?, loki.lock().unwrap());
    if let Some(status) = loki.refusal {
        return Err(status);
    }
    for stream in body["streams"].as_array().unwrap() {
        let labels = texts(&stream["stream"]);
        for value in stream["values"].as_array().unwrap() {
            let time: u64 = value[0].as_str().unwrap().parse().unwrap();
            let text = value[1].as_str().unwrap().to_owned();
            let key = (tenant.clone(), labels.clone(), time, text.clone());
            let (labels, metadata) = (labels.clone(), texts(&value[2]));
            loki.lines.entry(key).or_insert(Stored { tenant: tenant.clone(), labels, time, text, metadata });
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What stands behind `prefix` in the query, up to the quote that ends it.
fn operand(query: &str, prefix: &str) -> Option<String> {
    let rest = &query[query.find(prefix)? + prefix.len()..];
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    Some(stream.next().unwrap().unwrap())
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> String {
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap().replace('+', " ").into_bytes();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].replace('+', " ").bytes());
    }
    String::from_utf8(bytes).unwrap()
}

async fn query_range(
    State(loki): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, StatusCode> {
    let query = query.unwrap_or_default();
    let parameters: HashMap<_, _> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, decoded(value))).collect();
    let (tenant, mut loki) = (tenant(&headers)?, loki.lock().unwrap());
    let number = |name: &str| parameters[name].parse::<u64>().unwrap();
    let limit = number("limit") as usize;
    if limit > 5_000 {
        return Err(StatusCode::BAD_REQUEST);
    }
    loki.limits.insert(limit);
    let (query, start, end) = (&parameters["query"], number("start"), number("end"));
    let (agent, text) = (operand(query, "| agent_id=").unwrap(), operand(query, "|= "));
    let (levels, trace) = (operand(query, ",level=~"), operand(query, "| trace_id="));
    let mut found: Vec<_> = loki
        .lines
        .values()
        .filter(|line| {
            line.tenant == tenant
                && line.labels["stream"] == "agent"
                && [&line.labels, &line.metadata].iter().any(|part| part.get("agent_id") == Some(&agent))
                && (start..end).contains(&line.time)
                && text.as_ref().is_none_or(|text| line.text.contains(text.as_str()))
                && levels.as_ref().is_none_or(|levels| {
                    levels.split('|').any(|level| line.labels.get("level").is_some_and(|known| known == level))
                })
                && trace.as_ref().is_none_or(|trace| line.metadata.get("trace_id") == Some(trace))
        })
        .collect();
    // Lines of the same time come in no order that one could rely on: it changes with the query.
    found.sort_by_key(|line| (line.time, line.text.len() * 31 % (2 + limit % 7), line.text.clone()));
    if parameters.get("direction").is_none_or(|direction| direction == "backward") {
        found.reverse();
    }
    found.truncate(limit);
    let mut streams: BTreeMap<BTreeMap<String, String>, Vec<Value>> = BTreeMap::new();
    for line in found {
        let labels = line.labels.clone().into_iter().chain(line.metadata.clone()).collect();
        streams.entry(labels).or_default().push(json!([line.time.to_string(), line.text]));
    }
    let result: Vec<_> =
        streams.into_iter().rev().map(|(stream, values)| json!({"stream": stream, "values": values})).collect();
    Ok(Json(json!({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})))
}

pub struct Served {
    pub url: String,
    pub loki: Shared,
}

pub async fn served() -> Served {
    let loki = Shared::default();
    let router = Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/loki/api/v1/query_range", get(query_range))
        .with_state(loki.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served { url, loki }
}

impl Served {
    pub fn builder(&self) -> LokiBuilder {
        Loki::at(self.url.clone()).tenant("swarm").poll(Duration::from_millis(10))
    }

    pub fn store(&self) -> Loki {
        self.builder().build().unwrap()
    }
}
