//! Tokens to model.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Path, Result, Token};

use super::Record;
use crate::diag::Diag;
use crate::observed::{field, separated};

pub(super) fn record(input: TokenStream, diag: &mut Diag) -> Result<Record> {
    let split = |input: ParseStream<'_>| {
        let krate = input.call(Path::parse_mod_style)?.into_token_stream();
        input.parse::<Token![;]>()?;
        Ok((krate, input.parse::<TokenStream>()?))
    };
    let (krate, entries) = split.parse2(input)?;
    let mut fields = Vec::new();
    if entries.is_empty() {
        let message = "nothing to record; write `record!(agent_id = id)`";
        diag.push(syn::Error::new(proc_macro2::Span::call_site(), message));
    }
    separated(entries, diag, |input, _| {
        fields.push(field(input)?);
        Ok(())
    });
    Ok(Record { krate, fields })
}
