use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields};

use super::{Label, LabelSet};
use crate::case::unraw;
use crate::diag::{Diag, did_you_mean};

pub(super) fn label_set(item: TokenStream, diag: &mut Diag) -> Option<LabelSet> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let krate = krate(&input.attrs, diag);
    if !input.generics.params.is_empty() {
        diag.error(&input.generics, "a set of labels takes no generic parameters; write a struct for each metric");
        return None;
    }
    let fields = match input.data {
        Data::Struct(syn::DataStruct { fields: Fields::Named(fields), .. }) => fields,
        Data::Enum(_) => {
            diag.error(
                &input.ident,
                "a set of labels is a struct; `#[derive(LabelValue)]` makes an enum a label of one",
            );
            return None;
        }
        _ => {
            diag.error(
                &input.ident,
                "a set of labels is a struct with named fields: the names are those of the labels",
            );
            return None;
        }
    };
    let labels = fields.named.into_iter().filter_map(|field| {
        let ident = field.ident?;
        Some(Label { name: unraw(&ident), ident, ty: field.ty })
    });
    Some(LabelSet { krate, labels: labels.collect(), ident: input.ident })
}

fn krate(attrs: &[syn::Attribute], diag: &mut Diag) -> Option<syn::Path> {
    let mut krate = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("label_set")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                krate = Some(meta.value()?.parse()?);
                return Ok(());
            }
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            Err(meta.error(format!("`label_set` has no option `{name}`{}", did_you_mean(&name, ["crate"]))))
        });
        diag.keep(parsed);
    }
    krate
}
