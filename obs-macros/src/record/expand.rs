//! Model to tokens.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::Record;
use crate::krate::Runtime;
use crate::observed::{DECLARED, Field, Value, visit};

pub(super) fn record(record: &Record) -> TokenStream {
    let fields = record.fields.iter().map(|field| one(&record.krate, field));
    quote_spanned!(Span::mixed_site()=> { #(#fields)* })
}

/// Records one field. The value is computed whether or not the span is on, as it may be half of the function's work.
fn one(krate: &TokenStream, field: &Field) -> TokenStream {
    // Everything is said at the field's name: an unknown one fails in the const, and that is where its error points.
    let at = Span::mixed_site().located_at(field.name.span());
    let rt = Runtime::of(krate, at);
    let declared = Ident::new(DECLARED, field.name.span().resolved_at(Span::call_site()));
    let key = field.key();
    let (form, value) = match &field.value {
        Value::Expr(form, value) => (*form, value.clone()),
        Value::Named(form) => (*form, field.name.to_token_stream()),
        Value::Late => return TokenStream::new(),
    };
    let given = Ident::new("__obs_value", at);
    let index = Ident::new("__OBS_AT", at);
    let visitor = Ident::new("__obs_visit", at);
    let visit = visit(&rt, form, &given, &index, at);
    quote_spanned! {at=> {
        const #index: ::core::primitive::usize = match #rt::declared(#declared.names, #key) {
            ::core::result::Result::Ok(at) => at,
            ::core::result::Result::Err(text) => ::core::panic!("{}", text.as_str()),
        };
        match &(#value) {
            #given => #rt::record((#declared.callsite)(), |#visitor| #visit),
        }
    }}
}
