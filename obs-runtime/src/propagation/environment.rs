use crate::propagation::{Correlation, headers};

/// The variables that hand `correlation` to a child process: the six headers in upper case, with `_` where a header has `-`
/// (`TRACEPARENT`, `TRACESTATE`, `BAGGAGE`, `X_REQUEST_ID`, `X_SESSION_ID`, `X_MESSAGE_ID`), as far as there is something to say.
/// Where `correlation` names no span, there is none.
///
/// ```
/// use std::process::Command;
///
/// use obs_runtime::propagation::{self, Correlation};
///
/// let mut agent = Command::new("agent");
/// agent.envs(propagation::into_environment(&Correlation::current()));
/// ```
///
/// The child's configuration takes a snapshot of its environment under the names of the headers, which is a carrier like any map.
/// A stale variable of the parent's own environment is inherited unless removed: `Command::env_remove`.
#[must_use]
pub fn into_environment(correlation: &Correlation) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    headers(correlation, |header, value| {
        if let Some(value) = value {
            variables.push((header.name().to_ascii_uppercase().replace('-', "_"), value.to_owned()));
        }
    });
    variables
}
