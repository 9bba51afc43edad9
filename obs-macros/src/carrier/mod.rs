//! `#[derive(Carrier)]`: a struct carries a context in one of its fields.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;
use syn::{Generics, Ident, Member, Path, Type};

use crate::diag::Diag;

/// A struct that carries.
pub(crate) struct Carrier {
    krate: Option<Path>,
    ident: Ident,
    generics: Generics,
    /// The word `read_only`: nothing can be written into the field.
    read_only: Option<Ident>,
    /// The fields marked `#[carrier]`, or the only one there is.
    fields: Vec<Field>,
    /// Whether a mark could not be read: then nothing is said of what seems to be missing.
    broken: bool,
}

struct Field {
    member: Member,
    ty: Type,
    /// Its mark, or its type where it needs none.
    place: TokenStream,
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(carrier) = parse::carrier(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::carrier(&carrier, &mut diag);
    diag.finish()?;
    Ok(expand::carrier(&carrier))
}
