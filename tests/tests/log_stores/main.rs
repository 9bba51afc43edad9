//! What every store of logs does alike, looked at through its interface; then what each does in its own way.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[macro_use]
mod suite;

#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod embedded;
mod fake_loki;
mod loki;
