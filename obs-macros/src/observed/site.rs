//! What is known when the code is compiled: the const that `record!` asks, and the static of the call.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::expand::local;
use super::{Args, CLOSING_FIELDS, ErrorEvent, Field, Level, RETURNED};
use crate::krate::Runtime;

/// The const item that `record!` looks for. It is an item because items are seen through closures and nested blocks,
/// and its name is what the compiler says where there is none.
pub(crate) const DECLARED: &str = "__OBS_RECORD_NEEDS_AN_OBSERVED_FN";

/// The static that holds what the attribute says.
pub(crate) fn callsite() -> Ident {
    Ident::new("__OBS_CALLSITE", Span::call_site())
}

/// The const by which `record!` in the body finds the fields.
pub(crate) fn declared(rt: &Runtime, args: &Args) -> TokenStream {
    let declared = Ident::new(DECLARED, Span::call_site());
    let callsite = callsite();
    let names = args.fields.iter().map(Field::key);
    quote_spanned! {Span::mixed_site()=>
        #[allow(dead_code)]
        const #declared: #rt::Declared = #rt::Declared { names: &[#(#names),*], callsite: || &#callsite };
    }
}

/// The static of the call.
pub(crate) fn site(rt: &Runtime, name: &impl ToTokens, args: &Args) -> TokenStream {
    let callsite = callsite();
    let names = args.fields.iter().map(Field::key).chain(args.ret.iter().map(|_| RETURNED.to_owned()));
    let closing = CLOSING_FIELDS;
    let level = args.level.map(|level| constant("level", rt, "Level", level.0));
    let kind = args.kind.map(|kind| constant("kind", rt, "SpanKind", kind.0));
    let err = args.err.map(|err| match err {
        ErrorEvent::At(level) => constant("err", rt, "Level", level.0),
        ErrorEvent::Off => quote!(.err_off()),
    });
    let ret = args.ret.as_ref().map(|ret| {
        let level = ret.level.or(args.level).unwrap_or(Level("INFO"));
        constant("ret", rt, "Level", level.0)
    });
    let metrics = args.metrics_off.as_ref().map(|_| quote!(.no_metrics()));
    let slow = args.slow.map(|nanos| {
        let nanos = Literal::u64_unsuffixed(nanos);
        quote!(.slow(#nanos))
    });
    let audit = args.audit.as_ref().map(|_| quote!(.audit()));
    let target = args.target.as_ref().map(|target| quote!(.target(#target)));
    quote_spanned! {Span::mixed_site()=>
        static #callsite: #rt::Callsite = #rt::Callsite::new(
            #rt::Site::new(
                #name,
                ::core::module_path!(),
                ::core::file!(),
                ::core::line!(),
                &[#(#names,)* #(#closing),*],
            )
            #level #target #kind #err #ret #metrics #slow #audit,
        );
    }
}

/// `.level(rt::Level::DEBUG)` and the like.
fn constant(method: &str, rt: &Runtime, ty: &str, name: &str) -> TokenStream {
    let (method, ty, name) = (local(method), local(ty), local(name));
    quote_spanned!(Span::mixed_site()=> .#method(#rt::#ty::#name))
}
