use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::LabelSet;
use crate::krate;

pub(super) fn label_set(set: &LabelSet) -> TokenStream {
    let rt = krate::private(set.krate.as_ref());
    let ident = &set.ident;
    let visitor = syn::Ident::new("__obs_visitor", Span::mixed_site());
    // A type that is no label is told at the type, once.
    let labels = set.labels.iter().map(|label| {
        let (name, ty) = (&label.name, &label.ty);
        quote_spanned!(ty.span()=> #rt::label::<#ty>(#name))
    });
    let visits = set.labels.iter().map(|label| {
        let field = &label.ident;
        quote!(#rt::MaybeLabel(&self.#field).__obs_visit(#visitor);)
    });
    let index = syn::Ident::new("__obs_index", Span::mixed_site());
    let indexes = set.labels.iter().map(|label| {
        let field = &label.ident;
        quote!(let #index = #rt::MaybeLabel(&self.#field).__obs_index(#index)?;)
    });
    quote! {
        #[automatically_derived]
        impl #rt::LabelSet for #ident {
            const LABELS: &'static [#rt::LabelDescriptor] = &[#(#labels),*];

            #[inline]
            fn index(&self) -> ::core::option::Option<::core::primitive::usize> {
                let #index = 0;
                #(#indexes)*
                ::core::option::Option::Some(#index)
            }

            // Into each reader whole: so it knows how many labels there are.
            #[inline(always)]
            fn visit<'__obs>(&'__obs self, #visitor: &mut #rt::LabelVisitor<'__obs>) { #(#visits)* }
        }
    }
}
