//! Spans over TLS: to whom the certificate says, and to nobody else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use obs_runtime::config::{ObservabilityConfig, OtlpProtocol};
use obs_runtime::{Report, Telemetry, info_span};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// A certificate that vouches for itself, and its key, in files.
struct Signed {
    certificate: PathBuf,
    key: PathBuf,
}

impl Signed {
    fn new(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let file = |ending: &str, text: String| {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{ending}"));
            std::fs::write(&path, text).expect("writable");
            path
        };
        Signed { certificate: file("crt", cert.pem()), key: file("key", KeyPair::serialize_pem(&signing_key)) }
    }

    fn pem(&self) -> [Vec<u8>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::read(path).expect("written"))
    }
}

#[derive(Clone, Default)]
struct Taken(Arc<AtomicUsize>);

#[tonic::async_trait]
impl TraceService for Taken {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.get_ref().resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        self.0.fetch_add(spans.map(|scope| scope.spans.len()).sum(), Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector behind this certificate, that asks for `client` if it is given. It ends with the process.
fn over_grpc(server: &Signed, client: Option<&Signed>) -> (SocketAddr, Taken) {
    let (taken, [certificate, key]) = (Taken::default(), server.pem());
    let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    if let Some(client) = client {
        tls = tls.client_ca_root(Certificate::from_pem(&client.pem()[0]));
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let service = TraceServiceServer::new(taken.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            listener.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
            let server = Server::builder().tls_config(tls).expect("a certificate").add_service(service);
            server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)).await
        })
    });
    (address, taken)
}

/// The same over HTTP: it takes whatever comes, and counts requests.
fn over_http(server: &Signed) -> (SocketAddr, Taken) {
    use rustls::pki_types::pem::PemObject;
    let taken = Taken::default();
    let requests = taken.clone();
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(&server.certificate).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&server.key).expect("written");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, requests) = (Arc::clone(&config), requests.clone());
            std::thread::spawn(move || {
                let session = rustls::ServerConnection::new(config).expect("a configuration");
                let mut stream = rustls::StreamOwned::new(session, stream?);
                let mut seen = Vec::new();
                let mut part = [0; 4096];
                // The body is short, and comes with or right behind the head.
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = stream.read(&mut part)?;
                    seen.extend_from_slice(&part[..read]);
                }
                requests.0.fetch_add(1, Relaxed);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
                stream.flush()
            });
        }
    });
    (address, taken)
}

fn sent(address: SocketAddr, change: impl FnOnce(&mut ObservabilityConfig)) -> Report {
    let mut config = ObservabilityConfig {
        otlp_endpoint: Some(format!("https://localhost:{}", address.port())),
        otlp_timeout: Duration::from_secs(1),
        ..ObservabilityConfig::default()
    };
    change(&mut config);
    let telemetry =
        Telemetry::builder("secret").config(config).log_writer(std::io::sink()).build().expect("nothing is wrong");
    telemetry.in_scope(|| drop(info_span!("work").entered()));
    telemetry.shutdown(Duration::from_secs(60))
}

#[test]
fn spans_go_to_a_collector_whose_certificate_is_known() {
    let server = Signed::new("grpc");
    let (address, taken) = over_grpc(&server, None);
    let report = sent(address, |config| config.otlp_certificate = Some(server.certificate.clone()));
    assert_eq!((report.spans_sent, report.spans_lost, taken.0.load(Relaxed)), (1, 0, 1), "{report:?}");

    let server = Signed::new("http");
    let (address, taken) = over_http(&server);
    let report = sent(address, |config| {
        config.otlp_certificate = Some(server.certificate.clone());
        config.otlp_protocol = OtlpProtocol::HttpProtobuf;
    });
    assert_eq!((report.spans_sent, report.spans_lost, taken.0.load(Relaxed)), (1, 0, 1), "{report:?}");
}

#[test]
fn nothing_goes_to_one_that_is_not_and_it_says_why() {
    let (server, other) = (Signed::new("server"), Signed::new("other"));
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
        let (address, taken) = match protocol {
            OtlpProtocol::Grpc => over_grpc(&server, None),
            _ => over_http(&server),
        };
        let report = sent(address, |config| {
            config.otlp_certificate = Some(other.certificate.clone());
            config.otlp_protocol = protocol;
        });
        assert_eq!((report.spans_sent, report.spans_lost, taken.0.load(Relaxed)), (0, 1, 0));
        assert!(report.problems[0].contains("certificate"), "{report:?}");
    }
}

#[test]
fn a_collector_that_asks_who_we_are_is_told() {
    let (server, client) = (Signed::new("asking"), Signed::new("client"));
    let (address, taken) = over_grpc(&server, Some(&client));
    let report = sent(address, |config| {
        config.otlp_certificate = Some(server.certificate.clone());
        config.otlp_client_certificate = Some(client.certificate.clone());
        config.otlp_client_key = Some(client.key.clone());
    });
    assert_eq!((report.spans_sent, report.spans_lost, taken.0.load(Relaxed)), (1, 0, 1), "{report:?}");
    let report = sent(address, |config| config.otlp_certificate = Some(server.certificate.clone()));
    assert_eq!((report.spans_sent, report.spans_lost, taken.0.load(Relaxed)), (0, 1, 1), "nobody in particular");
}
