//! `#[derive(LabelSet)]`: a struct whose fields are the labels of a metric.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::diag::Diag;

/// A set of labels, as the user declared it.
pub(crate) struct LabelSet {
    krate: Option<syn::Path>,
    ident: syn::Ident,
    labels: Vec<Label>,
}

struct Label {
    ident: syn::Ident,
    /// The name of the label: the field's, without `r#`.
    name: String,
    ty: syn::Type,
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(set) = parse::label_set(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::label_set(&set, &mut diag);
    diag.finish()?;
    Ok(expand::label_set(&set))
}
