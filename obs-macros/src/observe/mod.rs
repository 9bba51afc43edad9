//! `observe!`: what `#[observed]` does, for a block.

mod check;
mod ends;
mod expand;
mod parse;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;
use syn::{LitStr, Token};

use crate::diag::Diag;
use crate::observed::Args;

/// One call of `observe!`.
struct Observe {
    /// The runtime, as `$crate` names it.
    krate: TokenStream,
    name: LitStr,
    args: Args,
    /// The `async` and `move` in front of the block.
    asyncness: Option<Token![async]>,
    capture: Option<Token![move]>,
    block: Group,
}

impl Observe {
    /// The block as an expression, if it is whole already.
    fn parsed(&self) -> Option<syn::Block> {
        syn::parse2(TokenTree::from(self.block.clone()).into()).ok()
    }
}

/// Expands the macro, to an expression whatever was written.
pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let observe = parse::observe(input, &mut diag)?;
    if let Some(observe) = &observe {
        check::observe(observe, &mut diag);
    }
    Ok(match (diag.finish(), observe) {
        (Ok(()), Some(observe)) => expand::observe(&observe),
        (Ok(()), None) => quote!({}),
        (Err(errors), observe) => {
            // The block stays, so that one mistake is one error.
            let errors = errors.into_compile_error();
            let block = observe.map(|observe| expand::unobserved(&observe));
            quote!({ #errors #block })
        }
    })
}
