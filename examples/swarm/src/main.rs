//! One binary: the services of the platform, and what drives them.

use std::process::ExitCode;

use clap::Parser;
use swarm::cli::{Cli, Command};
use swarm::service::Failure;
use swarm::{agent, artifacts, collect, control, drive, gateway, scheduler};

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command, supervised, drive } = Cli::parse();
    let ended = match command {
        None => drive::run(drive).await,
        Some(Command::Gateway { listen, control }) => gateway::run(supervised, listen, &control).await,
        Some(Command::Control { listen, scheduler, database, agent_logs }) => {
            control::run(supervised, listen, &database, &scheduler, agent_logs).await
        }
        Some(Command::Scheduler { listen, directory }) => scheduler::run(supervised, listen, &directory).await,
        Some(Command::Agent { listen, agent_id, user_id, manifest }) => {
            agent::run(supervised, listen, agent_id, user_id, &manifest).await
        }
        Some(Command::Artifacts { command }) => artifacts::run(command),
        Some(Command::Collect { listen_otlp, listen_http }) => collect::run(supervised, listen_otlp, listen_http).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(match failure {
                Failure::Config(_) => 2,
                Failure::Other(_) => 1,
            })
        }
    }
}
