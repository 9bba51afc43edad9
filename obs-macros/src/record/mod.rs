//! `record!`: values for fields that `#[observed]` declared.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::diag::Diag;
use crate::observed::Field;

/// One call of `record!`.
struct Record {
    /// The runtime, as `$crate` names it.
    krate: TokenStream,
    fields: Vec<Field>,
}

/// Expands the macro, to an expression of type `()` whatever was written.
pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let record = parse::record(input, &mut diag)?;
    check::record(&record, &mut diag);
    Ok(match diag.finish() {
        Ok(()) => expand::record(&record),
        Err(errors) => {
            let errors = errors.into_compile_error();
            quote!({ #errors })
        }
    })
}
