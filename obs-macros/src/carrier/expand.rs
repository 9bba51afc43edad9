//! Model to tokens. Cannot fail.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Generics, Lifetime};

use super::{Carrier, Field};
use crate::krate::{self, Runtime};

pub(super) fn carrier(carrier: &Carrier) -> TokenStream {
    let Some(field) = carrier.fields.first() else { return TokenStream::new() };
    let rt = krate::private(carrier.krate.as_ref());
    let reads = reads(&rt, carrier, field);
    let writes = carrier.read_only.is_none().then(|| writes(&rt, carrier, field));
    quote!(#reads #writes)
}

fn reads(rt: &Runtime, carrier: &Carrier, Field { member, ty, .. }: &Field) -> TokenStream {
    let ident = &carrier.ident;
    let (generics, types, bounds) = header(rt, "Carrier", carrier);
    let key = local("__obs_key");
    let c = Lifetime::new("'__obs_c", Span::mixed_site());
    // Told at the type, and there once.
    let rt = &rt.moved(ty.span());
    let carries = quote_spanned!(ty.span()=> #rt::carries::<#ty>());
    let kind = quote_spanned!(ty.span()=> #rt::M0::of(&self.#member).__obs_kind());
    let values = quote_spanned!(ty.span()=> #kind.__obs_values::<#ty>(&self.#member, #key));
    quote! {
        #[automatically_derived]
        impl #generics #rt::Carrier for #ident #types #bounds {
            fn values<#c>(
                &#c self,
                #key: &#c ::core::primitive::str,
            ) -> impl ::core::iter::Iterator<Item = &#c [::core::primitive::u8]> {
                #carries;
                #values
            }
        }
    }
}

fn writes(rt: &Runtime, carrier: &Carrier, Field { member, ty, .. }: &Field) -> TokenStream {
    let ident = &carrier.ident;
    let (generics, types, bounds) = header(rt, "CarrierMut", carrier);
    let (key, value) = (local("__obs_key"), local("__obs_value"));
    let rt = &rt.moved(ty.span());
    let kind = quote_spanned!(ty.span()=> #rt::M0::of(&self.#member).__obs_kind());
    let set = quote_spanned!(ty.span()=> #kind.__obs_set::<#ty>(&mut self.#member, #key, #value));
    let remove = quote_spanned!(ty.span()=> #kind.__obs_remove::<#ty>(&mut self.#member, #key));
    quote! {
        #[automatically_derived]
        impl #generics #rt::CarrierMut for #ident #types #bounds {
            fn set(&mut self, #key: &'static ::core::primitive::str, #value: &::core::primitive::str) {
                #set;
            }

            fn remove(&mut self, #key: &'static ::core::primitive::str) {
                #remove;
            }
        }
    }
}

/// The generics of an `impl`; where the field's type is generic, it is for those types that carry.
fn header(rt: &Runtime, name: &str, carrier: &Carrier) -> (TokenStream, TokenStream, TokenStream) {
    let name = Ident::new(name, Span::mixed_site());
    let mut generics = carrier.generics.clone();
    for Field { ty, .. } in &carrier.fields {
        if is_generic(ty, &carrier.generics) {
            generics.make_where_clause().predicates.push(syn::parse_quote!(#ty: #rt::#name));
        }
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let (_, types, _) = carrier.generics.split_for_impl();
    (quote!(#generics), quote!(#types), quote!(#bounds))
}

/// Whether a type names one of the type parameters.
fn is_generic(ty: &syn::Type, generics: &Generics) -> bool {
    struct Names<'a>(&'a Generics, bool);
    impl<'a> Visit<'a> for Names<'_> {
        fn visit_ident(&mut self, ident: &'a Ident) {
            self.1 |= self.0.type_params().any(|param| param.ident == *ident);
            visit::visit_ident(self, ident);
        }
    }
    let mut names = Names(generics, false);
    names.visit_type(ty);
    names.1
}

fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
