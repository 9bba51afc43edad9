//! gRPC over a real connection: tonic's server and client in one trace.

use http::HeaderMap;
use obs_http::grpc::{GrpcLayer, GrpcService};
use obs_runtime::engine::SpanKind;
use obs_runtime::propagation::Trust;
use obs_runtime::testing::{Captured, capture_async};
use obs_runtime::{CallContext, Ended, RequestId, correlated, info, observed};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tower::ServiceBuilder;

const NAME: &str = "opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Any service will do. This one is there.
struct Answers(Option<Code>);

#[tonic::async_trait]
impl TraceService for Answers {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        assert!(request.extensions().get::<RequestId>().is_some());
        info!("serving");
        match self.0 {
            Some(code) => Err(Status::new(code, "no")),
            None => Ok(Response::new(ExportTraceServiceResponse::default())),
        }
    }
}

/// Serves each call where a capture can see it: tonic's tasks know of none.
#[derive(Clone)]
struct Within<S>(S, CallContext);

impl<S: tower::Service<R>, R> tower::Service<R> for Within<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = obs_runtime::InContext<S::Future>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let future = self.1.run(|| self.0.call(request));
        self.1.clone().around(future)
    }
}

async fn call(code: Option<Code>) -> Captured<Option<Code>> {
    capture_async(answer(code, obs_http::grpc::layer())).await
}

/// Calls a service that answers with `code`, behind this layer.
async fn answer(code: Option<Code>, layer: GrpcLayer) -> Option<Code> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let within = CallContext::current();
    let server = tonic::transport::Server::builder()
        .layer(tower::layer::layer_fn(move |inner| Within(inner, within.clone())))
        .layer(layer)
        .add_service(TraceServiceServer::new(Answers(code)))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    let server = tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URL");
    let channel = channel.connect().await.expect("it listens");
    let channel = ServiceBuilder::new().layer(obs_http::grpc::client_layer()).service(channel);
    let result = TraceServiceClient::new(channel).export(ExportTraceServiceRequest::default()).await;
    server.abort();
    let _ = server.await;
    result.err().map(|status| status.code())
}

/// A call on behalf of somebody.
#[correlated]
#[observed]
async fn on_behalf(headers: &HeaderMap, trust: Trust) -> Option<Code> {
    assert_eq!(headers.len(), 2);
    answer(None, obs_http::grpc::layer().trust(trust)).await
}

#[tokio::test]
async fn a_server_believes_as_much_as_it_is_told() {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("legal"));
    headers.insert("x-request-id", "r-17".parse().expect("legal"));
    for trust in [Trust::All, Trust::Ids, Trust::None] {
        let seen = capture_async(on_behalf(&headers, trust)).await;
        let of = |kind| seen.spans().iter().find(|span| span.name == NAME && span.kind == kind).expect("a span");
        let (client, server) = (of(SpanKind::Client), of(SpanKind::Server));
        assert_eq!(server.trace_id == client.trace_id, trust == Trust::All, "{trust:?}");
        assert_eq!(server.parent_id, (trust == Trust::All).then_some(client.span_id), "{trust:?}");
        let links: Vec<_> = server.links.iter().map(|link| link.span_id).collect();
        assert_eq!(links, if trust == Trust::Ids { vec![client.span_id] } else { Vec::new() }, "{trust:?}");
        let line = seen.logs().iter().find(|line| line["message"] == "serving").expect("a line");
        assert_eq!(line["request_id"] == "r-17", trust != Trust::None, "{line}");
    }
}

#[tokio::test]
async fn a_call_and_its_service_are_one_trace() {
    let seen = call(None).await;
    assert_eq!(seen.value, None);
    let of = |kind| seen.spans().iter().find(|span| span.name == NAME && span.kind == kind).expect("a span");
    let (client, server) = (of(SpanKind::Client), of(SpanKind::Server));
    assert_eq!((server.trace_id, server.parent_id), (client.trace_id, Some(client.span_id)));
    for span in [client, server] {
        assert_eq!(span.outcome, Some(Ended::Ok));
        assert_eq!(span.fields.get("rpc.system"), Some(&"grpc".into()));
        assert_eq!(span.fields.get("rpc.method"), Some(&"Export".into()));
        assert_eq!(span.fields.get("rpc.grpc.status_code"), Some(&0.into()));
    }
    let line = seen.logs().iter().find(|line| line["message"] == "serving").expect("a line");
    assert_eq!(line["span_id"], server.span_id.to_string());
    assert_eq!(line["request_id"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn a_call_that_reaches_nobody_is_for_its_caller_to_tell() {
    let seen = capture_async(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let channel = Channel::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
        let channel = ServiceBuilder::new().layer(obs_http::grpc::client_layer()).service(channel);
        export(TraceServiceClient::new(channel)).await
    })
    .await;

    #[obs_runtime::observed]
    async fn export(mut client: TraceServiceClient<GrpcService<Channel>>) -> Result<(), Status> {
        client.export(ExportTraceServiceRequest::default()).await.map(drop)
    }

    assert_eq!(seen.value.as_ref().map_err(Status::code), Err(Code::Unavailable));
    assert_eq!(seen.span(NAME).outcome, Some(Ended::Error));
    let errors: Vec<_> = seen.logs().iter().filter(|line| line["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["message"], "export failed");
    assert!(errors[0]["error"].as_str().is_some_and(|error| error.contains("tcp connect")), "{}", errors[0]);
}

#[tokio::test]
async fn what_is_an_error_depends_on_the_side() {
    for (code, on_server) in [(Code::NotFound, Ended::Ok), (Code::Internal, Ended::Error)] {
        let seen = call(Some(code)).await;
        assert_eq!(seen.value, Some(code));
        let of = |kind| seen.spans().iter().find(|span| span.kind == kind).expect("a span").outcome;
        assert_eq!((of(SpanKind::Client), of(SpanKind::Server)), (Some(Ended::Error), Some(on_server)), "{code:?}");
    }
}
