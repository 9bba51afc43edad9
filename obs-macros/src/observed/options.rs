//! The options of the attribute, each with what may stand behind it.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Error, Expr, LitStr, Result, Token, token};

use super::parse::{name, separated, until_comma};
use super::{Args, ErrorEvent, Field, Kind, Level, Ret, Returns, Value};
use crate::diag::{Diag, did_you_mean};

/// The options, in the order of the documentation.
pub(super) const OPTIONS: [&str; 16] = [
    "late", "name", "level", "target", "kind", "err", "ret", "metrics", "slow", "parent", "root", "links", "audit",
    "future", "stream", "crate",
];

/// For those who come from `tracing::instrument`.
pub(super) const NOTHING_TO_SKIP: &str = "; leave it out, as only the arguments that are named are recorded";

const LEVELS: [(&str, &str); 5] =
    [("trace", "TRACE"), ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR")];

const KINDS: [(&str, &str); 5] = [
    ("server", "Server"),
    ("client", "Client"),
    ("internal", "Internal"),
    ("producer", "Producer"),
    ("consumer", "Consumer"),
];

pub(super) fn is_option(word: &Ident) -> bool {
    OPTIONS.iter().any(|option| word == option)
}

pub(super) fn unknown_option(word: &Ident) -> Error {
    let text = word.to_string();
    let advice = match text.as_str() {
        "skip" | "skip_all" => NOTHING_TO_SKIP.to_owned(),
        "fields" => "; write its fields without it".to_owned(),
        _ => match did_you_mean(&text, OPTIONS) {
            nearest if nearest.is_empty() => format!("; a field of that name is `{text} = …`"),
            nearest => nearest,
        },
    };
    Error::new(word.span(), format!("no option named `{text}`{advice}"))
}

/// Reads an option, whose name has been read.
pub(super) fn option(input: ParseStream<'_>, word: &Ident, args: &mut Args, diag: &mut Diag) -> Result<()> {
    match word.to_string().as_str() {
        "late" => late(input, word, args, diag),
        "name" => {
            let text = given_string(input, word, "name = \"agent.create\"")?;
            once(&mut args.name, word, not_empty(text)?)
        }
        "target" => {
            let text = given_string(input, word, "target = \"lifecycle\"")?;
            once(&mut args.target, word, not_empty(text)?)
        }
        "level" => {
            let text = given_string(input, word, "level = \"debug\"")?;
            once(&mut args.level, word, level(&text)?)
        }
        "kind" => {
            let text = given_string(input, word, "kind = \"server\"")?;
            once(&mut args.kind, word, kind(&text)?)
        }
        "err" => err(input, word, args),
        "ret" => ret(input, word, args),
        "slow" => {
            let text = given_string(input, word, "slow = \"250ms\"")?;
            once(&mut args.slow, word, nanos(&text)?)
        }
        "parent" => {
            let value = expression(input, word, "parent = span")?;
            once(&mut args.parent, word, (word.clone(), value))
        }
        "links" => {
            let value = expression(input, word, "links = contexts")?;
            once(&mut args.links, word, value)
        }
        "metrics" => {
            equals(input, word, "metrics = off")?;
            match off(input) {
                Some(off) => once(&mut args.metrics_off, word, off),
                None => Err(Error::new_spanned(
                    word_or(until_comma(input)?, word),
                    "`metrics` takes the word `off`; without it there are metrics",
                )),
            }
        }
        flag => {
            if input.peek(Token![=]) || input.peek(token::Paren) {
                let message = format!("`{word}` takes no value; a field of that name is `%{word} = …`");
                return Err(Error::new(word.span(), message));
            }
            match flag {
                "root" => once(&mut args.root, word, word.clone()),
                "audit" => once(&mut args.audit, word, word.clone()),
                flag => {
                    let returns = if flag == "future" { Returns::Future } else { Returns::Stream };
                    once(&mut args.returns, word, (word.clone(), returns))
                }
            }
        }
    }
}

fn word_or(tokens: TokenStream, word: &Ident) -> TokenStream {
    if tokens.is_empty() { word.to_token_stream() } else { tokens }
}

fn err(input: ParseStream<'_>, word: &Ident, args: &mut Args) -> Result<()> {
    if input.peek(token::Paren) {
        let other = "without it errors are shown by `Display`, at the level of `err = \"warn\"`";
        let form = debug(input, word, other)?;
        return once(&mut args.err_debug, word, form);
    }
    let eq = equals(input, word, "err = \"warn\"")?;
    needs_value(input, word, &eq)?;
    if off(input).is_some() {
        return once(&mut args.err, word, ErrorEvent::Off);
    }
    let text = string(input, word, "err = \"warn\"` or `err = off")?;
    if text.value() == "off" {
        return Err(Error::new_spanned(text, "`off` has no quotes; write `err = off`"));
    }
    once(&mut args.err, word, ErrorEvent::At(level(&text)?))
}

fn ret(input: ParseStream<'_>, word: &Ident, args: &mut Args) -> Result<()> {
    let (mut by_debug, mut at) = (None, None);
    if input.peek(token::Paren) {
        by_debug = Some(debug(input, word, "without it the value is shown by `Display`, if it has one")?);
    }
    if let Some(eq) = input.parse::<Option<Token![=]>>()? {
        needs_value(input, word, &eq)?;
        at = Some(level(&string(input, word, "ret = \"debug\"")?)?);
    }
    once(&mut args.ret, word, Ret { word: word.clone(), level: at, debug: by_debug })
}

/// Reads the `(Debug)` behind `word`.
fn debug(input: ParseStream<'_>, word: &Ident, other: &str) -> Result<Ident> {
    let content;
    syn::parenthesized!(content in input);
    let tokens: TokenStream = content.parse()?;
    match syn::parse2::<Ident>(tokens.clone()) {
        Ok(form) if form == "Debug" => Ok(form),
        _ if tokens.is_empty() => Err(Error::new(word.span(), format!("`{word}()` is empty; write `{word}(Debug)`"))),
        _ => Err(Error::new_spanned(tokens, format!("`{word}(…)` takes `Debug`; {other}"))),
    }
}

fn late(input: ParseStream<'_>, word: &Ident, args: &mut Args, diag: &mut Diag) -> Result<()> {
    if !input.peek(token::Paren) {
        return Err(takes_value(word, "late(status)"));
    }
    let content;
    syn::parenthesized!(content in input);
    let names: TokenStream = content.parse()?;
    if names.is_empty() {
        return Err(Error::new(word.span(), "`late()` names no field; write `late(status)`"));
    }
    separated(names, diag, |input, _| {
        let name = input.call(name)?;
        if input.peek(Token![=]) {
            let message = format!("`late` declares `{name}` without a value; write `{name} = …` outside of it");
            return Err(Error::new(name.span(), message));
        }
        args.fields.push(Field { name, value: Value::Late });
        Ok(())
    });
    Ok(())
}

fn given_string(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<LitStr> {
    let eq = equals(input, word, example)?;
    needs_value(input, word, &eq)?;
    string(input, word, example)
}

fn expression(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<TokenStream> {
    let eq = equals(input, word, example)?;
    needs_value(input, word, &eq)?;
    value(input, word, &eq)
}

/// Reads the expression behind `word =`.
pub(super) fn value(input: ParseStream<'_>, word: &Ident, eq: &Token![=]) -> Result<TokenStream> {
    let ahead = input.fork();
    let value = input.parse::<Expr>().map_err(|error| match until_comma(&ahead) {
        // At the end syn has no token to point at and takes the whole attribute.
        Ok(tokens) if error.to_string().contains("end of input") => {
            let last = tokens.into_iter().last().map_or_else(|| eq.to_token_stream(), TokenStream::from);
            Error::new_spanned(last, format!("`{word} =` needs a whole expression"))
        }
        _ => error,
    })?;
    Ok(value.into_token_stream())
}

pub(super) fn equals(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<Token![=]> {
    input.parse().map_err(|_| takes_value(word, example))
}

fn takes_value(word: &Ident, example: &str) -> Error {
    let argument = if word == "crate" { String::new() } else { format!("; an argument of that name is `%{word}`") };
    Error::new(word.span(), format!("the option `{word}` is written `{example}`{argument}"))
}

pub(crate) fn needs_value(input: ParseStream<'_>, word: &Ident, eq: &Token![=]) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(eq, format!("`{word} =` needs a value")));
    }
    Ok(())
}

pub(crate) fn once<T>(place: &mut Option<T>, word: &Ident, value: T) -> Result<()> {
    if place.replace(value).is_some() {
        return Err(Error::new(word.span(), format!("`{word}` given twice")));
    }
    Ok(())
}

fn string(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    let argument = if word == "err" { String::new() } else { format!("; a field of that name is `%{word} = …`") };
    Err(Error::new_spanned(until_comma(input)?, format!("`{word}` takes a string, as `{example}`{argument}")))
}

fn not_empty(text: LitStr) -> Result<LitStr> {
    if text.value().trim().is_empty() {
        return Err(Error::new_spanned(
            text,
            "this is empty; write what the span is to be called, or leave the option out",
        ));
    }
    Ok(text)
}

/// The word `off`, alone.
fn off(input: ParseStream<'_>) -> Option<Ident> {
    let ahead = input.fork();
    let word = ahead.parse::<Ident>().ok().filter(|word| word == "off")?;
    if !ahead.is_empty() && !ahead.peek(Token![,]) {
        return None;
    }
    input.parse::<Ident>().ok();
    Some(word)
}

pub(crate) fn level(text: &LitStr) -> Result<Level> {
    choose("level", &LEVELS, text).map(Level)
}

fn kind(text: &LitStr) -> Result<Kind> {
    choose("kind", &KINDS, text).map(Kind)
}

/// The nanoseconds of `250ms`.
fn nanos(text: &LitStr) -> Result<u64> {
    const UNITS: [(&str, u32); 5] = [("ns", 0), ("us", 3), ("µs", 3), ("ms", 6), ("s", 9)];
    let value = text.value();
    let refused =
        |why: &str| Error::new_spanned(text, format!("`{value}` {why}; write a duration as `250ms` or `1.5s`"));
    let digits = value.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = value[digits.len()..].trim_start();
    let (factor, exponent) = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, exponent)) => (1, *exponent),
        None if unit == "m" || unit == "min" => (60, 9),
        None if unit.is_empty() => return Err(refused("has no unit")),
        None => return Err(refused("has no such unit")),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent = exponent.checked_sub(fraction.len() as u32).ok_or_else(|| refused("is finer than a nanosecond"))?;
    let number: u64 = format!("{whole}{fraction}").parse().map_err(|_| refused("is no number"))?;
    let nanos = number.checked_mul(factor).and_then(|number| number.checked_mul(10_u64.pow(exponent)));
    match nanos {
        Some(0) => Err(refused("would make every call a slow one")),
        Some(nanos) => Ok(nanos),
        None => Err(refused("is too long")),
    }
}

fn choose(what: &str, choices: &[(&'static str, &'static str)], text: &LitStr) -> Result<&'static str> {
    let value = text.value();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
        return Ok(choice);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    let nearest = did_you_mean(&value.to_lowercase(), choices.iter().map(|(name, _)| *name));
    Err(Error::new_spanned(text, format!("no {what} named `{value}`{nearest} (there are {})", names.join(", "))))
}
