//! What tells the outcome of a value, and records it under `ret`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Type;

use super::expand::local;
use super::{Args, shape, site};
use crate::krate::Runtime;

/// Of what a value is judged.
pub(crate) enum Judged<'a> {
    /// A value of this type.
    As(&'a Type),
    /// One of a type that the compiler must know; else it says so here.
    Unwritten(Span),
}

/// The judge of a value, as the last argument of a function of the runtime.
pub(crate) struct Judge {
    tokens: TokenStream,
    /// Whether it is a closure, which learns what it judges from the function that takes it.
    closure: bool,
}

impl Judge {
    /// Of what is never judged.
    pub(crate) fn none(rt: &Runtime) -> Self {
        Judge { tokens: quote_spanned!(Span::mixed_site()=> #rt::NoError), closure: false }
    }

    /// The function that takes it: this one, or the same for closures.
    pub(crate) fn taker(&self, function: &str, at: Span) -> Ident {
        if self.closure { Ident::new(&format!("{function}_by"), at) } else { Ident::new(function, at) }
    }
}

impl ToTokens for Judge {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

/// The judge of a value.
pub(crate) fn judge(rt: &Runtime, args: &Args, judged: &Judged<'_>) -> Judge {
    let mixed = Span::mixed_site();
    match judged {
        Judged::As(ty) if args.err_debug.is_none() && args.ret.is_none() && is_unit(ty) => Judge::none(rt),
        // No closure: it would be one more body for the compiler to check.
        Judged::As(ty) if args.err_debug.is_none() && args.ret.is_none() && !shape::is_inferred(ty) => {
            let tokens = quote_spanned!(mixed=> #rt::returns::<#ty>().__obs_words().__obs_judge());
            Judge { tokens, closure: false }
        }
        _ => Judge { tokens: closure(rt, args, judged), closure: true },
    }
}

/// The judge of a value as a closure.
fn closure(rt: &Runtime, args: &Args, judged: &Judged<'_>) -> TokenStream {
    let mixed = Span::mixed_site();
    let value = local("__obs_ret");
    let words = match &args.err_debug {
        Some(debug) => {
            let at = mixed.located_at(debug.span());
            let (rt, value) = (rt.moved(at), Ident::new("__obs_ret", at));
            quote_spanned!(at=> #rt::by_debug(#value))
        }
        None => quote_spanned!(mixed=> #rt::returned(#value).__obs_words()),
    };
    let verdict = quote_spanned!(mixed=> #rt::verdict(#words.__obs_judge(), #value));
    let body = match returned(rt, args) {
        Some(returned) => quote_spanned!(mixed=> { #returned #verdict }),
        None => verdict,
    };
    let ty = match *judged {
        Judged::As(ty) => ty,
        Judged::Unwritten(at) => {
            // A method of any value: with a type that is not known there would be as many errors as kinds of values.
            let (rt, given) = (rt.moved(mixed.located_at(at)), Ident::new("__obs_ret", mixed.located_at(at)));
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
fn returned(rt: &Runtime, args: &Args) -> Option<TokenStream> {
    let ret = args.ret.as_ref()?;
    let at = Span::mixed_site().located_at(ret.debug.as_ref().unwrap_or(&ret.word).span());
    let rt = rt.moved(at);
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
