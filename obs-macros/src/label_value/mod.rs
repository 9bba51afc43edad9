//! `#[derive(LabelValue)]`: an enum, or a newtype that says how many values it may have.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::diag::Diag;

/// A value of a label, as the user declared it.
pub(crate) struct LabelValue {
    krate: Option<syn::Path>,
    ident: syn::Ident,
    values: Values,
}

enum Values {
    /// The variants of an enum.
    Closed(Vec<Variant>),
    /// A newtype around what has a text.
    Open { field: syn::Member, ty: Box<syn::Type>, max: Box<syn::Expr> },
}

struct Variant {
    ident: syn::Ident,
    /// The text of the label.
    text: String,
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(value) = parse::label_value(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::label_value(&value, &mut diag);
    diag.finish()?;
    Ok(expand::label_value(&value))
}
