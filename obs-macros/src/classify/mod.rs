//! `#[derive(Classify)]`: how bad an error is, and of which kind.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;
use syn::{Generics, Ident, LitStr, Member, Path};

use crate::diag::Diag;
use crate::observed::Level;

/// An error type, as the user declared it.
struct Classify {
    krate: Option<Path>,
    ident: Ident,
    generics: Generics,
    /// What counts for every variant that does not say otherwise.
    class: Class,
    cases: Vec<Case>,
}

/// A variant, or the whole of a struct.
struct Case {
    /// `None` for a struct.
    variant: Option<Ident>,
    class: Class,
    /// The field that `transparent` asks.
    source: Option<Member>,
}

/// What `#[classify(…)]` says.
#[derive(Default)]
struct Class {
    krate: Option<Path>,
    level: Option<(Ident, Level)>,
    kind: Option<(Ident, LitStr)>,
    transparent: Option<Ident>,
}

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(classify) = parse::classify(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::classify(&classify, &mut diag);
    diag.finish()?;
    Ok(expand::classify(&classify))
}
