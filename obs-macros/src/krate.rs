//! Where the runtime is, as an expansion names it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// `::obs_runtime`, or what `crate = path` says.
pub(crate) fn path(given: Option<&syn::Path>) -> TokenStream {
    given.map_or_else(|| quote!(::obs_runtime), ToTokens::to_token_stream)
}

/// What expansions may call there.
pub(crate) fn private(given: Option<&syn::Path>) -> TokenStream {
    let krate = path(given);
    quote!(#krate::__private)
}

/// The same path, at another place: what is told there is told of all that begins with it.
pub(crate) fn moved(path: &TokenStream, at: Span) -> TokenStream {
    let moved = |mut tree: TokenTree| {
        tree.set_span(tree.span().located_at(at));
        tree
    };
    path.clone().into_iter().map(moved).collect()
}
