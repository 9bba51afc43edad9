//! The processes of the platform, and the windows through which it is seen from outside.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::process::Command;

use crate::collect::span::Span;
use crate::drive::samples::Samples;
use crate::model::Pod;
use crate::process::{Announcement, Process};
use crate::rpc::v1;
use crate::rpc::v1::scheduler_client::SchedulerClient;
use crate::service::BoxError;

/// How long a service may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a service may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Everything that runs. Dropped, it takes its children with it.
pub struct Platform {
    directory: PathBuf,
    collect: Process,
    scheduler: Process,
    control: Process,
    gateway: Process,
    /// The tokens by which users read their agents' logs.
    users: HashMap<String, String>,
}

/// A log line of a service.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The file that it stands in: `gateway`, `control`, `scheduler` or `agent-<id>`.
    pub file: String,
    /// As it was written.
    pub raw: String,
    /// As JSON.
    pub fields: Map<String, Value>,
}

impl LogLine {
    /// The text of a field, if it is one.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key)?.as_str()
    }
}

/// `/metrics` of a process.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The service.
    pub service: String,
    /// As it was answered.
    pub text: String,
    /// Its samples.
    pub samples: Samples,
}

impl Platform {
    /// Starts every part from this program, each once the ones that it calls are ready. `environment` is what their
    /// environment has over that of this process.
    pub async fn start(program: &Path, directory: &Path, environment: &[(&str, &str)]) -> Result<Self, BoxError> {
        std::fs::create_dir_all(directory.join("logs"))?;
        let start = async |name: &'static str, otlp: Option<&str>, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.arg(name).args(arguments);
            // A trace that this process was started in is not the trace of the requests.
            for key in ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] {
                command.env_remove(key);
            }
            command.envs([("OBS_METRICS_ADDRESS", "127.0.0.1"), ("OBS_METRICS_PORT", "0"), ("OBS_ADMIN_PORT", "0")]);
            command.envs(otlp.map(|endpoint| ("OBS_OTLP_ENDPOINT", format!("http://{endpoint}"))));
            command.envs([("OBS_LOG_JSON", "true")]);
            command.envs(environment.iter().copied());
            let log = directory.join("logs").join(format!("{name}.jsonl"));
            let started = tokio::time::timeout(READY_WITHIN, Process::start(name, command, &log)).await;
            started.map_err(|_| format!("`{name}` was not ready in time"))?.map_err(BoxError::from)
        };
        let collect = start("collect", None, &[]).await?;
        let otlp = collect.announcement().otlp.clone();
        let otlp = otlp.as_deref();
        let directory_text = directory.to_str().ok_or("the directory's name is not UTF-8")?;
        let scheduler = start("scheduler", otlp, &["--directory", directory_text]).await?;
        let database = format!("{directory_text}/control.db");
        let (containers, tokens) = (format!("{directory_text}/containers"), format!("{directory_text}/tokens.json"));
        let users = ["ana", "ben", "cleo"].map(|user| (user.to_owned(), uuid::Uuid::new_v4().to_string()));
        let users = HashMap::from(users);
        std::fs::write(&tokens, serde_json::to_vec(&users)?)?;
        let control = ["--scheduler", &url(&scheduler), "--database", &database];
        let control = [&control[..], &["--containers", &containers, "--tokens", &tokens]].concat();
        let control = start("control", otlp, &control).await?;
        let gateway = start("gateway", otlp, &["--control", &url(&control)]).await?;
        Ok(Platform { directory: directory.to_owned(), collect, scheduler, control, gateway, users })
    }

    /// Where the public API is.
    #[must_use]
    pub fn gateway(&self) -> String {
        url(&self.gateway)
    }

    /// What a user gets who asks for the logs of an agent. `which` is what follows `logs` in the path and the query.
    pub async fn agent_logs(&self, user: &str, agent_id: &str, which: &str) -> Result<reqwest::Response, BoxError> {
        let token = self.users.get(user).map(String::as_str).unwrap_or_default();
        let url = format!("{}/v1/agents/{agent_id}/logs{which}", self.gateway());
        Ok(reqwest::Client::new().get(url).bearer_auth(token).send().await?)
    }

    /// Where the collector shows what it got.
    #[must_use]
    pub fn collector(&self) -> String {
        url(&self.collect)
    }

    /// What the services said when they were ready: gateway, control, scheduler.
    #[must_use]
    pub fn announcements(&self) -> [&Announcement; 3] {
        [self.gateway.announcement(), self.control.announcement(), self.scheduler.announcement()]
    }

    /// The pods that run now.
    pub async fn pods(&self) -> Result<Vec<Pod>, BoxError> {
        let mut scheduler = SchedulerClient::connect(url(&self.scheduler)).await?;
        let pods = scheduler.list_pods(v1::ListPodsRequest {}).await?.into_inner().pods;
        Ok(pods.into_iter().map(Pod::try_from).collect::<Result<_, _>>()?)
    }

    /// The manifest of an agent's pod.
    pub fn manifest(&self, agent_id: &str) -> Result<Value, BoxError> {
        let path = self.directory.join("pods").join(format!("{agent_id}.json"));
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Every span that the collector got.
    pub async fn spans(&self) -> Result<Vec<Span>, BoxError> {
        fetch(&format!("{}/spans", self.collector())).await
    }

    /// Every log line of every service, by time. An error if one is not a JSON object.
    pub fn log_lines(&self) -> Result<Vec<LogLine>, BoxError> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(self.directory.join("logs"))? {
            let path = entry?.path();
            let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)?;
            // What follows the last line feed is still being written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for raw in whole.lines() {
                let fields = serde_json::from_str(raw).map_err(|err| format!("{file} wrote {raw:?}: {err}"))?;
                lines.push(LogLine { file: file.clone(), raw: raw.to_owned(), fields });
            }
        }
        lines.sort_by(|a, b| a.text("timestamp").cmp(&b.text("timestamp")));
        Ok(lines)
    }

    /// `/metrics` of every service and of every agent that runs.
    pub async fn scrapes(&self) -> Result<Vec<Scrape>, BoxError> {
        let services = self.announcements().map(|said| (said.service.clone(), said.metrics.clone()));
        let pods = self.pods().await?.into_iter().map(|pod| ("swarm-agent".to_owned(), pod.metrics_address));
        let mut scrapes = Vec::new();
        for (service, address) in services.into_iter().chain(pods) {
            let Some(address) = address else { continue };
            let text = reqwest::get(format!("http://{address}/metrics")).await?.error_for_status()?.text().await?;
            scrapes.push(Scrape { service, samples: Samples::parse(&text), text });
        }
        Ok(scrapes)
    }

    /// Stops everything: the gateway first, so that its sessions can end, the collector last, so that it gets what the others
    /// have left. Returns how each ended; `None`
    /// had to be killed.
    pub async fn stop(self) -> Vec<(String, Option<ExitStatus>)> {
        let stop = async |process: Process| (process.name().to_owned(), process.stop(STOP_WITHIN).await);
        let gateway = stop(self.gateway).await;
        let (control, scheduler) = tokio::join!(stop(self.control), stop(self.scheduler));
        vec![gateway, control, scheduler, stop(self.collect).await]
    }
}

fn url(process: &Process) -> String {
    format!("http://{}", process.announcement().http.as_deref().unwrap_or_default())
}

async fn fetch<T: DeserializeOwned>(url: &str) -> Result<T, BoxError> {
    Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
}
