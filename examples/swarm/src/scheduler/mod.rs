//! Places agents on nodes and runs their pods, for who asks over gRPC.

mod error;
mod images;
mod kubelet;
mod nodes;
mod pods;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use obs_runtime::{info, observed};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use self::error::ScheduleError;
use self::nodes::Nodes;
use self::pods::Pods;
use crate::model::{AgentId, Pod, PodRequest, UserId};
use crate::rpc::v1::scheduler_server::SchedulerServer;
use crate::rpc::{BadMessage, v1};
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
    Routes::new(SchedulerServer::new(Calls(scheduler))).into_axum_router().layer(obs_http::grpc::layer())
}

/// What control may call.
struct Calls(Arc<Scheduler>);

#[tonic::async_trait]
impl v1::scheduler_server::Scheduler for Calls {
    async fn schedule_agent(
        &self,
        request: Request<v1::ScheduleAgentRequest>,
    ) -> Result<Response<v1::ScheduleAgentResponse>, Status> {
        let request = PodRequest::try_from(request.into_inner()).map_err(refused)?;
        let pod = self.0.schedule_agent(&request.user_id, &request.agent_id, &request).await?;
        Ok(Response::new(v1::ScheduleAgentResponse { pod: Some(pod.into()) }))
    }

    async fn remove_pod(
        &self,
        request: Request<v1::RemovePodRequest>,
    ) -> Result<Response<v1::RemovePodResponse>, Status> {
        let request = request.into_inner();
        let user_id = request.user_id.parse().map_err(refused)?;
        let agent_id = request.agent_id.parse().map_err(refused)?;
        Ok(Response::new(v1::RemovePodResponse { found: self.0.remove_pod(&user_id, &agent_id).await }))
    }

    async fn list_pods(&self, _: Request<v1::ListPodsRequest>) -> Result<Response<v1::ListPodsResponse>, Status> {
        let pods = self.0.pods.list().into_iter().map(v1::Pod::from).collect();
        Ok(Response::new(v1::ListPodsResponse { pods }))
    }
}

fn refused(mistake: impl Into<BadMessage>) -> Status {
    Status::invalid_argument(mistake.into().to_string())
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

    /// Removes a pod; says whether there was one. To ask twice does no harm.
    #[observed(user_id, agent_id)]
    async fn remove_pod(&self, user_id: &UserId, agent_id: &AgentId) -> bool {
        let found = self.pods.remove(agent_id).await;
        info!(found, "Pod removed");
        found
    }
}
