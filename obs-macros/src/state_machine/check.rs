use std::collections::VecDeque;

use super::StateMachine;
use crate::case::unraw;
use crate::diag::{Diag, did_you_mean};

pub(super) fn state_machine(machine: &StateMachine, diag: &mut Diag) {
    if matches!(machine.label.as_str(), "le" | "quantile") {
        diag.error(
            &machine.ident,
            format!("`{}` is a label of Prometheus' own; name another: `label = \"state\"`", machine.label),
        );
    }
    let before = states(machine, diag);
    // Where an edge is misspelt or no state is the first, what cannot be reached is not known yet.
    if before {
        reachable(machine, diag);
    }
}

/// Checks each state by itself; says whether a walk makes sense.
fn states(machine: &StateMachine, diag: &mut Diag) -> bool {
    let mut sound = true;
    if machine.states.is_empty() {
        diag.error(&machine.ident, "a state machine has at least one state");
        return false;
    }
    if !machine.states.iter().any(|state| state.initial) {
        diag.error(&machine.ident, "no state is `#[initial]`; write it over the one that values begin in");
        sound = false;
    }
    for (at, state) in machine.states.iter().enumerate() {
        if let Some(first) = machine.states[..at].iter().find(|first| first.text == state.text) {
            diag.error(
                &state.ident,
                format!(
                    "`{}` and `{}` are both written `{}`; give one of them another name",
                    first.ident, state.ident, state.text
                ),
            );
        }
        for (at, to) in state.to.iter().enumerate() {
            if machine.index(to).is_none() {
                let names: Vec<String> = machine.states.iter().map(|state| unraw(&state.ident)).collect();
                let hint = did_you_mean(&to.to_string(), names.iter().map(String::as_str));
                diag.error(to, format!("no state is called `{to}`{hint}"));
                sound = false;
            } else if state.to[..at].contains(to) {
                diag.error(to, format!("the edge from `{}` to `{to}` is declared twice; leave one out", state.ident));
            }
        }
        if state.terminal && state.leads {
            let message = format!(
                "`{}` is `#[terminal]`, so it leads nowhere; leave `#[to(…)]` or `#[terminal]` out",
                state.ident
            );
            diag.error(&state.ident, message);
        }
        if !state.terminal && !state.leads {
            let message =
                format!("`{}` leads nowhere; write `#[to(…)]`, or `#[terminal]` if values stay there", state.ident);
            diag.error(&state.ident, message);
        }
    }
    sound
}

fn reachable(machine: &StateMachine, diag: &mut Diag) {
    let mut reached: Vec<bool> = machine.states.iter().map(|state| state.initial).collect();
    let mut next: VecDeque<usize> = (0..reached.len()).filter(|at| reached[*at]).collect();
    while let Some(at) = next.pop_front() {
        for to in machine.states[at].to.iter().filter_map(|to| machine.index(to)) {
            if !std::mem::replace(&mut reached[to], true) {
                next.push_back(to);
            }
        }
    }
    for (state, _) in machine.states.iter().zip(reached).filter(|(_, reached)| !reached) {
        let message = format!(
            "`{0}` is never reached; write `#[to({0})]` over a state that leads to it, or leave it out",
            state.ident
        );
        diag.error(&state.ident, message);
    }
}
