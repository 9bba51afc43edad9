//! The whole way, with the engines themselves: the platform runs, Prometheus scrapes it, every panel has data, an exemplar leads to its
//! trace and to its log lines; then requests fail, and Alertmanager tells PagerDuty and Slack.
#![allow(clippy::unwrap_used)]

mod engines;
#[path = "engines/server.rs"]
mod server;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use engines::{Directory, engine};
use obs_artifacts::alertmanager::Channels;
use obs_artifacts::prometheus::Rules;
use serde_json::{Value, json};
use server::{Server, until};
use swarm::artifacts;
use swarm::drive::platform::Platform;
use swarm::drive::workload::{self, User};

/// What the two services outside were told: the path, and what stood in the request.
type Told = Arc<Mutex<Vec<(String, Value)>>>;

/// Takes the requests that are meant for PagerDuty and Slack.
async fn sink() -> (String, Told) {
    async fn take(State(told): State<Told>, request: Request) -> &'static str {
        let path = request.uri().path().to_owned();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        told.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
        "ok"
    }
    let told = Told::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(take).with_state(Arc::clone(&told));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{addr}"), told)
}

/// Sends requests until it is dropped; once told so, ones that fail among them.
struct Load {
    fails: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    fn start(gateway: &str) -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let (user, failing) = (User::new("ana", gateway), Arc::clone(&fails));
        let task = tokio::spawn(async move {
            loop {
                user.list().await.unwrap();
                if failing.load(Relaxed) {
                    let spec = json!({ "name": "giant", "region": "atlantis", "memory_mib": 65_536 });
                    assert_eq!(user.create(spec).await.unwrap().status, Some(503));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Load { fails, task }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The rules with times that a test can wait for.
fn rules(rules: &Rules) -> String {
    let text = rules.to_yaml();
    assert!(text.contains("    for: 5m\n"));
    text.replace("    for: 5m\n", "    for: 2s\n")
}

async fn prometheus(program: &Path, directory: &Directory, platform: &Platform, alertmanager: &Server) -> Server {
    let mut jobs = Vec::new();
    for said in platform.announcements() {
        jobs.push((said.service.trim_start_matches("swarm-").to_owned(), vec![said.metrics.clone().unwrap()]));
    }
    let pods = platform.pods().await.unwrap();
    jobs.push(("agent".to_owned(), pods.into_iter().filter_map(|pod| pod.metrics_address).collect()));
    let jobs: Vec<Value> = jobs
        .into_iter()
        .map(|(job, targets)| json!({ "job_name": job, "static_configs": [{ "targets": targets }] }))
        .collect();
    directory.write("rules.yaml", &rules(&artifacts::rules().unwrap().1));
    let config = json!({
        "global": { "scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms" },
        "rule_files": ["rules.yaml"],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [alertmanager.addr.to_string()] }] }] },
        "scrape_configs": jobs,
    });
    // JSON is YAML.
    let config = directory.write("prometheus.yaml", &config.to_string());
    let data = format!("--storage.tsdb.path={}", directory.0.join("tsdb").display());
    Server::start(program, &config, &[&data, "--enable-feature=exemplar-storage", "--log.level=error"])
}

fn alertmanager(program: &Path, directory: &Directory, sink: &str) -> Server {
    let key = directory.write("pagerduty-key", "0123456789abcdef0123456789abcdef");
    let slack = directory.write("slack-url", &format!("{sink}/slack"));
    let channels = Channels {
        pagerduty_key_file: key.display().to_string(),
        pagerduty_url: format!("{sink}/pagerduty"),
        slack_url_file: slack.display().to_string(),
        grafana_url: "http://grafana.example".to_owned(),
        group_wait: "200ms".to_owned(),
        group_interval: "1s".to_owned(),
        ..Channels::of("swarm")
    };
    let config = directory.write("alertmanager.yaml", &channels.to_yaml());
    let data = format!("--storage.path={}", directory.0.join("alertmanager").display());
    Server::start(program, &config, &[&data, "--cluster.listen-address=", "--log.level=error"])
}

async fn result(prometheus: &Server, query: &str) -> Vec<Value> {
    let answer = prometheus.get("/api/v1/query", &[("query", query)]).await;
    assert_ne!(answer["status"], "error", "{query}: {answer}");
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn panels_have_data_exemplars_lead_to_traces_and_failures_reach_who_is_on_call() {
    let (Some(prometheus_program), Some(alertmanager_program)) =
        (engine("prometheus"), engine("prometheus-alertmanager"))
    else {
        return;
    };
    let directory = Directory::new("alerting");
    let platform = Platform::start(Path::new(env!("CARGO_BIN_EXE_swarm")), &directory.0, &[]).await.unwrap();
    let workload = workload::run(&platform).await.unwrap();
    what_watches_the_cluster_finds_an_agents_pod(&platform.manifest(workload.created.agent_id()).unwrap());
    let (sink, told) = sink().await;
    let alertmanager = alertmanager(&alertmanager_program, &directory, &sink);
    until("Alertmanager is up", async || alertmanager.get("/api/v2/status", &[]).await.get("uptime").map(|_| ())).await;
    let prometheus = prometheus(&prometheus_program, &directory, &platform, &alertmanager).await;
    let load = Load::start(&platform.gateway());

    every_panel_has_data(&prometheus).await;
    an_exemplar_leads_to_a_trace_and_its_lines(&prometheus, &platform).await;

    let alert = async |state: &str| {
        let query = format!("count_over_time(ALERTS{{alertname=\"HighErrorRate\", alertstate=\"{state}\"}}[5m])");
        result(&prometheus, &query).await.pop()
    };
    let before = alert("pending").await;
    assert!(before.is_none(), "nothing fails yet: {before:?}");

    load.fails.store(true, Relaxed);
    until("HighErrorRate is pending", async || alert("pending").await).await;
    until("HighErrorRate fires", async || alert("firing").await).await;

    let of = |path: &str| {
        let told = told.lock().unwrap();
        told.iter()
            .find(|(to, body)| to == path && body.to_string().contains("HighErrorRate"))
            .map(|(_, body)| body.clone())
    };
    let pagerduty = until("PagerDuty is told", async || of("/pagerduty")).await;
    assert_eq!(pagerduty["event_action"], "trigger");
    assert_eq!(pagerduty["routing_key"], "0123456789abcdef0123456789abcdef");
    assert_eq!(pagerduty["payload"]["severity"], "critical");
    assert_eq!(pagerduty["payload"]["summary"], "High error rate detected");
    assert_eq!(pagerduty["payload"]["custom_details"]["dashboard"], "http://grafana.example/d/swarm-overview");
    let slack = until("Slack is told", async || of("/slack")).await;
    assert_eq!(slack["channel"], "#swarm-oncall");
    let message = slack["attachments"][0].to_string();
    assert!(message.contains("CRITICAL: HighErrorRate") && message.contains("High error rate detected"), "{message}");

    drop((load, prometheus, alertmanager));
    platform.stop().await;
}

/// Prometheus and Vector choose pods by these.
fn what_watches_the_cluster_finds_an_agents_pod(manifest: &Value) {
    let labels = &manifest["metadata"]["labels"];
    assert_eq!(
        (&labels["app.kubernetes.io/part-of"], &labels["app.kubernetes.io/name"]),
        (&json!("swarm"), &json!("agent"))
    );
    assert!(labels["agent_id"].is_string() && labels["user_id"].is_string());
    assert_eq!(manifest["spec"]["containers"][0]["ports"][0]["name"], "metrics");
    assert_eq!(manifest["metadata"]["namespace"], artifacts::PIPELINE.agents_namespace);
}

#[tokio::test]
async fn a_page_silences_the_warnings_that_say_the_same_and_no_others() {
    let Some(program) = engine("prometheus-alertmanager") else { return };
    let directory = Directory::new("inhibition");
    let (sink, _told) = sink().await;
    let alertmanager = alertmanager(&program, &directory, &sink);
    until("Alertmanager is up", async || alertmanager.get("/api/v2/status", &[]).await.get("uptime").map(|_| ())).await;
    let alert = |name: &str, severity: &str, slo: Option<&str>| {
        let mut labels = json!({ "alertname": name, "severity": severity });
        if let Some(slo) = slo {
            labels["slo"] = slo.into();
        }
        json!({ "labels": labels })
    };
    let alerts = json!([
        alert("SloBudgetBurns", "critical", Some("orders")),
        alert("SloBudgetBurns", "warning", Some("orders")),
        alert("SloBudgetBurns", "warning", Some("carts")),
        alert("HighErrorRate", "critical", None),
        alert("TargetDown", "warning", None),
    ]);
    let url = format!("http://{}/api/v2/alerts", alertmanager.addr);
    reqwest::Client::new().post(url).json(&alerts).send().await.unwrap().error_for_status().unwrap();
    let silenced = until("Alertmanager has judged", async || {
        let alerts = alertmanager.get("/api/v2/alerts", &[]).await;
        let alerts = alerts.as_array().filter(|alerts| alerts.len() == 5)?;
        let silenced = alerts.iter().filter(|alert| alert["status"]["inhibitedBy"] != json!([]));
        let silenced: Vec<Value> = silenced.map(|alert| alert["labels"].clone()).collect();
        (!silenced.is_empty()).then_some(silenced)
    })
    .await;
    assert_eq!(silenced, [json!({ "alertname": "SloBudgetBurns", "severity": "warning", "slo": "orders" })]);
}

/// With the variables as their `All`.
async fn every_panel_has_data(prometheus: &Server) {
    for dashboard in artifacts::dashboards() {
        for query in dashboard.queries() {
            let text = query.text.replace("$__rate_interval", "1m").replace("$agent", ".*").replace("$user", ".*");
            until(&format!("{} has data: {text}", query.place), async || result(prometheus, &text).await.pop()).await;
        }
    }
    // What the objectives name is observed.
    let objectives = until("objectives have data", async || {
        let results = result(prometheus, "slo:error_share:rate5m").await;
        (results.len() == 2).then_some(results)
    });
    objectives.await;
}

async fn an_exemplar_leads_to_a_trace_and_its_lines(prometheus: &Server, platform: &Platform) {
    let parameters = [("query", r#"{__name__=~".+_bucket"}"#), ("start", "0"), ("end", "99999999999")];
    until("an exemplar's trace was exported and has log lines", async || {
        let found = prometheus.get("/api/v1/query_exemplars", &parameters).await;
        let series = found["data"].as_array()?.iter();
        let exemplars = series.filter_map(|series| series["exemplars"].as_array()).flatten();
        let traces: Vec<&str> = exemplars.filter_map(|exemplar| exemplar["labels"]["trace_id"].as_str()).collect();
        let (spans, lines) = (platform.spans().await.unwrap(), platform.log_lines().unwrap());
        let leads = |trace: &&&str| {
            spans.iter().any(|span| span.trace_id == **trace)
                && lines.iter().any(|line| line.text("trace_id") == Some(trace))
        };
        traces.iter().find(leads).map(|_| ())
    })
    .await;
}
