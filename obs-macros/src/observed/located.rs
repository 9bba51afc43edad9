//! `#[track_caller]`: a closure would lose the caller's place, so the body stays in a function.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, GenericParam, Pat};

use super::arguments::{Arguments, is_recorded};
use super::expand::{Expansion, local};
use super::func::{is_cfg, mentions};
use super::judge::Judge;
use super::{Func, Observed, shape};

/// How the body keeps its caller's place.
pub(super) enum Located {
    /// Where it is, with a guard that ends the span: no value need be looked at.
    Here,
    /// In a function of its own, with the same signature.
    Inside,
}

impl Located {
    /// Nothing where the body goes into a closure: without the attribute, or where neither way is open.
    pub(super) fn of(observed: &Observed) -> Option<Self> {
        let Observed { func, args, .. } = observed;
        if !func.attrs.iter().any(|attr| attr.path().is_ident("track_caller")) {
            return None;
        }
        if args.ret.is_none() && shape::cannot_fail(&func.sig.output) {
            return Some(Self::Here);
        }
        let alone = observed.prefix.is_none() && observed.prologue.is_none() && stands_alone(func);
        alone.then_some(Self::Inside)
    }

    pub(super) fn work(
        &self,
        expansion: &Expansion<'_>,
        arguments: &Arguments,
        open: &TokenStream,
        judge: &Judge,
    ) -> TokenStream {
        let Expansion { rt, span, value, annotation, observed, body, .. } = expansion;
        let turn = local("__obs_turn");
        let rebind = &arguments.rebind;
        match self {
            Self::Here => {
                let (prologue, value) = (&observed.prologue, expansion.returned(body, annotation));
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #turn = #rt::located(&mut #span);
                    #rebind #prologue #value
                }
            }
            Self::Inside => {
                let inner = local("__obs_body");
                let func = inside(&inner, observed, body);
                let given = given(arguments);
                let generics = turbofish(&observed.func);
                let done = judge.taker("done", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    #func
                    let mut #span = #open;
                    let #turn = #rt::entered(&mut #span);
                    let #value: #annotation = #inner #generics (#(#given),*);
                    #rt::#done(#turn, &#value, #judge);
                    return #value;
                }
            }
        }
    }
}

/// Whether the function can be written once more inside of itself: it knows nothing of an `impl` block around it.
fn stands_alone(func: &Func) -> bool {
    let sig = &func.sig;
    let conditional = sig.inputs.iter().any(|argument| match argument {
        FnArg::Receiver(_) => true,
        FnArg::Typed(argument) => argument.attrs.iter().any(is_cfg),
    });
    let plain = matches!(sig.safety, syn::Safety::Default) && sig.abi.is_none() && sig.variadic.is_none();
    let this = Ident::new("Self", Span::call_site());
    let body = func.body.as_ref().map(proc_macro2::Group::stream).unwrap_or_default();
    let written = sig.to_token_stream();
    plain
        && !conditional
        && !mentions(&written, &this)
        && !mentions(&body, &this)
        && !mentions_other_generics(func, written)
        && !mentions_other_generics(func, body)
}

/// Whether there is a name like `T` or `K2` that the function does not declare: a generic of the `impl` block around it,
/// which a function within cannot name.
fn mentions_other_generics(func: &Func, tokens: TokenStream) -> bool {
    let declared = |name: &Ident| {
        func.sig.generics.params.iter().any(|param| match param {
            GenericParam::Type(param) => param.ident == *name,
            GenericParam::Const(param) => param.ident == *name,
            GenericParam::Lifetime(_) => false,
        })
    };
    let looks_generic = |name: &Ident| match name.to_string().as_bytes() {
        [letter] => letter.is_ascii_uppercase(),
        [letter, digit] => letter.is_ascii_uppercase() && digit.is_ascii_digit(),
        _ => false,
    };
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(name) => looks_generic(&name) && !declared(&name),
        TokenTree::Group(group) => mentions_other_generics(func, group.stream()),
        _ => false,
    })
}

/// The function with the user's body, under another name.
fn inside(name: &Ident, observed: &Observed, body: &impl ToTokens) -> TokenStream {
    let mut sig = observed.func.sig.clone();
    sig.ident = name.clone();
    for argument in &mut sig.inputs {
        let FnArg::Typed(argument) = argument else { continue };
        if super::func::bound(&argument.pat).into_iter().any(|name| is_recorded(&observed.args, name)) {
            argument.attrs.push(syn::parse_quote_spanned!(Span::mixed_site()=> #[allow(unused_variables)]));
        }
    }
    quote_spanned!(Span::mixed_site()=> #[track_caller] #sig #body)
}

/// The arguments on their way inside.
fn given(arguments: &Arguments) -> Vec<&Ident> {
    let names = arguments.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(pat) => Some(&pat.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    names.collect()
}

/// The generics that can be named in a call.
fn turbofish(func: &Func) -> Option<TokenStream> {
    let names: Vec<&Ident> = func
        .sig
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| quote_spanned!(Span::mixed_site()=> ::<#(#names),*>))
}
