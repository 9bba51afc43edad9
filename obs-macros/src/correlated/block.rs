//! `#[correlated]` on an `impl` block: every method that has a carrier, as if the attribute stood on each.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Meta, parse_quote};

use super::{is_correlated, parse};
use crate::diag::Diag;
use crate::krate;
use crate::observed::{Block, Func, Member};

/// Hands the attribute on to the methods.
pub(super) fn expand(args: TokenStream, mut block: Block, mut diag: Diag) -> TokenStream {
    let krate = krate::path(parse::options(args.clone(), &mut diag).krate.as_ref());
    let attr =
        if args.is_empty() { parse_quote!(#[#krate::correlated]) } else { parse_quote!(#[#krate::correlated(#args)]) };
    if let Some(again) = block.head.attrs.iter().find(|attr| is_correlated(attr)) {
        diag.error(again, "`#[correlated]` given twice; write all options into one");
    }
    block.head.attrs.retain(|attr| !is_correlated(attr));
    match diag.finish() {
        Ok(()) => {
            let errors = share(&attr, &mut block).map_err(syn::Error::into_compile_error).err();
            quote!(#block #errors)
        }
        Err(errors) => {
            for func in methods(&mut block) {
                func.attrs.retain(|attr| !is_correlated(attr));
                unmark(func);
            }
            let errors = errors.into_compile_error();
            quote!(#block #errors)
        }
    }
}

/// Takes `#[correlated]` off an observed block, if it is there, and puts it on the methods.
pub(crate) fn distribute(block: &mut Block, diag: &mut Diag) {
    let Some(at) = block.head.attrs.iter().position(is_correlated) else { return };
    let attr = block.head.attrs.remove(at);
    if let Err(error) = share(&attr, block) {
        diag.push(error);
    }
}

fn share(attr: &Attribute, block: &mut Block) -> syn::Result<()> {
    let mut any = false;
    for func in methods(block) {
        let own = func.attrs.iter().position(is_correlated);
        if let Some(own) = own {
            any = true;
            if is_skip(&func.attrs[own]) {
                func.attrs.remove(own);
                unmark(func);
            }
        } else if parse::may_carry(func) {
            any = true;
            func.attrs.insert(0, attr.clone());
        }
    }
    if any {
        return Ok(());
    }
    let message =
        "no method in this block has an argument that is known to carry; mark the ones that do with `#[carrier]`";
    Err(syn::Error::new_spanned(&block.head.self_ty, message))
}

fn methods(block: &mut Block) -> impl Iterator<Item = &mut Func> {
    block.members.iter_mut().filter_map(|member| match member {
        Member::Method(func) => Some(&mut **func),
        Member::Other(_) => None,
    })
}

fn is_skip(attr: &Attribute) -> bool {
    matches!(&attr.meta, Meta::List(list) if syn::parse2::<Ident>(list.tokens.clone()).is_ok_and(|word| word == "skip"))
}

/// rustc does not know the marks.
fn unmark(func: &mut Func) {
    for argument in &mut func.sig.inputs {
        let attrs = match argument {
            syn::FnArg::Receiver(receiver) => &mut receiver.attrs,
            syn::FnArg::Typed(argument) => &mut argument.attrs,
        };
        attrs.retain(|attr| !attr.path().is_ident("carrier"));
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut head = self.head.clone();
        head.items = self
            .members
            .iter()
            .map(|member| match member {
                Member::Method(func) => func.to_token_stream(),
                Member::Other(tokens) => tokens.clone(),
            })
            .map(syn::ImplItem::Verbatim)
            .collect();
        head.to_tokens(tokens);
    }
}
