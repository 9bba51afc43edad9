use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields};

use super::{Label, LabelSet};
use crate::case::unraw;
use crate::diag::Diag;
use crate::helper;

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
    helper::options(attrs, "label_set", &["crate"], diag, |_, meta, _| {
        krate = Some(meta.value()?.parse()?);
        Ok(())
    });
    krate
}
