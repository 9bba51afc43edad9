//! `#[observed]` on every shape of function: what comes out, and that the function is the plain one otherwise.

mod among_other_macros;
mod asyncs;
mod fields;
mod outcomes;
mod records;
mod shapes;
mod twins;

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::{Captured, capture};
use obs_runtime::{info, observed, record};
use serde_json::json;

/// Polls a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// `name{field=value} outcome`, a line a span, in the order in which they ended.
fn spans<T>(seen: &Captured<T>) -> String {
    let lines = seen.spans().iter().map(|span| {
        let fields: Vec<String> = span
            .fields
            .iter()
            .filter(|(name, _)| name != "outcome")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let outcome = span.outcome.map_or("none".to_owned(), |outcome| format!("{outcome:?}").to_lowercase());
        format!("{}{{{}}} {outcome}", span.name, fields.join(","))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[derive(Debug, PartialEq)]
struct Failure(&'static str);

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {}
