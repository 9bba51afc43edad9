//! The texts as others read them: the strict parsers of `prometheus_client`, and a real Prometheus.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use obs_runtime::metrics::{encode, encode_openmetrics};
use obs_runtime::{
    Counter, Gauge, Histogram, Info, LabelSet, LabelValue, MetricSet, ObservabilityConfig, StateMachine, Telemetry,
    Tracked, observed,
};

#[derive(LabelValue)]
#[label(max = 1_000)]
pub struct Text(String);

#[derive(LabelSet)]
pub struct Texts {
    text: Text,
    other: Text,
}

#[derive(MetricSet)]
pub struct Read {
    /// Things that were \read\ by "others".
    read_things_total: Counter<Texts>,
    /// How long reading took.
    read_duration_seconds: Histogram<Texts>,
    /// How large things are.
    #[metric(buckets = [0.00001, 1.0, 1e6, 1e9])]
    read_size_bytes: Histogram,
    /// How hot it is.
    read_celsius: Gauge,
    /// A published name.
    #[metric(allow(naming))]
    read_users_count: Gauge<Texts>,
    /// A published name that counts.
    #[metric(allow(naming))]
    read_events: Counter,
    /// What reads.
    read_info: Info<Texts>,
}

#[derive(StateMachine)]
#[state_machine(name = "reader", label = "status")]
enum Reader {
    #[initial]
    #[to(Asleep)]
    Awake,
    #[to(Awake)]
    Asleep,
}

#[observed]
fn read_all(sound: bool) -> Result<(), String> {
    if sound { Ok(()) } else { Err("torn".to_owned()) }
}

fn texts(text: &str, other: &str) -> Texts {
    Texts { text: Text(text.to_owned()), other: Text(other.to_owned()) }
}

const HOSTILE: [&str; 7] = ["", "a\"b\\c\nd", "\u{0}\r\t", "é🦀", "},le=\"1\"", "_other", " # {a=\"b\"} 1"];

/// Once for the tests of this file: they look at the same process.
fn fill() {
    static FILLED: Once = Once::new();
    FILLED.call_once(fill_once);
}

fn fill_once() {
    let set = Read::global();
    for text in HOSTILE {
        set.read_things_total.with(texts(text, "x")).add(2);
        set.read_duration_seconds.with(texts("x", text)).observe(0.3);
        set.read_users_count.with(texts(text, text)).set(-1.5);
    }
    set.read_size_bytes.observe(5e5);
    set.read_celsius.set(f64::NEG_INFINITY);
    set.read_events.add(3);
    set.read_info.set(texts("v", "w"));
    let mut reader = Tracked::new(Reader::Awake);
    reader.transition(Reader::Asleep).unwrap();
    let _ = (read_all(true), read_all(false));
}

/// Reads both texts with the parser that is strict, and tells what it has read.
const PARSE: &str = r#"
import json, sys
from prometheus_client import parser, openmetrics
from prometheus_client.openmetrics import parser as strict
text, open_text = json.load(sys.stdin)
def samples(families):
    return [[f.name, f.type, s.name, sorted(s.labels.items()), repr(float(s.value))] for f in families for s in f.samples]
json.dump([samples(parser.text_string_to_metric_families(text)),
           samples(strict.text_string_to_metric_families(open_text))], sys.stdout)
"#;

fn parsed(text: &str, open: &str) -> Option<[Vec<serde_json::Value>; 2]> {
    let python = tests::python("prometheus_client")?;
    let mut child =
        Command::new(python).args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = serde_json::to_string(&[text, open]).unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the parser refuses:\n{open}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_strict_parsers_of_prometheus_client_read_both_formats() {
    fill();
    let (text, open) = (encode(), encode_openmetrics());
    let Some([classic, strict]) = parsed(&text, &open) else { return };
    let has =
        |samples: &[serde_json::Value], family: &str, kind: &str, name: &str, labels: &[(&str, &str)], value: &str| {
            let labels: Vec<_> = labels.iter().map(|(name, value)| serde_json::json!([name, value])).collect();
            let wanted = serde_json::json!([family, kind, name, labels, value]);
            assert!(samples.contains(&wanted), "{wanted} is not in {samples:#?}");
        };
    for hostile in HOSTILE {
        let labels = [("other", "x"), ("text", hostile)];
        for samples in [&classic, &strict] {
            has(samples, "read_things", "counter", "read_things_total", &labels, "2.0");
            let labels = [("le", "0.5"), ("other", hostile), ("text", "x")];
            let name = "read_duration_seconds_bucket";
            has(samples, "read_duration_seconds", "histogram", name, &labels, "1.0");
            let labels = [("other", hostile), ("text", hostile)];
            has(samples, "read_users_count", "gauge", "read_users_count", &labels, "-1.5");
        }
    }
    for (le, count) in [("1e-05", "0.0"), ("1.0", "0.0"), ("1e+06", "1.0"), ("1e+09", "1.0"), ("+Inf", "1.0")] {
        has(&strict, "read_size_bytes", "histogram", "read_size_bytes_bucket", &[("le", le)], count);
    }
    has(&strict, "read_celsius", "gauge", "read_celsius", &[], "-inf");
    has(&strict, "read_events", "unknown", "read_events", &[], "3.0");
    has(&strict, "read", "info", "read_info", &[("other", "w"), ("text", "v")], "1.0");
    has(&classic, "read_info", "gauge", "read_info", &[("other", "w"), ("text", "v")], "1.0");
    has(&strict, "readers_total", "gauge", "readers_total", &[("status", "awake")], "0.0");
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    assert!(strict.iter().any(|sample| sample[2] == "read_size_bytes_created"), "{strict:?}");
}

struct Stops(Child);

impl Drop for Stops {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of the answer, by the plainest of clients.
fn get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: test\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_a_service_and_answers_for_its_metrics() {
    let Some(program) = tests::engine("prometheus") else { return };
    fill();
    let config = ObservabilityConfig {
        metrics_address: [127, 0, 0, 1].into(),
        metrics_port: 0,
        admin_port: 0,
        ..ObservabilityConfig::default()
    };
    let telemetry = Telemetry::builder("scraped").config(config).log_writer(std::io::sink()).build().unwrap();
    let server = telemetry.serve().await.unwrap();

    let dir = std::env::temp_dir().join(format!("obs-prometheus-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let target = server.metrics_addr();
    std::fs::write(
        dir.join("prometheus.yml"),
        format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: scraped, static_configs: [{{targets: ['{target}']}}]}}]\n"
        ),
    )
    .unwrap();
    // A port that was free a moment ago: the program takes none of its own choice.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(program)
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={addr}"))
        .arg("--log.level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stops = Stops(child);

    let until = Instant::now() + Duration::from_secs(60);
    for (query, value) in [
        ("up", "1"),
        ("sum(read_things_total)", "14"),
        ("sum(read_duration_seconds_count)", "7"),
        ("read_size_bytes_bucket{le=\"1e%2B06\"}", "1"),
        ("read_celsius", "-Inf"),
        ("read_events", "3"),
        ("count(read_info{text=\"v\"})", "1"),
        ("readers_total{status=\"awake\"}", "0"),
        ("sum(reader_state_transitions_total)", "1"),
        ("count(obs_build_info)", "1"),
    ] {
        let path = format!("/api/v1/query?query={}", query.replace(' ', "%20").replace('"', "%22"));
        loop {
            let answer = tokio::task::spawn_blocking({
                let path = path.clone();
                move || get(addr, &path)
            });
            let answer = answer.await.unwrap().unwrap_or_default();
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
            if answer["data"]["result"][0]["value"][1] == value {
                break;
            }
            assert!(Instant::now() < until, "{query} is not {value}: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(stops);
    let _ = std::fs::remove_dir_all(dir);
}
