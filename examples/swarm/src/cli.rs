//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::model::{AgentId, UserId};

/// The agent platform in small. Without a command it starts everything, drives a workload and shows what telemetry
/// knows of it.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Which part to run
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Stop when standard input is closed
    #[arg(long, global = true, hide = true)]
    pub supervised: bool,
    #[command(flatten)]
    pub drive: Drive,
}

/// Options of plain `swarm`.
#[derive(Clone, Debug, Args)]
pub struct Drive {
    /// Keep everything up after the workload and print the URLs
    #[arg(long)]
    pub stay: bool,
    /// Print raw lines: spans, log lines and samples as JSON
    #[arg(long)]
    pub json: bool,
    /// Keep logs, manifests and the database in this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub deadline: u64,
}

/// Where control finds the logs of agents, and who may ask.
#[derive(Clone, Debug, Args)]
pub struct AgentLogs {
    /// The nodes' directory of container logs; users read their agents' part of it
    #[arg(long, value_name = "DIRECTORY", required = false, requires = "tokens")]
    pub containers: PathBuf,
    /// A JSON file of users and their tokens
    #[arg(long, value_name = "FILE", required = false, requires = "containers")]
    pub tokens: PathBuf,
}

/// The parts of the platform.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The public HTTP API
    Gateway {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where control is
        #[arg(long, value_name = "URL")]
        control: String,
    },
    /// Keeps agents and who owns them
    Control {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where the scheduler is
        #[arg(long, value_name = "URL")]
        scheduler: String,
        /// The database
        #[arg(long, value_name = "PATH")]
        database: PathBuf,
        #[command(flatten)]
        agent_logs: Option<AgentLogs>,
    },
    /// Places agents and runs their pods
    Scheduler {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where manifests and the logs of agents go
        #[arg(long)]
        directory: PathBuf,
    },
    /// One agent; started by the scheduler
    Agent {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Its id
        #[arg(long)]
        agent_id: AgentId,
        /// Whose it is
        #[arg(long)]
        user_id: UserId,
        /// The manifest of its pod
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
    },
    /// Receives traces over OTLP and shows them as trees
    Collect {
        /// Where to take OTLP over gRPC
        #[arg(long, default_value = "127.0.0.1:0")]
        listen_otlp: SocketAddr,
        /// Where to show what was received
        #[arg(long, default_value = "127.0.0.1:0")]
        listen_http: SocketAddr,
    },
    /// What watches the platform: alerts, dashboards, pipelines
    Artifacts {
        /// What to do with them
        #[command(subcommand)]
        command: ArtifactsCommand,
    },
}

/// What can be done with the files of `swarm artifacts`.
#[derive(Debug, Subcommand)]
pub enum ArtifactsCommand {
    /// Writes them
    Write {
        /// Where
        directory: PathBuf,
    },
    /// Says whether a directory has them as they would be written
    Check {
        /// Which
        directory: PathBuf,
    },
}
