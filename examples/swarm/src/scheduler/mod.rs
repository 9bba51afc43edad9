//! Places agents on nodes and runs their pods.

mod error;
mod images;
mod nodes;
mod pods;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{self, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use http::StatusCode;
use obs_runtime::{info, observed};

use self::error::ScheduleError;
use self::nodes::Nodes;
use self::pods::Pods;
use crate::caller::Caller;
use crate::model::{AgentId, Pod, PodRequest, UserId};
use crate::service::{Failure, Service};

/// The scheduler's service functions.
struct Scheduler {
    nodes: Nodes,
    pods: Pods,
}

/// `swarm scheduler`.
pub async fn run(supervised: bool, listen: SocketAddr, directory: &Path) -> Result<(), Failure> {
    let service = Service::start("swarm-scheduler", supervised, |builder| builder)?;
    let scheduler = Arc::new(Scheduler { nodes: Nodes::of_the_example(), pods: Pods::in_directory(directory)? });
    let served = service.serve(listen, router(scheduler.clone())).await;
    scheduler.pods.stop_all().await;
    service.end();
    served
}

fn router(scheduler: Arc<Scheduler>) -> Router {
    Router::new()
        .route("/pods", post(create).get(list))
        .route("/pods/{agent_id}", delete(remove))
        .layer(obs_http::layer())
        .with_state(scheduler)
}

async fn create(
    State(scheduler): State<Arc<Scheduler>>,
    Json(request): Json<PodRequest>,
) -> Result<(StatusCode, Json<Pod>), ScheduleError> {
    Ok((StatusCode::CREATED, Json(scheduler.schedule_agent(&request.user_id, &request.agent_id, &request).await?)))
}

async fn list(State(scheduler): State<Arc<Scheduler>>) -> Json<Vec<Pod>> {
    Json(scheduler.pods.list())
}

async fn remove(
    State(scheduler): State<Arc<Scheduler>>,
    Caller(user_id): Caller,
    extract::Path(agent_id): extract::Path<AgentId>,
) -> Json<()> {
    scheduler.remove_pod(&user_id, &agent_id).await;
    Json(())
}

impl Scheduler {
    #[observed(user_id, agent_id)]
    async fn schedule_agent(
        &self,
        user_id: &UserId,
        agent_id: &AgentId,
        request: &PodRequest,
    ) -> Result<Pod, ScheduleError> {
        info!(image = request.spec.image, "Scheduling agent");
        let place = self.nodes.choose_node(&request.spec)?;
        images::pull_image(&request.spec.image).await?;
        let pod = self.pods.create_pod(user_id, agent_id, request, place, BTreeMap::new()).await?;
        info!(node = pod.node, "Agent scheduled");
        Ok(pod)
    }

    /// Removes a pod, if there is one: to ask twice does no harm.
    #[observed(user_id, agent_id)]
    async fn remove_pod(&self, user_id: &UserId, agent_id: &AgentId) {
        let found = self.pods.remove(agent_id).await;
        info!(found, "Pod removed");
    }
}
