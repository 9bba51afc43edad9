//! Model to tokens. Cannot fail.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{FnArg, Pat, PatIdent, ReturnType, Type};

use super::{Carrier, Hooks, Options};
use crate::krate;
use crate::observed::{Func, is_cfg};

/// The function as it was, with its mistakes behind it.
pub(super) fn unchanged(func: &Func, errors: Option<&syn::Error>) -> TokenStream {
    let errors = errors.map(syn::Error::to_compile_error);
    quote!(#func #errors)
}

/// What the attribute adds to an observed function.
pub(super) fn hooks(options: &Options, func: &mut Func, carrier: &Carrier) -> Hooks {
    let krate = krate::path(options.krate.as_ref());
    if options.outbound.is_some() {
        return Hooks { parent: None, prologue: Some(outbound(&krate, func, carrier)) };
    }
    Hooks { parent: Some(inbound(&krate, options, carrier)), prologue: Some(used(carrier)) }
}

/// A function without `#[observed]`.
pub(super) fn alone(options: &Options, func: &mut Func, carrier: &Carrier) -> TokenStream {
    let krate = krate::path(options.krate.as_ref());
    let Some(body) = func.body.take() else { return func.to_token_stream() };
    let inside = if options.outbound.is_some() {
        let outbound = outbound(&krate, func, carrier);
        quote!(#outbound #body)
    } else if func.sig.asyncness.is_some() {
        inbound_async(&krate, options, carrier, func, &body)
    } else {
        let inbound = inbound(&krate, options, carrier);
        let context = Ident::new("__obs_context", Span::mixed_site());
        quote!(let #context = #krate::__private::enter_inbound(#inbound); #body)
    };
    // With the span of the user's braces, so that lints about the function go on working.
    let mut outer = Group::new(Delimiter::Brace, inside);
    outer.set_span(body.span());
    func.body = Some(outer);
    func.to_token_stream()
}

/// The caller's context. A type that cannot carry is told at the argument.
fn inbound(krate: &TokenStream, options: &Options, carrier: &Carrier) -> TokenStream {
    let trust = match &options.trust {
        Some(trust) => {
            let policy = Ident::new(trust.policy, Span::mixed_site());
            quote!(::core::option::Option::Some(#krate::__private::Trust::#policy))
        }
        None => quote!(::core::option::Option::None),
    };
    let name = &carrier.name;
    let argument = quote_spanned!(name.span().resolved_at(Span::mixed_site())=> &#name);
    quote!(#krate::__private::inbound(#argument, #trust))
}

/// The body need not look at what carries.
fn used(carrier: &Carrier) -> TokenStream {
    let name = &carrier.name;
    quote!(let _ = &#name;)
}

/// The statement that writes the current context.
fn outbound(krate: &TokenStream, func: &mut Func, carrier: &Carrier) -> TokenStream {
    let name = &carrier.name;
    let span = name.span().resolved_at(Span::mixed_site());
    let argument = if is_mutable_reference(&carrier.ty) {
        quote_spanned!(span=> &mut *#name)
    } else {
        make_mutable(func, name);
        quote_spanned!(span=> &mut #name)
    };
    quote!(#krate::__private::outbound(#argument);)
}

fn is_mutable_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(ty) => ty.mutability.is_some(),
        Type::Group(ty) => is_mutable_reference(&ty.elem),
        Type::Paren(ty) => is_mutable_reference(&ty.elem),
        _ => false,
    }
}

/// An argument by value is written into as well.
fn make_mutable(func: &mut Func, name: &Ident) {
    for argument in &mut func.sig.inputs {
        if let FnArg::Typed(argument) = argument
            && let Pat::Ident(pat) = &mut *argument.pat
            && pat.ident == *name
        {
            pat.mutability.get_or_insert_with(Default::default);
        }
    }
}

/// The body of an async function: one async block, polled inside the context. Its arguments are bound again in there, so that they drop
/// where and when they did.
fn inbound_async(
    krate: &TokenStream,
    options: &Options,
    carrier: &Carrier,
    func: &mut Func,
    body: &Group,
) -> TokenStream {
    let inbound = inbound(krate, options, carrier);
    let used = used(carrier);
    let context = Ident::new("__obs_context", Span::mixed_site());
    let value = Ident::new("__obs_ret", Span::mixed_site());
    let rebound = rebind(func);
    let receiver = func.sig.receiver().map(|receiver| {
        let this = &receiver.self_token;
        quote!(let _ = &#this;)
    });
    if matches!(&func.sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_))) {
        return quote! {
            let #context = #inbound;
            match #krate::__private::within(#context, async move {
                #receiver
                #rebound
                #used
                #[allow(unreachable_code)]
                let #value: ::core::convert::Infallible = match () { () => #body };
                #[allow(unreachable_code)]
                #value
            })
            .await {}
        };
    }
    let output = output(&func.sig.output);
    quote! {
        let #context = #inbound;
        #krate::__private::within(#context, async move {
            #receiver
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            if false {
                let #value: #output = loop {};
                return #value;
            }
            #rebound
            #used
            let #value: #output = #body;
            #[allow(unreachable_code)]
            return #value;
        })
        .await
    }
}

/// The written output, with `_` for what has no name.
fn output(output: &ReturnType) -> TokenStream {
    struct Unnamed;
    impl VisitMut for Unnamed {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(hidden) = ty {
                *ty = syn::parse_quote_spanned!(hidden.span()=> _);
            }
            visit_mut::visit_type_mut(self, ty);
        }
    }
    match output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => {
            let mut ty = ty.clone();
            Unnamed.visit_type_mut(&mut ty);
            ty.to_token_stream()
        }
    }
}

/// `let name = name;` for each name that the arguments bind, in their order; a `mut` moves from the argument to the binding.
fn rebind(func: &mut Func) -> TokenStream {
    #[derive(Default)]
    struct Names(TokenStream);
    impl VisitMut for Names {
        fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
            let name = &pat.ident;
            let mutability = if pat.by_ref.is_none() { pat.mutability.take() } else { None };
            quote!(#[allow(clippy::shadow_same)] let #mutability #name = #name;).to_tokens(&mut self.0);
            visit_mut::visit_pat_ident_mut(self, pat);
        }
    }
    let mut names = Names::default();
    for argument in &mut func.sig.inputs {
        if let FnArg::Typed(argument) = argument {
            // One that may not be there stays outside: only an attribute on the argument says so.
            if !argument.attrs.iter().any(is_cfg) {
                names.visit_pat_mut(&mut argument.pat);
            }
        }
    }
    names.0
}
