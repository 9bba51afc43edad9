//! Model to tokens.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::{Observe, ends};
use crate::krate::Runtime;
use crate::observed::{
    DECLARED, Field, Judge, Judged, Value, callsite, declared, judge, local, opening, site, visited,
};

pub(super) fn observe(observe: &Observe) -> TokenStream {
    let Observe { krate, name, args, asyncness, capture, block } = observe;
    let mixed = Span::mixed_site();
    let rt = Runtime::of(krate, mixed);
    let site = site(&rt, name, args);
    // A block without late fields leaves `record!` to the function around it.
    let late = args.fields.iter().any(|field| matches!(field.value, Value::Late));
    let declared = late.then(|| declared(&rt, args));
    let fields: TokenStream = args.fields.iter().enumerate().map(|(index, one)| field(&rt, index, one)).collect();
    let judge = match observe.parsed().as_ref().is_some_and(ends::never) {
        // No value comes out, and no type to judge one by.
        true => Judge::none(&rt),
        false => judge(&rt, args, &Judged::Unwritten(block.span())),
    };
    let callsite = callsite();
    let span = local("__obs_span");
    match asyncness {
        Some(asyncness) => {
            let begin = opening(&rt, args, None, "begin", &TokenStream::new(), &fields);
            let lazy = judge.taker("lazy", mixed);
            quote_spanned! {mixed=> {
                #declared #site
                #rt::#lazy(&#callsite, #asyncness #capture { #begin; match () { () => #block } }, #judge)
            }}
        }
        None => {
            let open = opening(&rt, args, None, "open", &TokenStream::new(), &fields);
            let sync = judge.taker("sync", mixed);
            quote_spanned! {mixed=> {
                #declared #site
                let #span = #open;
                #rt::#sync(#span, #capture || #block, #judge)
            }}
        }
    }
}

/// The block as it was. What it records counts as declared, so that one mistake is one error.
pub(super) fn unobserved(observe: &Observe) -> TokenStream {
    let Observe { krate, args, asyncness, capture, block, .. } = observe;
    let mixed = Span::mixed_site();
    let late = args.fields.iter().any(|field| matches!(field.value, Value::Late));
    let declared = late.then(|| {
        let declared = Ident::new(DECLARED, Span::call_site());
        let names = args.fields.iter().map(Field::key);
        quote_spanned! {mixed=>
            #[allow(dead_code)]
            const #declared: #krate::__private::Declared =
                #krate::__private::Declared { names: &[#(#names),*], callsite: || ::core::unreachable!() };
        }
    });
    // Where it waits or leaves, the mistake is told: said once is enough.
    let block = match super::check::is_stuck(observe) {
        true => quote_spanned!(mixed=> { ::core::unreachable!() }),
        false => block.to_token_stream(),
    };
    match asyncness {
        Some(asyncness) => quote_spanned!(mixed=> #declared #asyncness #capture #block),
        None => quote_spanned!(mixed=> #declared (#capture || #block)()),
    }
}

/// One field: what its name stands for where the block is.
fn field(rt: &Runtime, index: usize, field: &Field) -> TokenStream {
    let at = Span::mixed_site().located_at(field.name.span());
    let (form, value) = match &field.value {
        Value::Named(form) => (*form, field.name.to_token_stream()),
        Value::Expr(form, value) => (*form, value.clone()),
        Value::Late => return TokenStream::new(),
    };
    visited(rt, form, &value, index, at)
}
