//! `#[derive(StateMachine)]`: an enum whose variants are states, with the edges between them.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::diag::Diag;

/// A state machine, as the user declared it.
pub(crate) struct StateMachine {
    krate: Option<syn::Path>,
    ident: syn::Ident,
    /// What the names of the metrics begin with.
    name: String,
    /// The label that says which state.
    label: String,
    names: Names,
    buckets: Option<syn::Expr>,
    states: Vec<State>,
}

/// The names of the metrics that are not those that follow from `name`.
#[derive(Default)]
struct Names {
    transitions: Option<syn::LitStr>,
    population: Option<syn::LitStr>,
    illegal: Option<syn::LitStr>,
    duration: Option<syn::LitStr>,
}

struct State {
    ident: syn::Ident,
    /// The text of the label.
    text: String,
    initial: bool,
    terminal: bool,
    /// Whether `#[to(…)]` is there, also one that could not be read.
    leads: bool,
    to: Vec<syn::Ident>,
}

impl StateMachine {
    fn index(&self, state: &syn::Ident) -> Option<usize> {
        self.states.iter().position(|other| other.ident == *state)
    }
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(machine) = parse::state_machine(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::state_machine(&machine, &mut diag);
    diag.finish()?;
    Ok(expand::state_machine(&machine))
}
