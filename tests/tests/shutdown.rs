//! The end of the runtime is in time, whatever the collector does and wherever it is asked for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use obs_runtime::config::{ObservabilityConfig, OtlpProtocol};
use obs_runtime::{Report, Telemetry, info_span};

const DEADLINE: Duration = Duration::from_millis(150);
/// How much longer than the deadline it may take.
const GRACE: Duration = Duration::from_millis(100);

/// Collectors that are of no use; the threads of some end with the process.
#[derive(Clone, Copy, Debug)]
enum Collector {
    /// Nobody listens.
    Gone,
    /// Connections are made, and nothing is said.
    Silent,
    /// Something is said, a byte now and then, that is never an answer.
    Dripping,
    /// Connections are closed as soon as they are made.
    Closing,
}

const COLLECTORS: [Collector; 4] = [Collector::Gone, Collector::Silent, Collector::Dripping, Collector::Closing];

impl Collector {
    /// Where it is.
    fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        match self {
            Collector::Gone => drop(listener),
            Collector::Silent => std::mem::forget(listener),
            Collector::Dripping => drop(thread::spawn(move || {
                for stream in listener.incoming() {
                    thread::spawn(move || {
                        let mut stream = stream?;
                        stream.set_read_timeout(Some(Duration::from_millis(10)))?;
                        loop {
                            let _ = stream.read(&mut [0; 4096]);
                            stream.write_all(b"H")?;
                        }
                        #[allow(unreachable_code)]
                        std::io::Result::Ok(())
                    });
                }
            })),
            Collector::Closing => drop(thread::spawn(move || listener.incoming().for_each(drop))),
        }
        format!("http://{address}")
    }

    /// A runtime that has accepted ten spans for it.
    fn telemetry(self, protocol: OtlpProtocol) -> Telemetry {
        let config = ObservabilityConfig {
            otlp_endpoint: Some(self.start()),
            otlp_protocol: protocol,
            otlp_delay: Duration::from_millis(1),
            ..ObservabilityConfig::default()
        };
        let telemetry =
            Telemetry::builder("ends").config(config).log_writer(std::io::sink()).build().expect("nothing is wrong");
        telemetry.in_scope(|| (0..10).for_each(|_| drop(info_span!("work").entered())));
        telemetry
    }
}

#[track_caller]
fn ends(telemetry: &Telemetry) -> Report {
    let begin = Instant::now();
    let report = telemetry.shutdown(DEADLINE);
    let took = begin.elapsed();
    assert!(took < DEADLINE + GRACE, "{took:?}");
    assert_eq!((report.spans_sent, report.spans_lost), (0, 10));
    report
}

#[test]
fn without_a_runtime_and_twice() {
    for collector in COLLECTORS {
        for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
            let telemetry = collector.telemetry(protocol);
            let first = ends(&telemetry);
            let begin = Instant::now();
            let second = ends(&telemetry);
            assert!(begin.elapsed() < GRACE, "{:?}", begin.elapsed());
            assert_eq!(first.lines_lost, second.lines_lost, "{collector:?}, {protocol:?}");
        }
    }
}

#[test]
fn inside_async_on_one_thread_and_on_several() {
    let runtimes = [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
        .map(|mut builder| builder.enable_all().build().expect("a runtime"));
    for runtime in &runtimes {
        for collector in COLLECTORS {
            runtime.block_on(async {
                let telemetry = collector.telemetry(OtlpProtocol::Grpc);
                tokio::task::yield_now().await;
                ends(&telemetry);
            });
            runtime.block_on(async {
                let spawned = tokio::spawn(async move { ends(&collector.telemetry(OtlpProtocol::HttpProtobuf)) });
                spawned.await.expect("no panic");
            });
        }
    }
}
