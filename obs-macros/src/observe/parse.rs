//! Tokens to model.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Path, Result, Token};

use super::Observe;
use crate::diag::Diag;
use crate::observed::{Args, args};

pub(super) fn observe(input: TokenStream, diag: &mut Diag) -> Result<Option<Observe>> {
    let split = |input: ParseStream<'_>| {
        let krate = input.call(Path::parse_mod_style)?.into_token_stream();
        input.parse::<Token![;]>()?;
        Ok((krate, input.parse::<TokenStream>()?))
    };
    let (krate, entries) = split.parse2(input)?;
    if entries.is_empty() {
        return Err(Error::new(Span::call_site(), "nothing to observe; write `observe!(\"name\"; { … })`"));
    }
    let last = entries.clone().into_iter().last();
    let (head, semicolon, rest) = at_semicolon(entries);
    let Some(semicolon) = semicolon else {
        return Err(match last {
            Some(TokenTree::Group(block)) if block.delimiter() == Delimiter::Brace => {
                Error::new(block.span_open(), "write `;` in front of the block")
            }
            _ => Error::new(Span::call_site(), "no block; write `observe!(\"name\", fields; { … })`"),
        });
    };
    let head = Parser::parse2(|input: ParseStream<'_>| self::head(input, diag), head);
    let (name, args) = diag.keep(head).unzip();
    let block = diag.keep(Parser::parse2(|input: ParseStream<'_>| block(input, &semicolon), rest));
    let Some((asyncness, capture, block)) = block else { return Ok(None) };
    let name = name.flatten().unwrap_or_else(|| LitStr::new("", Span::call_site()));
    Ok(Some(Observe { krate, name, args: args.unwrap_or_default(), asyncness, capture, block }))
}

/// What stands before the first semicolon, and what behind it.
fn at_semicolon(tokens: TokenStream) -> (TokenStream, Option<TokenTree>, TokenStream) {
    let mut trees = tokens.into_iter();
    let mut head = TokenStream::new();
    for tree in trees.by_ref() {
        if matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';') {
            return (head, Some(tree), trees.collect());
        }
        head.extend([tree]);
    }
    (head, None, TokenStream::new())
}

/// The name, and what stands between the parentheses of `#[observed(…)]` otherwise.
fn head(input: ParseStream<'_>, diag: &mut Diag) -> Result<(Option<LitStr>, Args)> {
    let name = if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        if name.value().trim().is_empty() {
            diag.error(&name, "this is empty; write what the span is to be called");
        }
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            diag.push(input.error("expected `,`"));
        }
        Some(name)
    } else {
        let at = if input.is_empty() { Span::call_site() } else { input.span() };
        diag.push(Error::new(at, "a block has no name of its own; write it first, as `observe!(\"name\"; { … })`"));
        None
    };
    Ok((name, args(input.parse()?, diag)))
}

type Block = (Option<Token![async]>, Option<Token![move]>, Group);

fn block(input: ParseStream<'_>, semicolon: &TokenTree) -> Result<Block> {
    let asyncness = input.parse()?;
    let capture = input.parse()?;
    let at = if input.is_empty() { semicolon.span() } else { input.span() };
    let expected = || Error::new(at, "expected a block, as `{ … }` or `async { … }`");
    let TokenTree::Group(block) = input.parse().map_err(|_| expected())? else { return Err(expected()) };
    if block.delimiter() != Delimiter::Brace {
        return Err(expected());
    }
    if let Ok(tree) = input.parse::<TokenTree>() {
        input.parse::<TokenStream>()?;
        return Err(Error::new(tree.span(), "nothing may stand behind the block; write it behind the macro"));
    }
    Ok((asyncness, capture, block))
}
