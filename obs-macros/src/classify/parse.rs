//! Tokens to model.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Member, Meta, Path, Result, Token};

use super::{Case, Class, Classify};
use crate::diag::Diag;
use crate::helper::or_these;
use crate::observed::{level, needs_value, once, separated};

const OPTIONS: [&str; 4] = ["level", "kind", "transparent", "crate"];

pub(super) fn classify(item: TokenStream, diag: &mut Diag) -> Option<Classify> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let mut class = class(&input.attrs, diag);
    let cases = match input.data {
        Data::Enum(data) => data
            .variants
            .into_iter()
            .map(|variant| Case {
                class: self::class(&variant.attrs, diag),
                source: source(&variant.fields),
                variant: Some(variant.ident),
            })
            .collect(),
        Data::Struct(data) => {
            let source = source(&data.fields);
            let krate = class.krate.take();
            let case = Case { variant: None, class: std::mem::take(&mut class), source };
            class.krate = krate;
            vec![case]
        }
        Data::Union(_) => {
            diag.error(&input.ident, "a union cannot say which error it is; `Classify` is for enums and structs");
            return None;
        }
    };
    Some(Classify { krate: class.krate.take(), ident: input.ident, generics: input.generics, class, cases })
}

/// The field that holds what the error came from: the only one, or the one that is marked or called `source`.
fn source(fields: &Fields) -> Option<Member> {
    let marked = |field: &syn::Field| {
        let by_name = field.ident.as_ref().is_some_and(|name| name == "source");
        by_name || field.attrs.iter().any(|attr| attr.path().is_ident("source") || attr.path().is_ident("from"))
    };
    let members = || fields.members().zip(fields);
    match fields.len() {
        1 => members().next(),
        _ => members().find(|(_, field)| marked(field)),
    }
    .map(|(member, _)| member)
}

fn class(attrs: &[Attribute], diag: &mut Diag) -> Class {
    let mut class = Class::default();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("classify")) {
        match &attr.meta {
            Meta::List(list) if list.tokens.is_empty() => {
                diag.error(list, "`#[classify()]` says nothing; write `#[classify(level = \"warn\")]`");
            }
            Meta::List(list) => separated(list.tokens.clone(), diag, |input, _| option(input, &mut class)),
            meta => diag.error(meta, "options stand in parentheses, as `#[classify(level = \"warn\")]`"),
        }
    }
    class
}

fn option(input: ParseStream<'_>, class: &mut Class) -> Result<()> {
    let word = input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), "expected an option, as `level = \"warn\"`"))?;
    let name = word.to_string();
    match name.as_str() {
        "transparent" => once(&mut class.transparent, &word, word.clone()),
        "level" => {
            let text = string(input, &word, "level = \"warn\"")?;
            once(&mut class.level, &word, (word.clone(), level(&text)?))
        }
        "kind" => {
            let text = string(input, &word, "kind = \"not_found\"")?;
            if text.value().trim().is_empty() {
                return Err(Error::new_spanned(text, "this is empty; write what `error.type` is to be"));
            }
            once(&mut class.kind, &word, (word.clone(), text))
        }
        "crate" => {
            value(input, &word, "crate = obs_runtime")?;
            once(&mut class.krate, &word, input.call(Path::parse_mod_style)?)
        }
        _ => Err(Error::new(word.span(), format!("`classify` has no option `{name}`{}", or_these(&name, &OPTIONS)))),
    }
}

fn value(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<()> {
    let eq: Token![=] =
        input.parse().map_err(|_| Error::new(word.span(), format!("the option `{word}` is written `{example}`")))?;
    needs_value(input, word, &eq)
}

fn string(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<LitStr> {
    value(input, word, example)?;
    let at = input.span();
    input.parse().map_err(|_| Error::new(at, format!("`{word}` takes a string, as `{example}`")))
}
