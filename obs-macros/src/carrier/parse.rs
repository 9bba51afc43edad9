//! Tokens to model.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, Member, Meta, Path};

use super::{Carrier, Field};
use crate::diag::Diag;
use crate::helper;

const OPTIONS: [&str; 2] = ["read_only", "crate"];

pub(super) fn carrier(item: TokenStream, diag: &mut Diag) -> Option<Carrier> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let Data::Struct(data) = input.data else {
        diag.error(
            &input.ident,
            "only a struct carries, in the field that `#[carrier]` marks; put what carries into one",
        );
        return None;
    };
    let (krate, read_only) = options(&input.attrs, diag);
    let members: Vec<Member> = data.fields.members().collect();
    let mut broken = false;
    let mut fields = Vec::new();
    for (field, member) in data.fields.iter().zip(members) {
        let marks: Vec<&Attribute> = field.attrs.iter().filter(|attr| attr.path().is_ident("carrier")).collect();
        for mark in &marks {
            if !matches!(mark.meta, Meta::Path(_)) {
                diag.error(&mark.meta, "`#[carrier]` on a field takes nothing; options stand on the struct");
                broken = true;
            }
        }
        let place = match marks.first() {
            Some(mark) => mark.to_token_stream(),
            None if data.fields.len() == 1 => field.ty.to_token_stream(),
            None => continue,
        };
        fields.push(Field { member, ty: field.ty.clone(), place });
    }
    Some(Carrier { krate, ident: input.ident, generics: input.generics, read_only, fields, broken })
}

/// Reads `#[carrier(…)]` on the struct.
fn options(attrs: &[Attribute], diag: &mut Diag) -> (Option<Path>, Option<Ident>) {
    let (mut krate, mut read_only) = (None, None);
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("carrier")) {
        if matches!(attr.meta, Meta::Path(_)) {
            diag.error(
                attr,
                "`#[carrier]` marks the field that carries; on the struct write options, as `#[carrier(crate = path)]`",
            );
        }
    }
    let lists: Vec<Attribute> = attrs.iter().filter(|attr| !matches!(attr.meta, Meta::Path(_))).cloned().collect();
    helper::options(&lists, "carrier", &OPTIONS, diag, |name, meta, _| {
        match name {
            "crate" => krate = Some(meta.value()?.parse()?),
            _ => read_only = meta.path.get_ident().cloned(),
        }
        Ok(())
    });
    (krate, read_only)
}
