//! Annotated without a dependency on the toolkit.
#![no_implicit_prelude]
#![deny(warnings, missing_docs)]
#![forbid(unsafe_code)]

use ::facade::telemetry::{Classify, LabelSet, LabelValue, MetricSet, StateMachine};
use ::facade::{observe, observed, record};
use ::std::prelude::v1::derive;

/// An error that says how bad it is.
#[derive(Classify)]
#[classify(level = "warn", kind = "zero", crate = ::facade::telemetry)]
pub struct Zero;

/// Whether it went well.
#[derive(LabelValue)]
#[label(crate = ::facade::telemetry)]
pub enum Went {
    /// It did.
    Well,
    /// It did not.
    Wrong,
}

/// The labels of the counter.
#[derive(LabelSet)]
#[label_set(crate = ::facade::telemetry)]
pub struct Labels {
    went: Went,
}

/// What is counted.
#[derive(MetricSet)]
#[metric_set(prefix = "beside", crate = ::facade::telemetry)]
pub struct Metrics {
    /// Divisions.
    pub divisions_total: ::facade::telemetry::Counter<Labels>,
}

/// The states of a door.
#[derive(StateMachine, ::std::clone::Clone, ::std::marker::Copy)]
#[state_machine(name = "door", crate = ::facade::telemetry)]
pub enum Door {
    /// It can be passed.
    #[initial]
    #[to(Shut)]
    Open,
    /// It cannot.
    #[terminal]
    Shut,
}

/// Divides, and counts it.
#[observed(by, late(remainder), crate = ::facade::telemetry)]
pub async fn divide(n: u32, by: u32) -> ::std::result::Result<u32, Zero> {
    let metrics = <Metrics as MetricSet>::global();
    if by == 0 {
        metrics.divisions_total.with(Labels { went: Went::Wrong }).inc();
        return ::std::result::Result::Err(Zero);
    }
    record!(remainder = n % by);
    metrics.divisions_total.with(Labels { went: Went::Well }).inc();
    ::std::result::Result::Ok(observe!("quotient", by; { n / by }))
}

::facade::doubling!(double_of);

/// Doubles.
#[must_use]
pub fn double(n: u32) -> u32 {
    double_of(n)
}
