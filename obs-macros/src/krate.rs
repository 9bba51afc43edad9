//! Where the runtime is, as an expansion names it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

/// `::obs_runtime`, or what `crate = path` says.
pub(crate) fn path(given: Option<&syn::Path>) -> TokenStream {
    given.map_or_else(|| quote!(::obs_runtime), ToTokens::to_token_stream)
}

/// What expansions may call there, as a path: `::obs_runtime::__private`.
// Token by token: of a stream that stands within another the compiler is asked anew at each place.
#[derive(Clone)]
pub(crate) struct Runtime(Vec<TokenTree>);

impl Runtime {
    /// That of `krate`, all of its own tokens at `at`.
    pub(crate) fn of(krate: &TokenStream, at: Span) -> Self {
        Runtime(quote_spanned!(at=> #krate::__private).into_iter().collect())
    }

    /// The same path, at another place: what is told there is told of all that begins with it.
    pub(crate) fn moved(&self, at: Span) -> Self {
        let moved = |tree: &TokenTree| {
            let mut tree = tree.clone();
            tree.set_span(tree.span().located_at(at));
            tree
        };
        Runtime(self.0.iter().map(moved).collect())
    }
}

impl ToTokens for Runtime {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().cloned());
    }
}

/// What expansions may call there.
pub(crate) fn private(given: Option<&syn::Path>) -> Runtime {
    Runtime::of(&path(given), Span::call_site())
}
