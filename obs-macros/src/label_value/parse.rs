use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields, LitStr};

use super::{LabelValue, Values, Variant};
use crate::case::Case;
use crate::diag::Diag;
use crate::helper;

const OPTIONS: [&str; 4] = ["max", "rename_all", "rename", "crate"];

/// What `#[label(…)]` says.
#[derive(Default)]
struct Options {
    krate: Option<syn::Path>,
    max: Option<syn::Expr>,
    rename_all: Option<(LitStr, Case)>,
    rename: Option<LitStr>,
    /// Whether something in it could not be read: then nothing is said of what seems to be missing.
    broken: bool,
}

pub(super) fn label_value(item: TokenStream, diag: &mut Diag) -> Option<LabelValue> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let options = options(&input.attrs, diag);
    if !input.generics.params.is_empty() {
        diag.error(&input.generics, "a label takes no generic parameters; write a type for each label");
        return None;
    }
    if let Some(rename) = &options.rename {
        diag.error(rename, "`rename` is for a variant; write `rename_all` for all of them");
    }
    let values = match input.data {
        Data::Enum(data) => {
            if let Some(max) = &options.max {
                diag.error(max, "an enum has as many values as variants; leave `max` out");
            }
            let case = options.rename_all.map_or(Case::Snake, |(_, case)| case);
            Values::Closed(data.variants.into_iter().filter_map(|variant| self::variant(variant, case, diag)).collect())
        }
        Data::Struct(data) => {
            if let Some((rename_all, _)) = &options.rename_all {
                diag.error(
                    rename_all,
                    "`rename_all` is for enums; leave it out, as the text of a newtype is that of its value",
                );
            }
            let mut fields = match data.fields {
                Fields::Unit => Vec::new(),
                fields => fields.into_iter().collect(),
            };
            let field = fields.pop().filter(|_| fields.is_empty());
            let Some(field) = field else {
                diag.error(
                    &input.ident,
                    "a label is an enum or a newtype; `#[derive(LabelSet)]` makes a set of labels",
                );
                return None;
            };
            let Some(max) = options.max else {
                if options.broken {
                    return None;
                }
                diag.error(
                    &input.ident,
                    format!("`{}` must say how many values it may have: `#[label(max = 1_000)]`", input.ident),
                );
                return None;
            };
            let member = field.ident.map_or_else(|| syn::Member::from(0), syn::Member::Named);
            Values::Open { field: member, ty: Box::new(field.ty), max: Box::new(max) }
        }
        Data::Union(_) => {
            diag.error(&input.ident, "a label is an enum or a newtype; write one of them");
            return None;
        }
    };
    Some(LabelValue { krate: options.krate, ident: input.ident, values })
}

fn variant(variant: syn::Variant, case: Case, diag: &mut Diag) -> Option<Variant> {
    let options = options(&variant.attrs, diag);
    if let Some((rename_all, _)) = &options.rename_all {
        diag.error(rename_all, "`rename_all` is for the enum; write `rename` for a variant");
    }
    if let Some(max) = &options.max {
        diag.error(max, "`max` is for newtypes; leave it out");
    }
    if !matches!(variant.fields, Fields::Unit) {
        diag.error(
            &variant.fields,
            format!("`{}` carries a value, so it is not one label; leave the value out", variant.ident),
        );
        return None;
    }
    let text = options.rename.map_or_else(|| case.of(&crate::case::unraw(&variant.ident)), |rename| rename.value());
    Some(Variant { ident: variant.ident, text })
}

fn options(attrs: &[syn::Attribute], diag: &mut Diag) -> Options {
    let mut options = Options::default();
    let sound = helper::options(attrs, "label", &OPTIONS, diag, |option, meta, diag| {
        match option {
            "crate" => options.krate = Some(meta.value()?.parse()?),
            "max" => options.max = Some(meta.value()?.parse()?),
            "rename" => options.rename = Some(meta.value()?.parse()?),
            _ => {
                let text: LitStr = meta.value()?.parse()?;
                match Case::named(&text.value()) {
                    Some(case) => options.rename_all = Some((text, case)),
                    None => {
                        let hint = helper::or_these(&text.value(), &Case::NAMES);
                        diag.error(&text, format!("no case is called `{}`{hint}", text.value()));
                    }
                }
            }
        }
        Ok(())
    });
    options.broken = !sound;
    options
}
