use proc_macro2::TokenStream;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Expr, Fields, LitStr, Token};

use super::{Names, State, StateMachine};
use crate::case::{Case, unraw};
use crate::diag::Diag;
use crate::helper;

const OPTIONS: [&str; 8] = ["name", "label", "transitions", "population", "illegal", "duration", "buckets", "crate"];

/// What `#[state_machine(…)]` says.
#[derive(Default)]
struct Options {
    krate: Option<syn::Path>,
    name: Option<LitStr>,
    label: Option<LitStr>,
    names: Names,
    buckets: Option<Expr>,
}

pub(super) fn state_machine(item: TokenStream, diag: &mut Diag) -> Option<StateMachine> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let options = options(&input.attrs, diag);
    if !input.generics.params.is_empty() {
        diag.error(&input.generics, "a state machine takes no generic parameters; write an enum for each");
        return None;
    }
    let Data::Enum(data) = input.data else {
        diag.error(&input.ident, "a state machine is an enum: its variants are the states");
        return None;
    };
    let name = options.name.map_or_else(|| Case::Snake.of(&unraw(&input.ident)), |name| name.value());
    Some(StateMachine {
        krate: options.krate,
        name,
        label: options.label.map_or_else(|| "state".to_owned(), |label| label.value()),
        names: options.names,
        buckets: options.buckets,
        states: data.variants.into_iter().map(|variant| state(variant, diag)).collect(),
        ident: input.ident,
    })
}

fn state(variant: syn::Variant, diag: &mut Diag) -> State {
    if !matches!(variant.fields, Fields::Unit) {
        let message =
            format!("`{}` carries a value, so it is not one state; keep the value beside the state", variant.ident);
        diag.error(&variant.fields, message);
    }
    let text = Case::Snake.of(&unraw(&variant.ident));
    let mut state = State { ident: variant.ident, text, initial: false, terminal: false, leads: false, to: Vec::new() };
    for attr in &variant.attrs {
        if attr.path().is_ident("initial") {
            state.initial |= diag.keep(attr.meta.require_path_only()).is_some();
        } else if attr.path().is_ident("terminal") {
            state.terminal |= diag.keep(attr.meta.require_path_only()).is_some();
        } else if attr.path().is_ident("to") {
            state.leads = true;
            let to = attr.parse_args_with(Punctuated::<syn::Ident, Token![,]>::parse_terminated);
            match to {
                Ok(to) => state.to.extend(to),
                Err(_) => diag.error(attr, "`to` takes the names of states: `#[to(Running, Failed)]`"),
            }
        }
    }
    state
}

fn options(attrs: &[syn::Attribute], diag: &mut Diag) -> Options {
    let mut options = Options::default();
    helper::options(attrs, "state_machine", &OPTIONS, diag, |option, meta, diag| {
        match option {
            "crate" => options.krate = Some(meta.value()?.parse()?),
            "name" => options.name = Some(name(meta.value()?.parse()?, diag)),
            "label" => options.label = Some(name(meta.value()?.parse()?, diag)),
            "transitions" => options.names.transitions = Some(name(meta.value()?.parse()?, diag)),
            "population" => options.names.population = Some(name(meta.value()?.parse()?, diag)),
            "illegal" => options.names.illegal = Some(name(meta.value()?.parse()?, diag)),
            "duration" => options.names.duration = Some(name(meta.value()?.parse()?, diag)),
            _ => options.buckets = Some(meta.value()?.parse()?),
        }
        Ok(())
    });
    options
}

/// A name as metrics and labels have it.
fn name(text: LitStr, diag: &mut Diag) -> LitStr {
    let value = text.value();
    let starts = value.starts_with(|char: char| char.is_ascii_alphabetic());
    if !starts || !value.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
        diag.error(&text, format!("`{value}` cannot be a name of Prometheus: use ASCII letters, digits and `_`"));
    }
    text
}
