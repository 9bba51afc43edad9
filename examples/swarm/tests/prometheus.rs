//! A real Prometheus scrapes the platform, and is asked for every metric that was published.
#![allow(clippy::unwrap_used)]

mod engines;
#[path = "engines/server.rs"]
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use engines::{Directory, engine};
use obs_logs::LogsMetrics;
use obs_runtime::metrics::RUNTIME_DESCRIPTORS;
use obs_runtime::{MetricSet, OPERATION_DESCRIPTORS};
use serde_json::json;
use server::Server;
use swarm::drive::platform::Platform;
use swarm::drive::workload;
use swarm::metrics::CATALOGUE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_swarm");
/// How long anything may take to show.
const PATIENCE: Duration = Duration::from_secs(60);
/// Metrics of the state machine that the platform has not published.
const BESIDE: [&str; 2] = ["agent_illegal_transitions_total", "agent_state_duration_seconds"];

/// One that scrapes these: name and address of each.
struct Prometheus(Server);

impl Prometheus {
    fn start(program: &Path, directory: &Directory, targets: &[(String, String)]) -> Self {
        let jobs = targets.iter().enumerate().map(|(at, (service, address))| {
            json!({ "job_name": format!("{service}-{at}"), "static_configs": [{ "targets": [address], "labels": { "service": service } }] })
        });
        let config = json!({
            "global": { "scrape_interval": "200ms", "scrape_timeout": "200ms" },
            "scrape_configs": jobs.collect::<Vec<_>>(),
        });
        // What is JSON is YAML.
        let config = directory.write("prometheus.yml", &config.to_string());
        let data = format!("--storage.tsdb.path={}", directory.0.join("prometheus").display());
        Prometheus(Server::start(program, &config, &[&data, "--log.level=error"]))
    }

    /// Every value that it has for a query, now.
    async fn ask(&self, query: &str) -> Result<Vec<f64>, String> {
        let answer = self.0.get("/api/v1/query", &[("query", query)]).await;
        let results = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        Ok(results.iter().map(|it| it["value"][1].as_str().unwrap().parse().unwrap()).collect())
    }

    /// Asks until the answer is `expected`.
    async fn answers(&self, query: &str, expected: &[f64], until: Instant) {
        loop {
            let answer = self.ask(query).await;
            if answer.as_deref() == Ok(expected) {
                return;
            }
            assert!(Instant::now() < until, "{query} is {answer:?}, not {expected:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_answers_for_every_published_metric() {
    let Some(program) = engine("prometheus") else { return };
    let directory = Directory::new("prometheus");
    let platform = Platform::start(Path::new(PROGRAM), &directory.0, &[]).await.unwrap();
    let workload = workload::run(&platform).await.unwrap();
    let services = platform.announcements().map(|said| (said.service.clone(), said.metrics.clone().unwrap()));
    let pods = platform.pods().await.unwrap().into_iter();
    let agents = pods.map(|pod| ("swarm-agent".to_owned(), pod.metrics_address.unwrap()));
    let targets: Vec<_> = services.into_iter().chain(agents).collect();
    let prometheus = Prometheus::start(&program, &directory, &targets);
    let until = Instant::now() + PATIENCE;
    prometheus.answers("sum(up)", &[targets.len() as f64], until).await;

    let agent = format!("agent_id=\"{}\"", workload.created.agent_id());
    let anas = workload.sent.iter().filter(|sent| sent.user_id == "ana" && sent.status != Some(503)).count() as f64;
    let mut asked = vec![
        (
            r#"http_requests_total{service="swarm-gateway",method="POST",path="/v1/agents",status="201"}"#.to_owned(),
            3.0,
        ),
        (r#"http_request_duration_seconds_bucket{method="POST",path="/v1/agents",le="+Inf"}"#.to_owned(), 5.0),
        ("websocket_connections_active".to_owned(), 0.0),
        (r#"websocket_messages_total{direction="inbound"}"#.to_owned(), 2.0),
        (r#"websocket_messages_total{direction="outbound"}"#.to_owned(), 2.0),
        (r#"agents_total{status="running"}"#.to_owned(), 2.0),
        (r#"agents_total{status="hibernating"}"#.to_owned(), 0.0),
        (r#"agent_state_transitions_total{from="provisioning",to="running"}"#.to_owned(), 3.0),
        ("sessions_active".to_owned(), 0.0),
        ("sessions_total".to_owned(), 1.0),
        // OpenMetrics, which Prometheus asks for first, writes bounds as `3600.0`.
        (r#"session_duration_seconds_bucket{le="3600.0"}"#.to_owned(), 1.0),
        (r#"user_agents_count{user_id="ben"}"#.to_owned(), 2.0),
        (r#"user_sessions_active{user_id="ben"}"#.to_owned(), 0.0),
        (format!("agent_cpu_usage_percent{{{agent}}} >= bool 0"), 1.0),
        (format!("agent_memory_usage_bytes{{{agent}}} > bool 1e6"), 1.0),
        (format!("agent_uptime_seconds{{{agent}}} > bool 0"), 1.0),
        (format!("agent_status{{{agent},status=\"running\"}}"), 1.0),
        (format!("agent_status{{{agent},status=\"failed\"}}"), 0.0),
        ("sum(agent_errors_total)".to_owned(), 2.0),
        (format!("agent_sessions_total{{{agent}}}"), 1.0),
        (r#"user_api_requests_total{user_id="ana",outcome="ok"}"#.to_owned(), anas),
        (r#"user_api_requests_total{user_id="ana",outcome="error"}"#.to_owned(), 1.0),
        (r#"user_api_requests_total{user_id="ben",outcome="cancelled"}"#.to_owned(), 1.0),
        (format!("agent_model_tokens_total{{{agent},direction=\"output\"}} > bool 0"), 1.0),
    ];
    if cfg!(feature = "rocksdb") {
        asked.extend([
            (r#"rocksdb_put_latency_seconds_count{cf="ownership"} > bool 10"#.to_owned(), 1.0),
            (r#"rocksdb_get_latency_seconds_bucket{cf="agents",le="+Inf"} > bool 3"#.to_owned(), 1.0),
            (r#"histogram_quantile(0.99, rocksdb_get_latency_seconds_bucket{cf="agents"}) < bool 1"#.to_owned(), 1.0),
            ("rocksdb_compaction_bytes_total".to_owned(), 0.0),
        ]);
    }
    for (query, expected) in &asked {
        prometheus.answers(query, &[*expected], until).await;
    }
    // No published metric was forgotten here, and no store but RocksDB bears its names.
    let of_runtime = OPERATION_DESCRIPTORS
        .iter()
        .chain(RUNTIME_DESCRIPTORS)
        .chain(LogsMetrics::DESCRIPTORS)
        .map(|descriptor| descriptor.name);
    let others: Vec<_> = of_runtime.chain(BESIDE).collect();
    for name in CATALOGUE.iter().copied().flatten().map(|descriptor| descriptor.name) {
        let is_rocksdb = name.starts_with("rocksdb_");
        if is_rocksdb && !cfg!(feature = "rocksdb") {
            prometheus.answers(&format!("{{__name__=~\"{name}.*\"}}"), &[], until).await;
        } else if !others.contains(&name) {
            assert!(asked.iter().any(|(query, _)| query.contains(name)), "nobody asks for {name}");
        }
    }
    platform.stop().await;
}
