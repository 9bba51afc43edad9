//! Pods: a manifest in a file, and a process that stands for the container.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use obs_runtime::{correlated, observed};
use serde_json::{Value, json};
use tokio::process::Command;

use super::error::ScheduleError;
use super::kubelet::ContainerLog;
use super::nodes::Place;
use crate::model::{AgentId, Pod, PodRequest, UserId};
use crate::process::Process;

/// How long an agent may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How long an agent may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// The pods that run, and the directory that their manifests and logs are in.
pub(super) struct Pods {
    directory: PathBuf,
    running: Mutex<HashMap<AgentId, RunningPod>>,
}

struct RunningPod {
    pod: Pod,
    process: Process,
    /// Gives the node's memory back when the pod goes.
    place: Place,
}

impl Pods {
    /// Manifests go to `pods/`, what agents write to `containers/` and `logs/`.
    pub(super) fn in_directory(directory: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory.join("pods"))?;
        std::fs::create_dir_all(directory.join("containers"))?;
        std::fs::create_dir_all(directory.join("logs"))?;
        Ok(Pods { directory: directory.to_owned(), running: Mutex::default() })
    }

    /// Writes the manifest and starts the agent; returns when it is ready. Dropped before that, it leaves no process.
    ///
    /// The annotations carry the context of this call, and the agent's environment what the annotations say.
    #[correlated(outbound)]
    #[observed(user_id, agent_id, node = place.node())]
    pub(super) async fn create_pod(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        request: &PodRequest,
        place: Place,
        annotations: BTreeMap<String, String>,
    ) -> Result<Pod, ScheduleError> {
        if self.lock().contains_key(agent_id) {
            return Err(ScheduleError::AlreadyRuns(agent_id.clone()));
        }
        let path = self.directory.join("pods").join(format!("{agent_id}.json"));
        let manifest = manifest(request, place.node(), &annotations);
        tokio::fs::write(&path, format!("{manifest:#}\n")).await.map_err(ScheduleError::Manifest)?;
        let process = self.launch_agent(user_id, agent_id, &path, &annotations).await?;
        let announcement = process.announcement();
        let pod = Pod {
            agent_id: agent_id.clone(),
            node: place.node().to_owned(),
            process_id: announcement.process_id,
            address: announcement.http.clone().unwrap_or_default(),
            metrics_address: announcement.metrics.clone(),
        };
        self.lock().insert(agent_id.clone(), RunningPod { pod: pod.clone(), process, place });
        Ok(pod)
    }

    #[observed(user_id, agent_id)]
    async fn launch_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        manifest: &Path,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Process, ScheduleError> {
        let mut command = Command::new(std::env::current_exe().map_err(ScheduleError::Manifest)?);
        command.arg("agent");
        command.args(["--agent-id", agent_id.as_str(), "--user-id", user_id.as_str(), "--manifest"]).arg(manifest);
        command.envs(environment(annotations));
        command.stdout(Stdio::piped());
        let log = ContainerLog::create(&self.directory, agent_id).map_err(ScheduleError::Manifest)?;
        let said = log.clone();
        let said = move |line: &str| said.write("stderr", line.as_bytes());
        let name = format!("agent {agent_id}");
        let starting = Process::start_piped(&name, command, |stdout| log.take(stdout), said);
        let started = tokio::time::timeout(READY_WITHIN, starting).await;
        Ok(started.map_err(|_| ScheduleError::Late)??)
    }

    /// Stops a pod; says whether there was one.
    pub(super) async fn remove(&self, agent_id: &AgentId) -> bool {
        // Taken out in a statement of its own, so that the lock is not held while the agent stops.
        let found = self.lock().remove(agent_id);
        let Some(RunningPod { process, place, .. }) = found else { return false };
        process.stop(STOP_WITHIN).await;
        drop(place);
        true
    }

    /// The pods that run.
    pub(super) fn list(&self) -> Vec<Pod> {
        self.lock().values().map(|running| running.pod.clone()).collect()
    }

    /// Stops them all, side by side.
    pub(super) async fn stop_all(&self) {
        let pods: Vec<_> = self.lock().drain().collect();
        let stopping: Vec<_> = pods.into_iter().map(|(_, pod)| tokio::spawn(pod.process.stop(STOP_WITHIN))).collect();
        for stopping in stopping {
            let _ = stopping.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, RunningPod>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pod as Kubernetes would be told of it.
fn manifest(request: &PodRequest, node: &str, annotations: &BTreeMap<String, String>) -> Value {
    let env: Vec<_> = environment(annotations).map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("agent-{}", request.agent_id),
            "namespace": "swarm-agents",
            "labels": {
                "app.kubernetes.io/name": "agent",
                "app.kubernetes.io/part-of": "swarm",
                "user_id": request.user_id,
                "agent_id": request.agent_id,
            },
            "annotations": annotations,
        },
        "spec": {
            "nodeName": node,
            "containers": [{
                "name": "agent",
                "image": request.spec.image,
                "env": env,
                "ports": [{ "name": "metrics", "containerPort": 9090 }],
                "resources": { "requests": { "memory": format!("{}Mi", request.spec.memory_mib) } },
            }],
        },
    })
}

/// What the pod's annotations say, in the names that an environment has: `traceparent` becomes `TRACEPARENT`.
fn environment(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = (String, &String)> {
    annotations.iter().map(|(key, value)| (key.to_ascii_uppercase().replace('-', "_"), value))
}
