//! Tokens to model. One mistake does not hide the next: after each, reading goes on behind the comma.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Lit, Path, Result, Token, Visibility, token};

use super::block::Block;
use super::func::Func;
use super::options::{equals, is_option, needs_value, once, option, unknown_option, value};
use super::{Args, Field, Form, Value, sigil};
use crate::diag::Diag;

const EXPECTED: &str = "expected the name of an argument, or an option, as `user_id` or `level = \"debug\"`";

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
            _ => Error::new_spanned(&literal, EXPECTED),
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
        let word = ahead.call(Ident::parse_any).map_err(|error| Error::new(error.span(), EXPECTED))?;
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
    let value = value(input, &name, &eq)?;
    Ok(Field { name, value: Value::Expr(form, value) })
}

/// Reads the name of a field.
pub(super) fn name(input: ParseStream<'_>) -> Result<Ident> {
    let name = input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), "expected the name of a field, as `agent_id` or `agent_id = …`"))?;
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

/// Takes the tokens before the next comma.
pub(super) fn until_comma(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}
