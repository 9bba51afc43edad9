//! Model to tokens.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Case, Class, Classify};
use crate::krate;

pub(super) fn classify(classify: &Classify) -> TokenStream {
    let Classify { ident, generics, .. } = classify;
    let rt = krate::private(classify.krate.as_ref());
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let mixed = Span::mixed_site();
    let level = matched(classify, "__obs_level", |class| {
        class.level.as_ref().map(|(_, level)| {
            let level = Ident::new(level.0, mixed);
            quote_spanned!(mixed=> #rt::Level::#level)
        })
    });
    let level = level.map(|body| {
        quote_spanned! {mixed=>
            fn level(&self) -> #rt::Level { #body }
        }
    });
    let kind = matched(classify, "__obs_name", |class| {
        class.kind.as_ref().map(|(_, kind)| quote_spanned!(mixed=> #rt::Cow::Borrowed(#kind)))
    });
    let kind = kind.map(|body| {
        quote_spanned! {mixed=>
            fn kind(&self) -> #rt::Cow<'static, ::core::primitive::str> { #body }
        }
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #rt::Classify for #ident #ty_generics #where_clause { #level #kind }
    }
}

/// A `match` on the cases, of which `said` gives what they say themselves; nothing where no case says anything.
fn matched(classify: &Classify, ask: &str, said: impl Fn(&Class) -> Option<TokenStream>) -> Option<TokenStream> {
    let mixed = Span::mixed_site();
    let rt = krate::private(classify.krate.as_ref());
    let ask = Ident::new(ask, mixed);
    let source = Ident::new("__obs_source", mixed);
    let mut silent = false;
    let arms: Vec<TokenStream> = classify
        .cases
        .iter()
        .filter_map(|case| {
            let Case { variant, class, source: field } = case;
            let path = match variant {
                Some(variant) => quote!(Self::#variant),
                None => quote!(Self),
            };
            if let (Some(_), Some(field)) = (&class.transparent, field) {
                return Some(quote_spanned! {mixed=>
                    #path { #field: #source, .. } => #rt::L0::of(#source).__obs_class().#ask(#source),
                });
            }
            let said = said(class);
            silent |= said.is_none();
            said.map(|said| quote_spanned!(mixed=> #path { .. } => #said,))
        })
        .collect();
    let default = said(&classify.class);
    if arms.is_empty() {
        return default.filter(|_| silent);
    }
    let default = default.unwrap_or_else(|| quote_spanned!(mixed=> #rt::Unclassified.#ask::<Self>(self)));
    let default = silent.then(|| quote_spanned!(mixed=> _ => #default,));
    Some(quote_spanned!(mixed=> match self { #(#arms)* #default }))
}
