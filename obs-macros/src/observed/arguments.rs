//! The arguments on their way into the body: mentioned, bound again, and opened for the fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::visit_mut::VisitMut;
use syn::{Attribute, FnArg, Pat, Signature};

use super::expand::local;
use super::func::{bound, is_cfg, mentions};
use super::{Args, Func, Value};

/// The arguments on their way into the body.
pub(super) struct Arguments {
    /// The signature, every pattern in it replaced by a name.
    pub(super) sig: Signature,
    /// Whether any was.
    pub(super) renamed: bool,
    /// Mentions each argument, in order and whole, so that an `async move` block takes them so.
    pub(super) mention: TokenStream,
    /// Binds each argument again, whole first, then by its pattern.
    pub(super) rebind: TokenStream,
    /// Makes the names within patterns known to the fields, as references.
    pub(super) open_patterns: TokenStream,
}

pub(super) fn arguments(func: &Func, args: &Args) -> Arguments {
    let mixed = Span::mixed_site();
    let mut arguments = Arguments {
        sig: func.sig.clone(),
        renamed: false,
        mention: TokenStream::new(),
        rebind: TokenStream::new(),
        open_patterns: TokenStream::new(),
    };
    let mut sig = func.sig.clone();
    for (index, argument) in sig.inputs.iter_mut().enumerate() {
        let argument = match argument {
            FnArg::Typed(argument) => argument,
            FnArg::Receiver(receiver) => {
                // `self` cannot be bound again: taken whole, it is dropped last, as it should be.
                let this = Ident::new("self", receiver.self_token.span);
                let mention = quote_spanned!(mixed=> let _ = &#this;);
                arguments.mention.extend(mention.clone());
                arguments.rebind.extend(mention);
                continue;
            }
        };
        let cfgs: Vec<Attribute> = argument.attrs.iter().filter(|attr| is_cfg(attr)).cloned().collect();
        let lints: Vec<Attribute> = argument.attrs.iter().filter(|attr| is_lint(attr)).cloned().collect();
        // An `expect` must stand where the warning is: at the binding that the body sees.
        argument.attrs.retain(|attr| !is_lint(attr));
        let recorded = bound(&argument.pat).into_iter().any(|name| is_recorded(args, name));
        let unused = recorded.then(|| quote_spanned!(mixed=> unused_variables,));
        if let Pat::Ident(pat) = &mut *argument.pat
            && pat.by_ref.is_none()
            && pat.subpat.is_none()
        {
            let name = &pat.ident;
            let mutability = pat.mutability.take();
            let underscored = name.to_string().starts_with('_').then(
                || quote_spanned!(mixed=> clippy::used_underscore_binding, clippy::no_effect_underscore_binding,),
            );
            let allowed = underscored.as_ref().map(|lints| quote_spanned!(mixed=> #[allow(#lints)]));
            arguments.mention.extend(quote_spanned!(mixed=> #(#cfgs)* #allowed let _ = &#name;));
            arguments.rebind.extend(quote_spanned! {mixed=>
                #(#cfgs)* #(#lints)*
                #[allow(#unused #underscored clippy::shadow_same)] let #mutability #name = #name;
            });
            continue;
        }
        arguments.renamed = true;
        let name = local(&format!("__obs_arg{index}"));
        let written = std::mem::replace(&mut *argument.pat, syn::parse_quote!(#name));
        let unused = unused.map(|lints| quote_spanned!(mixed=> #[allow(#lints)]));
        arguments.mention.extend(quote_spanned!(mixed=> #(#cfgs)* let _ = &#name;));
        arguments.rebind.extend(quote_spanned! {mixed=>
            #(#cfgs)* #[allow(clippy::shadow_same)] let #name = #name;
            #(#cfgs)* #(#lints)* #unused let #written = #name;
        });
        if recorded {
            let borrowed = by_reference(written);
            arguments.open_patterns.extend(quote_spanned! {mixed=>
                #(#cfgs)* #[allow(unused_variables)] let #borrowed = &#name;
            });
        }
    }
    arguments.sig = sig;
    arguments
}

/// Whether the attribute names or uses what an argument binds.
pub(super) fn is_recorded(args: &Args, name: &Ident) -> bool {
    let mut values = args.links.iter().chain(args.parent.as_ref().map(|(_, parent)| parent));
    values.any(|value| mentions(value, name))
        || args.fields.iter().any(|field| match &field.value {
            Value::Named(_) => name.unraw() == field.key(),
            Value::Expr(_, value) => mentions(value, name),
            Value::Late => false,
        })
}

fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|name| attr.path().is_ident(name))
}

/// A pattern that binds the same names when it is matched against a reference.
fn by_reference(mut pat: Pat) -> Pat {
    struct Plain;
    impl VisitMut for Plain {
        fn visit_pat_mut(&mut self, pat: &mut Pat) {
            while let Pat::Reference(reference) = pat {
                *pat = (*reference.pat).clone();
            }
            syn::visit_mut::visit_pat_mut(self, pat);
        }
        fn visit_pat_ident_mut(&mut self, pat: &mut syn::PatIdent) {
            pat.by_ref = None;
            pat.mutability = None;
            syn::visit_mut::visit_pat_ident_mut(self, pat);
        }
    }
    Plain.visit_pat_mut(&mut pat);
    pat
}
