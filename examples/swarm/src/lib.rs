//! The agent platform in small, as real processes: how a user of `obs-runtime` writes services.
//!
//! [`gateway`] → [`control`] → [`scheduler`] → [`agent`] do the work; [`collect`] receives their traces; [`drive`]
//! starts them all, sends them work and shows what their telemetry knows. [`service`] is where telemetry starts and ends. [`artifacts`]
//! writes what watches the platform.

pub mod cli;

pub mod agent;
pub mod control;
pub mod gateway;
pub mod scheduler;

pub mod artifacts;
pub mod collect;
pub mod drive;

pub mod call;
pub mod caller;
pub mod chat;
pub mod metrics;
pub mod model;
pub mod process;
pub mod rpc;
pub mod service;
pub mod store;
