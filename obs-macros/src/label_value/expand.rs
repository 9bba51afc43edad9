use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{LabelValue, Values};
use crate::krate;

pub(super) fn label_value(value: &LabelValue) -> TokenStream {
    let rt = krate::private(value.krate.as_ref());
    let ident = &value.ident;
    let body = match &value.values {
        Values::Closed(variants) => {
            let texts = variants.iter().map(|variant| &variant.text);
            let arms = variants.iter().enumerate().map(|(at, variant)| {
                let variant = &variant.ident;
                quote!(Self::#variant => #at,)
            });
            quote! {
                const VALUES: #rt::Values = #rt::Values::Closed(&[#(#texts),*]);

                #[inline]
                fn index(&self) -> ::core::primitive::usize {
                    match self { #(#arms)* }
                }
            }
        }
        Values::Open { field, ty, max } => {
            let out = syn::Ident::new("__obs_out", Span::mixed_site());
            // A type without a text is told at the type.
            let text = quote_spanned!(ty.span()=> #rt::inner_text::<#ty>);
            let max = max.to_token_stream();
            quote! {
                const VALUES: #rt::Values = #rt::Values::Open { max: #max };

                #[inline]
                fn ready(&self) -> ::core::option::Option<&::core::primitive::str> {
                    #rt::Inner(&self.#field).__obs_ready()
                }

                #[inline]
                fn lasting(&self) -> ::core::option::Option<&'static ::core::primitive::str> {
                    #rt::Inner(&self.#field).__obs_lasting()
                }

                fn text(&self, #out: &mut dyn ::core::fmt::Write) -> ::core::fmt::Result {
                    #text(&self.#field, #out)
                }
            }
        }
    };
    quote! {
        #[automatically_derived]
        impl #rt::LabelValue for #ident { #body }
    }
}
