//! The receiver: another process, which counts the spans that arrive.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use prost::Message;
use prost::bytes::Bytes;
use tonic::codegen::{Body, BoxFuture, Context, Poll, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

static SPANS: AtomicU64 = AtomicU64::new(0);

/// What it reads of an `ExportTraceServiceRequest`: where each span begins and ends. It has the processors of who sends, so
/// reading the spans themselves would measure that.
#[derive(Clone, PartialEq, Message)]
struct Spans {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<OfResource>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<OfScope>,
}

#[derive(Clone, PartialEq, Message)]
struct OfScope {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    spans: Vec<Bytes>,
}

#[derive(Clone)]
struct Counts;

impl NamedService for Counts {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl<B> Service<http::Request<B>> for Counts
where
    B: Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async {
            let codec = ProstCodec::<(), Spans>::default();
            Ok(Grpc::new(codec).apply_max_message_size_config(Some(64 << 20), None).unary(Counts, request).await)
        })
    }
}

impl UnaryService<Spans> for Counts {
    type Response = ();
    type Future = std::future::Ready<Result<Response<()>, Status>>;

    fn call(&mut self, request: Request<Spans>) -> Self::Future {
        let scopes = request.get_ref().resources.iter().flat_map(|resource| &resource.scopes);
        SPANS.fetch_add(scopes.map(|scope| scope.spans.len() as u64).sum(), Relaxed);
        std::future::ready(Ok(Response::new(())))
    }
}

/// Tells its port, then how many spans there were for each line that it reads.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        println!("{}", incoming.local_addr().expect("an address").port());
        thread::spawn(|| {
            for _ in io::stdin().lock().lines() {
                println!("{}", SPANS.load(Relaxed));
            }
            std::process::exit(0);
        });
        tonic::transport::Server::builder()
            .add_service(Counts)
            .serve_with_incoming(incoming)
            .await
            .expect("it serves");
    });
}

pub struct Receiver {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub url: String,
}

impl Receiver {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg("--receiver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let asked = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut receiver = Receiver { child, asked, answers, url: String::new() };
        receiver.url = format!("http://127.0.0.1:{}", receiver.answer());
        receiver
    }

    fn answer(&mut self) -> u64 {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.trim().parse().expect("a number")
    }

    /// How many spans have arrived.
    pub fn spans(&mut self) -> u64 {
        self.asked.write_all(b"\n").expect("it listens");
        self.answer()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
