//! `#[correlated]`: a function continues the context that its carrier brings, or writes its own into it.

mod block;
mod check;
mod expand;
mod parse;

use proc_macro2::{Ident, TokenStream};
use syn::{Path, Type};

use crate::diag::Diag;
use crate::observed::{self, Func, Observed};

pub(crate) use block::distribute;

/// The types that are carriers by the last name of their path; `Vec` is one of pairs of `String`s.
const KNOWN_CARRIERS: [&str; 5] = ["HeaderMap", "Request", "BTreeMap", "HashMap", "Metadata"];

/// What stands between the parentheses of the attribute.
#[derive(Default)]
struct Options {
    krate: Option<Path>,
    /// The word `outbound`.
    outbound: Option<Ident>,
    trust: Option<Trust>,
}

/// The name of a variant of the runtime's `Trust`, with the `trust` that the user wrote.
struct Trust {
    word: Ident,
    policy: &'static str,
}

/// The argument that carries.
struct Carrier {
    name: Ident,
    ty: Type,
}

/// What the attribute adds to an observed function.
struct Hooks {
    /// An expression that gives the caller's context.
    parent: Option<TokenStream>,
    /// A statement that comes before the body.
    prologue: Option<TokenStream>,
}

/// Expands the attribute: together with `#[observed]`, if that stands below, else alone.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let mut func = match parse::item(item)? {
        parse::Item::Fn(func) => *func,
        parse::Item::Impl(block) => return Ok(block::expand(args, *block, diag)),
    };
    if let Some(attr) = take(&mut func, "observed") {
        let observed_args = observed::args(arguments(&attr, &mut diag), &mut diag);
        let mut observed = Observed { absorbed: Some(attr.path().clone()), ..Observed::new(observed_args, func) };
        attach(args, &mut observed, &mut diag);
        return Ok(observed::finish(observed, diag));
    }
    let options = parse::options(args, &mut diag);
    let carrier = parse::carrier(&mut func, &mut diag);
    check::correlated(&options, &func, carrier.as_ref(), &mut diag);
    Ok(match (carrier, diag.finish()) {
        (Some(carrier), Ok(())) => expand::alone(&options, &mut func, &carrier),
        (_, result) => expand::unchanged(&func, result.err().as_ref()),
    })
}

/// Takes `#[correlated]` off an observed function, if it is there, and does its work as part of that one's.
pub(crate) fn absorb(observed: &mut Observed, diag: &mut Diag) {
    if let Some(attr) = take(&mut observed.func, "correlated") {
        if observed.parent.is_some() || observed.prologue.is_some() {
            diag.error(&attr, "`#[correlated]` given twice; a function has one carrier");
        } else {
            observed.absorbed = Some(attr.path().clone());
            let args = arguments(&attr, diag);
            attach(args, observed, diag);
        }
    }
}

fn attach(args: TokenStream, observed: &mut Observed, diag: &mut Diag) {
    let mut options = parse::options(args, diag);
    match &options.krate {
        Some(krate) => observed.args.krate = Some(observed.args.krate.take().unwrap_or_else(|| krate.clone())),
        None => options.krate = observed.args.krate.clone(),
    }
    let carrier = parse::carrier(&mut observed.func, diag);
    check::correlated(&options, &observed.func, carrier.as_ref(), diag);
    if let Some(carrier) = carrier {
        let hooks = expand::hooks(&options, &mut observed.func, &carrier);
        observed.parent = hooks.parent;
        observed.prologue = hooks.prologue;
    }
}

/// Whether an attribute is this macro, under any path.
fn is_correlated(attr: &syn::Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "correlated")
}

/// Takes the first attribute of this name, under any path, off a function.
fn take(func: &mut Func, name: &str) -> Option<syn::Attribute> {
    let is_it = |attr: &syn::Attribute| attr.path().segments.last().is_some_and(|segment| segment.ident == name);
    let at = func.attrs.iter().position(is_it)?;
    Some(func.attrs.remove(at))
}

/// What stands between the parentheses of `attr`.
fn arguments(attr: &syn::Attribute, diag: &mut Diag) -> TokenStream {
    match &attr.meta {
        syn::Meta::Path(_) => TokenStream::new(),
        syn::Meta::List(list) => list.tokens.clone(),
        syn::Meta::NameValue(_) => {
            diag.error(attr, "options stand in parentheses");
            TokenStream::new()
        }
    }
}
