//! Control's view of the scheduler: gRPC, whose calls the layer of `obs-http` makes spans of and gives their context.

use http::StatusCode;
use obs_http::grpc::{self, GrpcService};
use obs_runtime::observed;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Layer;

use crate::call::CallError;
use crate::model::{AgentId, Pod, PodRequest, UserId};
use crate::rpc::{BadMessage, v1};

/// Calls the scheduler.
#[derive(Debug)]
pub(super) struct SchedulerClient {
    grpc: v1::scheduler_client::SchedulerClient<GrpcService<Channel>>,
}

impl SchedulerClient {
    /// The scheduler that listens at `url`. It is called when there is something to say to it, not before.
    pub(super) fn new(url: &str) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect_lazy();
        let channel = grpc::client_layer().layer(channel);
        Ok(SchedulerClient { grpc: v1::scheduler_client::SchedulerClient::new(channel) })
    }

    #[observed(user_id = request.user_id, agent_id = request.agent_id, name = "scheduler.schedule_agent")]
    pub(super) async fn schedule_agent(&self, request: PodRequest) -> Result<Pod, CallError> {
        let answer = self.grpc.clone().schedule_agent(v1::ScheduleAgentRequest::from(request)).await.map_err(failed)?;
        answer.into_inner().pod.ok_or(BadMessage::Missing("pod")).and_then(Pod::try_from).map_err(malformed)
    }

    #[observed(name = "scheduler.list_pods")]
    pub(super) async fn list_pods(&self) -> Result<Vec<Pod>, CallError> {
        let answer = self.grpc.clone().list_pods(v1::ListPodsRequest {}).await.map_err(failed)?;
        answer.into_inner().pods.into_iter().map(Pod::try_from).collect::<Result<_, _>>().map_err(malformed)
    }

    #[observed(user_id, agent_id, name = "scheduler.remove_pod")]
    pub(super) async fn remove_pod(&self, user_id: &UserId, agent_id: &AgentId) -> Result<(), CallError> {
        let request = v1::RemovePodRequest { agent_id: agent_id.to_string(), user_id: user_id.to_string() };
        self.grpc.clone().remove_pod(request).await.map_err(failed)?;
        Ok(())
    }
}

/// What the scheduler refused, in the words of HTTP.
fn failed(status: Status) -> CallError {
    let (answer, code) = match status.code() {
        Code::Unavailable => {
            return CallError::Unreachable { service: "scheduler", source: status.into() };
        }
        Code::ResourceExhausted => (StatusCode::SERVICE_UNAVAILABLE, "no_capacity"),
        Code::NotFound => (StatusCode::UNPROCESSABLE_ENTITY, "no_image"),
        Code::InvalidArgument => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Code::AlreadyExists => (StatusCode::CONFLICT, "conflict"),
        Code::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "late"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    CallError::Refused { status: answer, code: code.to_owned(), message: status.message().to_owned() }
}

fn malformed(mistake: BadMessage) -> CallError {
    CallError::Malformed { service: "scheduler", source: mistake.into() }
}
