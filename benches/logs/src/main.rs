//! What collecting and reading agent logs costs.
//!
//! `cargo run --release -p bench-logs -- LINES`: so many lines (by default ten million) of 50 agents are written to files as a
//! container runtime does, a third of them JSON, and collected into the embedded store; then they are read. The directory of the
//! temporary files (`TMPDIR`) must have room for about 500 bytes a line.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use obs_logs::{
    AgentId, BearerTokens, Collector, Direction, Embedded, Filter, Limits, LogsApi, PodName, Read, Retention, Start,
    TokenKey, UserId,
};
use tower::ServiceExt;

const AGENTS: usize = 50;
/// 2026-01-15T10:30:00Z.
const BEGIN: u64 = 1_768_473_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines: usize = std::env::args().nth(1).map_or(Ok(10_000_000), |lines| lines.parse())?;
    let root = tempfile::tempdir()?;
    let containers = root.path().join("containers");
    fs::create_dir(&containers)?;
    let written = write(&containers, lines)?;
    println!("{lines} lines of {AGENTS} agents, {:.0} bytes each in the files", written as f64 / lines as f64);

    let forever = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let retention = Retention::default().age(forever).bytes_per_agent(64 << 30);
    let directory = root.path().join("store");
    let store = Embedded::open(&directory, retention)?;
    collect(&containers, &store, lines)?;
    println!("the store has {:.2} bytes for each byte in the files", size(&directory)? as f64 / written as f64);
    drop(store);
    let begun = Instant::now();
    let store = Embedded::open(&directory, retention)?;
    println!("opened again in {:.1} ms", milliseconds(begun));

    tail(&store)?;
    scan(&store, lines)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let router = router(&store)?;
    runtime.block_on(requests(&router))?;
    runtime.block_on(follow(&router, &containers, &store))?;
    Ok(())
}

/// The files, a fiftieth of the lines in each.
fn write(containers: &Path, lines: usize) -> std::io::Result<u64> {
    let mut written = 0;
    for agent in 0..AGENTS {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(containers.join(name(agent)))?);
        let mut line = String::new();
        for n in 0..lines / AGENTS {
            line.clear();
            let (second, nanosecond) = (BEGIN + n as u64 / 100, n as u64 % 100 * 10_000_000);
            let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
            let _ = write!(line, "2026-01-15T{hour:02}:{minute:02}:{second:02}.{nanosecond:09}Z stdout F ");
            let _ = match n % 3 {
                0 => writeln!(
                    line,
                    r#"{{"timestamp":"2026-01-15T10:30:00Z","level":"info","message":"Processing user message {n}","trace_id":"0af7651916cd43dd8448eb211c80319c","session_id":"s-{agent}-{n}"}}"#
                ),
                _ => {
                    writeln!(line, "the agent thinks about message {n} of user u{agent} and says what it thinks of it")
                }
            };
            written += line.len() as u64;
            file.write_all(line.as_bytes())?;
        }
        file.flush()?;
    }
    Ok(written)
}

fn name(agent: usize) -> String {
    format!("agent-{agent}_swarm-agents_main-{agent:064x}.log")
}

fn collect(containers: &Path, store: &Embedded, lines: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (begun, processor) = (Instant::now(), processor_time()?);
    let collecting =
        Collector::of_directory(containers, PodName::with_prefix("agent-")).start(Arc::new(store.clone()))?;
    let mut memory = Vec::new();
    // The last line of each agent says that all are there.
    let last = |agent: usize| -> Result<u64, Box<dyn std::error::Error>> {
        let page = store.read_blocking(&read(agent, Direction::Backward, 1))?;
        Ok(page.found.first().map_or(0, |found| found.entry.seq))
    };
    for agent in 0..AGENTS {
        while last(agent)? < (lines / AGENTS) as u64 {
            std::thread::sleep(Duration::from_millis(200));
            memory.push(memory_now()?);
        }
    }
    let (wall, processor) = (begun.elapsed().as_secs_f64(), processor_time()? - processor);
    collecting.stop();
    memory.sort_unstable();
    println!(
        "collected {:.0} lines/s, {:.0} for each second of processor time; memory {} to {} MiB, median {}",
        lines as f64 / wall,
        lines as f64 / processor,
        memory.first().unwrap_or(&0) >> 20,
        memory.last().unwrap_or(&0) >> 20,
        memory.get(memory.len() / 2).unwrap_or(&0) >> 20,
    );
    Ok(())
}

fn tail(store: &Embedded) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for round in 0..1_000 {
        let begun = Instant::now();
        let page = store.read_blocking(&read(round * 7 % AGENTS, Direction::Backward, 100))?;
        times.push(milliseconds(begun));
        assert_eq!(page.found.len(), 100);
    }
    tell("tail=100 from the store", times);
    Ok(())
}

fn scan(store: &Embedded, lines: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut best = f64::MAX;
    for _ in 0..3 {
        let mut wish = read(1, Direction::Backward, 100);
        wish.filter = Filter { q: Some("no line has this".to_owned()), ..Filter::default() };
        let begun = Instant::now();
        loop {
            let page = store.read_blocking(&wish)?;
            assert!(page.found.is_empty());
            if page.done {
                break;
            }
            wish.start = Start::After(page.ended);
        }
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("q that is nowhere: {:.1} million lines/s", (lines / AGENTS) as f64 / best / 1e6);
    Ok(())
}

fn router(store: &Embedded) -> Result<Router, Box<dyn std::error::Error>> {
    let user = UserId::parse("u")?;
    let owners: HashMap<AgentId, UserId> = (0..=AGENTS)
        .map(|agent| Ok((AgentId::parse(&agent.to_string())?, user.clone())))
        .collect::<Result<_, obs_logs::InvalidId>>()?;
    let tokens = BearerTokens::new().with("secret", user);
    let limits = Limits::default().requests(1_000_000, 1_000_000);
    Ok(LogsApi::new(Arc::new(store.clone()), tokens, owners, TokenKey::random()?).limits(limits).router())
}

fn request(path: &str) -> Result<Request<Body>, http::Error> {
    Request::get(path).header("authorization", "Bearer secret").body(Body::empty())
}

async fn requests(router: &Router) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for round in 0..1_000 {
        let path = format!("/v1/agents/{}/logs?tail=100", round * 7 % AGENTS);
        let begun = Instant::now();
        let response = router.clone().oneshot(request(&path)?).await?;
        let body = response.into_body().collect().await?.to_bytes();
        times.push(milliseconds(begun));
        assert!(body.len() > 1_000);
    }
    tell("tail=100 as a request, with its JSON", times);
    Ok(())
}

/// From the write to the file until the follower has the event.
async fn follow(router: &Router, containers: &Path, store: &Embedded) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = File::create(containers.join(name(AGENTS)))?;
    let collecting =
        Collector::of_directory(containers, PodName::with_prefix("agent-")).start(Arc::new(store.clone()))?;
    let path = format!("/v1/agents/{AGENTS}/logs?follow=1&tail=0");
    let mut body = router.clone().oneshot(request(&path)?).await?.into_body();
    let mut times = Vec::new();
    for n in 0..201 {
        let begun = Instant::now();
        writeln!(file, "2026-01-15T10:30:00.{n:09}Z stdout F tick {n}")?;
        let event = loop {
            let frame = body.frame().await.ok_or("the stream ended")??;
            let text = String::from_utf8_lossy(frame.data_ref().ok_or("a frame without data")?).into_owned();
            if text.contains("data:") {
                break text;
            }
        };
        assert!(event.contains(&format!("tick {n}\"")), "{event}");
        // The first finds the collector still opening the files of the others.
        if n > 0 {
            times.push(milliseconds(begun));
        }
        tokio::time::sleep(Duration::from_millis(5 + n % 30)).await;
    }
    tell("from a write to its follower", times);
    collecting.stop();
    Ok(())
}

fn read(agent: usize, direction: Direction, limit: usize) -> Read {
    let agent = AgentId::parse(&agent.to_string()).expect("a number is an id");
    Read { agent, filter: Filter::default(), start: Start::Outside, direction, limit }
}

fn tell(what: &str, mut times: Vec<f64>) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{what}: minimum {:.3} ms, median {:.3}, 99th percentile {:.3}, maximum {:.3}",
        at(0),
        at(50),
        at(99),
        at(100)
    );
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn size(directory: &Path) -> std::io::Result<u64> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Seconds of processor time of this process, user and system, in ticks of a hundredth.
fn processor_time() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit_once(')').ok_or("no name")?.1.split(' ').collect();
    Ok((fields[12].parse::<f64>()? + fields[13].parse::<f64>()?) / 100.0)
}

/// Bytes that are resident.
fn memory_now() -> Result<u64, Box<dyn std::error::Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).ok_or("no size")?.parse::<u64>()? * 4096)
}
