//! `obs-artifacts`: what a service's telemetry costs, and what breaks between two versions of its catalogue.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use clap::{Parser, Subcommand};
use obs_artifacts::catalogue::Published;
use obs_artifacts::estimate::{Prices, Reading, Source, estimate};

type Failure = Box<dyn Error + Send + Sync>;

/// What watches a service, out of the types of its metrics. The files themselves are written by a program of yours, with the
/// library of the same name.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What logs, metrics and traces of running services weigh a day and cost a month, beside what was planned
    Estimate {
        /// `/metrics` of a service; may be given again
        #[arg(long, value_name = "URL", required = true)]
        from: Vec<String>,
        /// `/metrics` of an agent; may be given again
        #[arg(long, value_name = "URL")]
        agent: Vec<String>,
        /// Measure over so many seconds, in the place of since the processes began
        #[arg(long, value_name = "SECONDS")]
        over: Option<u64>,
        /// Sizes, prices and plans, in TOML
        #[arg(long, value_name = "FILE")]
        prices: Option<PathBuf>,
    },
    /// What is different between two versions of `catalogue.json`; ends with 1 if something breaks
    Diff {
        /// The version that is asked today
        old: PathBuf,
        /// The version that shall take its place
        new: PathBuf,
    },
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Estimate { from, agent, over, prices } => tell_estimate(&from, &agent, over, prices.as_deref()),
        Command::Diff { old, new } => tell_changes(&old, &new),
    };
    ended.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::from(2)
    })
}

fn tell_estimate(
    services: &[String],
    agents: &[String],
    over: Option<u64>,
    prices: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let prices = match prices {
        Some(path) => toml::from_str(&read(path)?).map_err(|err| format!("{}: {err}", path.display()))?,
        None => Prices::default(),
    };
    let urls = services.iter().map(|url| (Source::Service, url)).chain(agents.iter().map(|url| (Source::Agent, url)));
    let mut first = Vec::new();
    for (source, url) in urls {
        first.push((source, url, fetch(url)?, Instant::now()));
    }
    if let Some(seconds) = over {
        thread::sleep(Duration::from_secs(seconds));
    }
    let mut readings = Vec::new();
    for (source, url, page, at) in first {
        let reading = match over {
            Some(_) => Reading::between(&page, &fetch(url)?, at.elapsed().as_secs_f64()),
            None => Reading::of_page(&page, SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64()),
        };
        readings.push((source, reading));
    }
    println!("{}", estimate(&readings, &prices));
    Ok(ExitCode::SUCCESS)
}

fn tell_changes(old: &Path, new: &Path) -> Result<ExitCode, Failure> {
    let catalogue = |path: &Path| -> Result<Published, Failure> {
        Published::from_json(&read(path)?).map_err(|err| format!("{}: {err}", path.display()).into())
    };
    let changes = catalogue(old)?.changes(&catalogue(new)?)?;
    for change in &changes {
        println!("{change}");
    }
    Ok(ExitCode::from(u8::from(changes.iter().any(|change| change.breaking))))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()).into())
}

/// A page of metrics, in the text format.
fn fetch(url: &str) -> Result<String, Failure> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().new_agent();
    let page = agent
        .get(url)
        .header("accept", "text/plain;version=0.0.4")
        .call()
        .and_then(|mut page| page.body_mut().read_to_string());
    page.map_err(|err| format!("{url}: {err}").into())
}
