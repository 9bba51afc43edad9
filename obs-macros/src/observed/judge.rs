//! What tells the outcome of a value, and records it under `ret`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::Type;

use super::expand::local;
use super::{Args, shape, site};
use crate::krate::moved;

/// Of what a value is judged.
pub(crate) enum Judged<'a> {
    /// A value of this type.
    As(&'a Type),
    /// One of a type that the compiler must know; else it says so here.
    Unwritten(Span),
}

/// The judge of a value.
pub(crate) fn judge(rt: &TokenStream, args: &Args, judged: &Judged<'_>) -> TokenStream {
    let mixed = Span::mixed_site();
    let value = local("__obs_ret");
    if matches!(judged, Judged::As(ty) if is_unit(ty)) && args.err_debug.is_none() && args.ret.is_none() {
        return quote_spanned!(mixed=> #rt::unjudged);
    }
    let words = match &args.err_debug {
        Some(debug) => {
            let at = mixed.located_at(debug.span());
            let (rt, value) = (moved(rt, at), Ident::new("__obs_ret", at));
            quote_spanned!(at=> #rt::by_debug(#value))
        }
        None => quote_spanned!(mixed=> #rt::W0::of(#value).__obs_words()),
    };
    let verdict = quote_spanned!(mixed=> #rt::C0::of(#value).__obs_kind().__obs_judge(#value, #words));
    let body = match returned(rt, args) {
        Some(returned) => quote_spanned!(mixed=> { #returned #verdict }),
        None => verdict,
    };
    let ty = match *judged {
        Judged::As(ty) => ty,
        Judged::Unwritten(at) => {
            // A method of any value: with a type that is not known there would be as many errors as kinds of values.
            let (rt, given) = (moved(rt, mixed.located_at(at)), Ident::new("__obs_ret", mixed.located_at(at)));
            let known = quote_spanned!(mixed.located_at(at)=> (*#given).__obs_known());
            return quote_spanned! {mixed=> |#value| {
                use #rt::Known as _;
                let #value = #known;
                #body
            }};
        }
    };
    let judge = quote_spanned!(mixed=> |#value: &#ty| #body);
    if shape::is_optional_reference(ty) {
        let name = local("__obs_judge");
        return quote_spanned!(mixed=> { #[allow(clippy::ref_option_ref)] let #name = #judge; #name });
    }
    judge
}

/// Records the value, while its span is still the innermost one of its callsite.
fn returned(rt: &TokenStream, args: &Args) -> Option<TokenStream> {
    let ret = args.ret.as_ref()?;
    let at = Span::mixed_site().located_at(ret.debug.as_ref().unwrap_or(&ret.word).span());
    let rt = moved(rt, at);
    let (value, visit) = (Ident::new("__obs_ret", at), Ident::new("__obs_visit", at));
    let callsite = site::callsite();
    let index = Literal::usize_unsuffixed(args.fields.len());
    let chain = Ident::new(if ret.debug.is_some() { "R3" } else { "R0" }, at);
    Some(quote_spanned! {at=>
        #rt::record(&#callsite, |#visit| #rt::#chain::of(#value).__obs_kind().__obs_returned(#value, #visit, #index));
    })
}

/// `()`, of which there is nothing to judge.
fn is_unit(ty: &Type) -> bool {
    match ty {
        Type::Tuple(ty) => ty.elems.is_empty(),
        Type::Verbatim(tokens) => tokens.to_string() == "()",
        _ => false,
    }
}
