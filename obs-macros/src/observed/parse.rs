//! Tokens to model. One mistake does not hide the next: after each, reading goes on behind the comma.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, Lit, LitStr, Path, Result, Token, Visibility, token};

use super::block::Block;
use super::func::Func;
use super::{Args, ErrorEvent, Field, Form, Kind, Level, Value, sigil};
use crate::diag::{Diag, did_you_mean};

/// The options, in the order of the documentation.
pub(super) const OPTIONS: [&str; 8] = ["late", "name", "level", "target", "kind", "err", "metrics", "crate"];

/// Options that have a name already, but nothing behind it.
const NOT_BUILT: [&str; 8] = ["ret", "slow", "parent", "root", "links", "audit", "future", "stream"];

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

pub(super) enum Item {
    Fn(Func),
    Impl(Block),
}

/// Reads what the attribute stands on.
pub(super) fn item(tokens: TokenStream) -> Result<Item> {
    let item = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![impl]) || ahead.peek(Token![unsafe]) && ahead.peek2(Token![impl]) {
            return input.parse().map(Item::Impl);
        }
        refuse_other_items(&ahead)?;
        input.parse().map(Item::Fn)
    };
    item.parse2(tokens)
}

fn refuse_other_items(ahead: ParseStream<'_>) -> Result<()> {
    let TokenTree::Ident(word) = ahead.fork().parse::<TokenTree>()? else { return Ok(()) };
    let advice = match word.to_string().as_str() {
        "trait" => "put it on the methods that have a body, and on the `impl` blocks of the trait",
        "struct" | "enum" | "union" => "put it on the `impl` block of the type, or on its methods",
        "mod" | "type" | "static" | "use" | "macro_rules" | "let" => "put it on the functions themselves",
        "const" if !ahead.peek2(Token![fn]) && !ahead.peek2(Token![unsafe]) && !ahead.peek2(Token![async]) => {
            "put it on the functions themselves"
        }
        _ => return Ok(()),
    };
    Err(Error::new(word.span(), format!("`#[observed]` needs a `fn` or an `impl` block; {advice}")))
}

/// Reads what stands between the parentheses.
pub(crate) fn args(tokens: TokenStream, diag: &mut Diag) -> Args {
    let mut args = Args::default();
    separated(tokens, diag, |input, diag| entry(input, &mut args, diag));
    args
}

/// Reads comma-separated entries; a mistake costs its entry only.
pub(crate) fn separated(
    tokens: TokenStream,
    diag: &mut Diag,
    mut entry: impl FnMut(ParseStream<'_>, &mut Diag) -> Result<()>,
) {
    let entries = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(error) = entry(input, diag) {
                diag.push(error);
            } else if !input.is_empty() && !input.peek(Token![,]) {
                let rest = until_comma(input)?;
                diag.error(rest, "expected `,`");
            }
            until_comma(input)?;
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = entries.parse2(tokens) {
        diag.push(error);
    }
}

fn entry(input: ParseStream<'_>, args: &mut Args, diag: &mut Diag) -> Result<()> {
    if input.peek(Lit) {
        let literal: Lit = input.parse()?;
        return Err(match &literal {
            Lit::Str(text) => {
                let text = text.token();
                Error::new_spanned(&literal, format!("a string alone says nothing; did you mean `name = {text}`?"))
            }
            _ => Error::new_spanned(&literal, "expected the name of an argument, or an option"),
        });
    }
    if input.peek(Token![crate]) {
        let word = input.call(Ident::parse_any)?;
        let eq = equals(input, &word, "crate = obs_runtime")?;
        needs_value(input, &word, &eq)?;
        let ahead = input.fork();
        let path = input.call(Path::parse_mod_style).map_err(|error| {
            let value = until_comma(&ahead).unwrap_or_default();
            if value.is_empty() {
                error
            } else {
                Error::new_spanned(value, "`crate` takes a path, as `crate = obs_runtime`")
            }
        })?;
        return once(&mut args.krate, &word, path);
    }
    let ahead = input.fork();
    if sigil(&ahead)?.is_none() {
        let word = ahead
            .call(Ident::parse_any)
            .map_err(|error| Error::new(error.span(), "expected the name of an argument, or an option"))?;
        if is_option(&word) {
            input.call(Ident::parse_any)?;
            return option(input, &word, args, diag);
        }
        if ahead.peek(token::Paren) {
            return Err(unknown_option(&word));
        }
    }
    args.fields.push(field(input)?);
    Ok(())
}

fn is_option(word: &Ident) -> bool {
    OPTIONS.iter().chain(&NOT_BUILT).any(|option| word == option)
}

fn unknown_option(word: &Ident) -> Error {
    let text = word.to_string();
    let advice = match text.as_str() {
        "skip" | "skip_all" => NOTHING_TO_SKIP.to_owned(),
        "fields" => "; write its fields without it".to_owned(),
        _ => did_you_mean(&text, OPTIONS),
    };
    Error::new(word.span(), format!("no option named `{text}`{advice}"))
}

/// Reads an option, whose name has been read.
fn option(input: ParseStream<'_>, word: &Ident, args: &mut Args, diag: &mut Diag) -> Result<()> {
    let text = word.to_string();
    if NOT_BUILT.contains(&text.as_str()) {
        return Err(Error::new(word.span(), format!("`{word}` is not built yet")));
    }
    match text.as_str() {
        "late" => return late(input, word, args, diag),
        "err" if input.peek(token::Paren) => {
            let content;
            syn::parenthesized!(content in input);
            let tokens: TokenStream = content.parse()?;
            return match syn::parse2::<Ident>(tokens.clone()) {
                Ok(form) if form == "Debug" => once(&mut args.err_debug, word, form),
                _ if tokens.is_empty() => Err(Error::new(word.span(), "`err()` is empty; write `err(Debug)`")),
                _ => Err(Error::new_spanned(
                    tokens,
                    "`err(…)` takes `Debug`; without it errors are shown by `Display`, at the level of `err = \"warn\"`",
                )),
            };
        }
        _ => {}
    }
    let example = match text.as_str() {
        "name" => "name = \"agent.create\"",
        "level" => "level = \"debug\"",
        "target" => "target = \"audit\"",
        "kind" => "kind = \"server\"",
        "err" => "err = \"warn\"",
        _ => "metrics = off",
    };
    let eq = equals(input, word, example)?;
    needs_value(input, word, &eq)?;
    match text.as_str() {
        "name" => once(&mut args.name, word, not_empty(string(input, word, example)?)?),
        "target" => once(&mut args.target, word, not_empty(string(input, word, example)?)?),
        "level" => once(&mut args.level, word, level(&string(input, word, example)?)?),
        "kind" => once(&mut args.kind, word, kind(&string(input, word, example)?)?),
        "err" => {
            if off(input).is_some() {
                return once(&mut args.err, word, ErrorEvent::Off);
            }
            let text = string(input, word, "err = \"warn\"` or `err = off")?;
            if text.value() == "off" {
                return Err(Error::new_spanned(text, "`off` has no quotes; write `err = off`"));
            }
            once(&mut args.err, word, ErrorEvent::At(level(&text)?))
        }
        _ => match off(input) {
            Some(off) => once(&mut args.metrics_off, word, off),
            None => Err(Error::new_spanned(
                until_comma(input)?,
                "`metrics` takes the word `off`; without it there are metrics",
            )),
        },
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

/// Reads a field: `name`, `?name`, `name = expr`, `name = %expr`.
pub(crate) fn field(input: ParseStream<'_>) -> Result<Field> {
    let before = sigil(input)?;
    let name = name(input)?;
    let Some(eq) = input.parse::<Option<Token![=]>>()? else {
        return Ok(Field { name, value: Value::Named(before.unwrap_or(Form::Plain)) });
    };
    needs_value(input, &name, &eq)?;
    let at = input.span();
    let behind = sigil(input)?;
    if before.is_some() && behind.is_some() {
        return Err(Error::new(at, format!("`{name}` has a sigil already, in front of its name")));
    }
    let form = before.or(behind).unwrap_or(Form::Plain);
    let ahead = input.fork();
    let value = input.parse::<Expr>().map_err(|error| match until_comma(&ahead) {
        // At the end syn has no token to point at and takes the whole attribute.
        Ok(tokens) if error.to_string().contains("end of input") => {
            let last = tokens.into_iter().last().map_or_else(|| eq.to_token_stream(), TokenStream::from);
            Error::new_spanned(last, format!("`{name} =` needs a whole expression"))
        }
        _ => error,
    })?;
    Ok(Field { name, value: Value::Expr(form, value.into_token_stream()) })
}

/// Reads the name of a field.
fn name(input: ParseStream<'_>) -> Result<Ident> {
    let name =
        input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), "expected the name of a field"))?;
    if name == "self" || name == "Self" {
        return Err(Error::new(
            name.span(),
            format!("`{name}` is no field; write `id = {name}.id`, with a name of its own"),
        ));
    }
    if input.peek(Token![.]) {
        let mut dotted = name.to_token_stream();
        let mut plain = name.unraw().to_string();
        while let Some(dot) = input.parse::<Option<Token![.]>>()? {
            let part = input.call(Ident::parse_any)?;
            plain = format!("{plain}_{}", part.unraw());
            dot.to_tokens(&mut dotted);
            part.to_tokens(&mut dotted);
        }
        let value =
            if input.peek(Token![=]) { String::new() } else { format!(" = {}", dotted.to_string().replace(' ', "")) };
        return Err(Error::new_spanned(dotted, format!("a field's name has no dots; write `{plain}{value}`")));
    }
    Ok(name)
}

fn equals(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<Token![=]> {
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

fn choose(what: &str, choices: &[(&'static str, &'static str)], text: &LitStr) -> Result<&'static str> {
    let value = text.value();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
        return Ok(choice);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    let nearest = did_you_mean(&value.to_lowercase(), choices.iter().map(|(name, _)| *name));
    Err(Error::new_spanned(text, format!("no {what} named `{value}`{nearest} (there are {})", names.join(", "))))
}

/// Takes the tokens before the next comma.
fn until_comma(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}
