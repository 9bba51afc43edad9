use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{Field, Kind, Metric, MetricSet};
use crate::krate::{self, Runtime};

/// How many series a metric of closed labels may have if it does not say.
const MAX_SERIES: usize = 10_000;

pub(super) fn metric_set(set: &MetricSet) -> TokenStream {
    let rt = krate::private(set.krate.as_ref());
    let ident = &set.ident;
    let families = syn::Ident::new("__obs_families", Span::mixed_site());
    let parts = set.fields.iter().map(|field| match field {
        Field::Metric(metric) => {
            let descriptor = descriptor(metric, &rt);
            quote!(&[#descriptor])
        }
        Field::Flatten { ty, .. } => quote_spanned!(ty.span()=> <#ty as #rt::MetricSet>::DESCRIPTORS),
    });
    let made = set.fields.iter().enumerate().map(|(at, field)| match field {
        Field::Metric(metric) => {
            let field = &metric.ident;
            // Without the type, and with its span: a type that is no metric is told once.
            let rt = rt.moved(metric.ty.span());
            let made = quote_spanned!(metric.ty.span()=> #rt::metric(__OBS_PARTS[#at]));
            quote!(#field: #made)
        }
        Field::Flatten { ident, ty } => quote!(#ident: <#ty as #rt::MetricSet>::new()),
    });
    let added = set.fields.iter().map(|field| match field {
        Field::Metric(metric) => {
            let (rt, field) = (rt.moved(metric.ty.span()), &metric.ident);
            quote_spanned!(metric.ty.span()=> #rt::MaybeMetric(&self.#field).__obs_add_to(#families);)
        }
        Field::Flatten { ident, ty } => quote!(<#ty as #rt::MetricSet>::add_to(&self.#ident, #families);),
    });
    let checks = set.fields.iter().filter_map(|field| match field {
        Field::Metric(metric) => Some(checks(metric, &rt)),
        Field::Flatten { .. } => None,
    });
    // The names of this set differ, as far as the macro sees them; those of nested sets it does not see.
    let nested = set.fields.iter().find_map(|field| match field {
        Field::Flatten { ty, .. } => Some(ty.span()),
        Field::Metric(_) => None,
    });
    let nested = nested.map(|span| check(&rt, span, &quote_spanned!(span=> #rt::names(&__OBS_ALL))));
    quote! {
        const _: () = {
            const __OBS_PARTS: &[&[#rt::Descriptor]] = &[#(#parts),*];
            const __OBS_ALL: [#rt::Descriptor; #rt::count(__OBS_PARTS)] = #rt::flatten(__OBS_PARTS);
            #(#checks)*
            #nested

            #[automatically_derived]
            impl #rt::MetricSet for #ident {
                const DESCRIPTORS: &'static [#rt::Descriptor] = &__OBS_ALL;

                fn new() -> Self {
                    #ident { #(#made),* }
                }

                fn slot() -> &'static #rt::Global<Self> {
                    static __OBS_GLOBAL: #rt::Global<#ident> = #rt::Global::new();
                    &__OBS_GLOBAL
                }

                fn add_to(&self, #families: &mut #rt::Families) {
                    #(#added)*
                }
            }

            #[automatically_derived]
            impl #rt::Collector for #ident {
                fn desc(&self) -> #rt::Vec<&#rt::Desc> {
                    static __OBS_DESCS: #rt::Descs = #rt::Descs::new();
                    __OBS_DESCS.of(<Self as #rt::MetricSet>::DESCRIPTORS)
                }

                fn collect(&self) -> #rt::Vec<#rt::MetricFamily> {
                    #rt::collect(self)
                }
            }
        };
    }
}

fn descriptor(metric: &Metric, rt: &Runtime) -> TokenStream {
    let Metric { ident, ty, name, help, .. } = metric;
    let unit = match &metric.unit {
        Some(unit) => quote!(::core::option::Option::Some(#unit)),
        None => quote!(::core::option::Option::None),
    };
    let buckets = buckets(metric, rt);
    // With the span of the field these are the field's line and file, not the derive's.
    let file = quote_spanned!(ident.span()=> ::core::file!());
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let descriptor = quote_spanned!(ty.span()=> #rt::descriptor::<#ty>(#name, #help, #unit, #buckets, #file, #line));
    match &metric.ttl {
        Some((_, nanos)) => quote!(#rt::lasting(#descriptor, #nanos)),
        None => descriptor,
    }
}

fn buckets(metric: &Metric, rt: &Runtime) -> TokenStream {
    match (&metric.buckets, metric.kind) {
        (Some(array @ (syn::Expr::Array(_) | syn::Expr::Repeat(_))), _) => quote!(&#array),
        (Some(slice), _) => quote!(#slice),
        (None, Kind::Histogram) => quote!(#rt::SECONDS),
        (None, _) => quote!(&[]),
    }
}

/// What the macro cannot see: the values of expressions and the labels of types.
fn checks(metric: &Metric, rt: &Runtime) -> TokenStream {
    let ty = &metric.ty;
    let buckets = metric.buckets.as_ref().map(|expr| {
        let buckets = buckets(metric, rt);
        check(rt, expr.span(), &quote_spanned!(expr.span()=> #rt::buckets(#buckets)))
    });
    let (max, span) = match &metric.max_series {
        Some(max) => (quote!(#max), max.span()),
        None => (quote!(#MAX_SERIES), ty.span()),
    };
    let series = check(rt, span, &quote_spanned!(span=> #rt::series(#rt::labels_of::<#ty>(), #max)));
    quote!(#buckets #series)
}

/// The `panic!` is in the expansion: inside a function of the library it would underline the whole derive.
fn check(rt: &Runtime, span: Span, check: &TokenStream) -> TokenStream {
    quote_spanned! {span=>
        const _: () = match #check {
            ::core::option::Option::None => {}
            ::core::option::Option::Some(__obs_text) => ::core::panic!("{}", #rt::Text::as_str(&__obs_text)),
        };
    }
}
