//! `#[derive(MetricSet)]`: a struct whose fields are metrics.

mod check;
mod expand;
mod naming;
mod parse;

use proc_macro2::TokenStream;

use crate::diag::Diag;

/// A set of metrics, as the user declared it.
pub(crate) struct MetricSet {
    krate: Option<syn::Path>,
    ident: syn::Ident,
    fields: Vec<Field>,
}

enum Field {
    Metric(Box<Metric>),
    /// Another set, whose metrics are of this one too.
    Flatten {
        ident: syn::Ident,
        ty: Box<syn::Type>,
    },
}

struct Metric {
    ident: syn::Ident,
    ty: syn::Type,
    kind: Kind,
    /// The published name, with its prefix.
    name: String,
    help: String,
    /// As it was given, or as the name ends.
    unit: Option<String>,
    /// Where the unit was given.
    unit_given: Option<syn::LitStr>,
    buckets: Option<syn::Expr>,
    max_series: Option<syn::Expr>,
    /// After how many nanoseconds without an update a series leaves.
    ttl: Option<(syn::LitStr, u64)>,
    /// Whether its value is asked for at scrape.
    observed: bool,
    /// `allow(naming)`: the name is published and must break the conventions.
    allow_naming: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    let Some(set) = parse::metric_set(item, &mut diag) else {
        return Err(diag.into_error());
    };
    check::metric_set(&set, &mut diag);
    diag.finish()?;
    Ok(expand::metric_set(&set))
}
