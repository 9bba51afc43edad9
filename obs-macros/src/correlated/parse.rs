//! Tokens to model.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, FnArg, GenericArgument, LitStr, Pat, PatType, Path, PathArguments, Result, Token, Type,
    Visibility,
};

use super::{Carrier, KNOWN_CARRIERS, Options, Trust};
use crate::diag::Diag;
use crate::helper::or_these;
use crate::observed::{Block, Func, separated};

const OPTIONS: [&str; 3] = ["outbound", "trust", "crate"];

const POLICIES: [(&str, &str); 3] = [("all", "All"), ("ids", "Ids"), ("none", "None")];

/// What the attribute stands on.
pub(super) enum Item {
    Fn(Box<Func>),
    Impl(Box<Block>),
}

/// Reads the function, or the `impl` block, that the attribute stands on.
pub(super) fn item(tokens: TokenStream) -> Result<Item> {
    let item = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![impl]) || ahead.peek(Token![unsafe]) && ahead.peek2(Token![impl]) {
            return input.parse().map(|block| Item::Impl(Box::new(block)));
        }
        let advice = if ahead.peek(Token![struct]) || ahead.peek(Token![enum]) || ahead.peek(Token![union]) {
            "`#[derive(Carrier)]` makes a struct one that carries"
        } else if ahead.peek(Token![trait]) || ahead.peek(Token![mod]) {
            "put it on the functions themselves"
        } else {
            return input.parse().map(|func| Item::Fn(Box::new(func)));
        };
        Err(ahead.error(format!("`#[correlated]` needs a `fn` or an `impl` block; {advice}")))
    };
    item.parse2(tokens)
}

/// Reads what stands between the parentheses.
pub(super) fn options(tokens: TokenStream, diag: &mut Diag) -> Options {
    let mut options = Options::default();
    separated(tokens, diag, |input, _| option(input, &mut options));
    options
}

fn option(input: ParseStream<'_>, options: &mut Options) -> Result<()> {
    let word = input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), "expected `outbound`, `trust = \"…\"` or `crate = path`"))?;
    match word.to_string().as_str() {
        "outbound" => once(&mut options.outbound, &word, word.clone()),
        "skip" => Err(Error::new(
            word.span(),
            "`skip` leaves a method out of a block; without the block's `#[correlated]` it means nothing",
        )),
        "inbound" => Err(Error::new(word.span(), "inbound is what `#[correlated]` does by itself; leave the word out")),
        "trust" => {
            let example = "the option `trust` is written `trust = \"ids\"`";
            input.parse::<Token![=]>().map_err(|_| Error::new(word.span(), example))?;
            let text = input.parse::<LitStr>().map_err(|error| Error::new(error.span(), example))?;
            let policy = policy(&text)?;
            once(&mut options.trust, &word, Trust { word: word.clone(), policy })
        }
        "crate" => {
            let example = "the option `crate` is written `crate = obs_runtime`";
            input.parse::<Token![=]>().map_err(|_| Error::new(word.span(), example))?;
            let path = input.call(Path::parse_mod_style).map_err(|error| Error::new(error.span(), example))?;
            once(&mut options.krate, &word, path)
        }
        other => {
            let nearest = or_these(other, &OPTIONS);
            Err(Error::new(word.span(), format!("no option named `{other}`{nearest}")))
        }
    }
}

fn once<T>(place: &mut Option<T>, word: &Ident, value: T) -> Result<()> {
    if place.replace(value).is_some() {
        return Err(Error::new(word.span(), format!("`{word}` given twice")));
    }
    Ok(())
}

fn policy(text: &LitStr) -> Result<&'static str> {
    let value = text.value();
    match POLICIES.iter().find(|(name, _)| *name == value) {
        Some((_, policy)) => Ok(policy),
        None => {
            let message = format!("no trust named `{value}`; there are `all`, `ids` and `none`");
            Err(Error::new(text.span(), message))
        }
    }
}

/// Finds the argument that carries, and takes the marks away: rustc does not know them.
pub(super) fn carrier(func: &mut Func, diag: &mut Diag) -> Option<Carrier> {
    let mut marked = None;
    let mut told = false;
    for argument in &mut func.sig.inputs {
        let attrs = match argument {
            FnArg::Receiver(receiver) => &mut receiver.attrs,
            FnArg::Typed(argument) => &mut argument.attrs,
        };
        let marks: Vec<Attribute> = attrs.extract_if(.., |attr| attr.path().is_ident("carrier")).collect();
        for mark in &marks {
            if !matches!(mark.meta, syn::Meta::Path(_)) {
                diag.error(&mark.meta, "`#[carrier]` on an argument takes nothing; write `#[carrier]`");
                told = true;
            }
        }
        let Some(mark) = marks.first() else { continue };
        match argument {
            FnArg::Receiver(receiver) => {
                diag.error(receiver.self_token, "`self` cannot be the carrier; pass what carries as an argument");
                told = true;
            }
            FnArg::Typed(argument) if marked.is_none() => match named(argument) {
                Some(carrier) => marked = Some(carrier),
                None => {
                    diag.error(
                        &argument.pat,
                        "a carrier needs a name; write `headers: …` and take it apart in the body",
                    );
                    told = true;
                }
            },
            FnArg::Typed(_) => {
                diag.error(mark, "`#[carrier]` given twice; a function has one carrier");
                told = true;
            }
        }
    }
    if marked.is_some() || told {
        return marked;
    }
    by_type(func, diag)
}

/// The only argument whose type is known to carry.
fn by_type(func: &Func, diag: &mut Diag) -> Option<Carrier> {
    let typed = func.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) if is_known(&argument.ty) => Some(argument),
        _ => None,
    });
    let found: Vec<&PatType> = typed.collect();
    match found[..] {
        [argument] => {
            let carrier = named(argument);
            if carrier.is_none() {
                diag.error(&argument.pat, "a carrier needs a name; write `headers: …` and take it apart in the body");
            }
            carrier
        }
        [] => {
            diag.error(
                &func.sig.ident,
                "no argument of a type that is known to carry (`HeaderMap`, `Request`, `BTreeMap`, `HashMap`, `Metadata`, `Vec<(String, String)>`); mark the one that does with `#[carrier]`",
            );
            None
        }
        [first, ..] => {
            let names: Vec<String> = found.iter().map(|argument| name_of(&argument.pat)).collect();
            let names = names.join(" and ");
            diag.error(&first.pat, format!("{names} can both carry; mark the one that does with `#[carrier]`"));
            None
        }
    }
}

fn name_of(pat: &Pat) -> String {
    match pat {
        Pat::Ident(pat) => format!("`{}`", pat.ident),
        _ => "a pattern".to_owned(),
    }
}

fn named(argument: &PatType) -> Option<Carrier> {
    match &*argument.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
            Some(Carrier { name: pat.ident.clone(), ty: (*argument.ty).clone() })
        }
        _ => None,
    }
}

/// Whether a method of a block is one that the block's attribute is meant for.
pub(super) fn may_carry(func: &Func) -> bool {
    func.body.is_some()
        && func.sig.inputs.iter().any(|argument| match argument {
            FnArg::Receiver(_) => false,
            FnArg::Typed(argument) => {
                argument.attrs.iter().any(|attr| attr.path().is_ident("carrier")) || is_known(&argument.ty)
            }
        })
}

fn is_known(ty: &Type) -> bool {
    match ty {
        Type::Reference(ty) => is_known(&ty.elem),
        Type::Group(ty) => is_known(&ty.elem),
        Type::Paren(ty) => is_known(&ty.elem),
        Type::Path(ty) => ty.path.segments.last().is_some_and(|segment| {
            KNOWN_CARRIERS.iter().any(|known| segment.ident == known)
                || segment.ident == "Vec" && is_of_pairs(&segment.arguments)
        }),
        _ => false,
    }
}

/// `<(String, String)>`
fn is_of_pairs(arguments: &PathArguments) -> bool {
    let PathArguments::AngleBracketed(arguments) = arguments else { return false };
    let is_string = |ty: &Type| matches!(ty, Type::Path(ty) if ty.path.segments.last().is_some_and(|segment| segment.ident == "String"));
    matches!(arguments.args.first(), Some(GenericArgument::Type(Type::Tuple(pair)))
        if pair.elems.len() == 2 && pair.elems.iter().all(is_string))
}
