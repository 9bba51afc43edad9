//! The receiver: another process, which counts the spans that it decodes by the official definitions.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

static SPANS: AtomicU64 = AtomicU64::new(0);

struct Counts;

#[tonic::async_trait]
impl TraceService for Counts {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_ref().resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        SPANS.fetch_add(scopes.map(|scope| scope.spans.len() as u64).sum(), Relaxed);
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
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
        let service = TraceServiceServer::new(Counts).max_decoding_message_size(64 << 20);
        tonic::transport::Server::builder()
            .add_service(service)
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
