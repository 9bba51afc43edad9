//! Annotated, with the toolkit under another name: said in each attribute, or once at the root.
#![deny(warnings, missing_docs)]
#![forbid(unsafe_code)]

extern crate telemetry as obs_runtime;

use telemetry::{observe, observed, record};

/// Says it itself.
#[observed(n, late(half), crate = telemetry)]
pub fn by_path(n: u32) -> u32 {
    record!(half = n / 2);
    observe!("inner"; { n + 1 })
}

/// Leaves it to the root.
#[observed(n)]
pub async fn by_alias(n: u32) -> u32 {
    n + 1
}
