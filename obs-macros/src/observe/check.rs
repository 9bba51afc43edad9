//! The rules: what a block may be told, of all that a function may.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use super::Observe;
use super::ends::{Leaving, leaves};
use crate::diag::Diag;
use crate::observed::{Returns, once_each, places, reserved};

pub(super) fn observe(observe: &Observe, diag: &mut Diag) {
    let Observe { args, .. } = observe;
    once_each(&args.fields, diag);
    reserved(&args.fields, diag);
    places(args, diag);
    if let Some(name) = &args.name {
        diag.error(name, "the name stands first, and once: `observe!(\"name\"; { … })`");
    }
    if let Some(krate) = &args.krate {
        diag.error(krate, "`observe!` knows where the runtime is; take `crate` away");
    }
    if let Some((word, returns)) = &args.returns {
        let message = match returns {
            Returns::Future => "a block that is a future is written `async { … }`; take `future` away",
            Returns::Stream => "a block is no stream; put `#[observed(stream)]` on a `fn` that returns one",
        };
        diag.error(word, message);
    }
    if observe.asyncness.is_none()
        && let Some(at) = awaits(observe.block.stream())
    {
        let message = "a sync block cannot wait; write `observe!(…; async { … }).await`";
        diag.push(syn::Error::new(at, message));
    }
    match observe.parsed().as_ref().and_then(leaves) {
        Some(Leaving::Break(expr)) => diag.error(expr, cannot_leave("break")),
        Some(Leaving::Continue(expr)) => diag.error(expr, cannot_leave("continue")),
        None => {}
    }
}

fn cannot_leave(word: &str) -> String {
    format!("`{word}` cannot leave an observed block; let the block give a value, and write `{word}` behind it")
}

/// Whether the block cannot stand in a closure as it is.
pub(super) fn is_stuck(observe: &Observe) -> bool {
    observe.asyncness.is_none() && awaits(observe.block.stream()).is_some()
        || observe.parsed().as_ref().and_then(leaves).is_some()
}

/// The first `.await` that is not inside an async block.
fn awaits(tokens: TokenStream) -> Option<Span> {
    let (mut dot, mut asynchronous) = (false, false);
    for tree in tokens {
        match &tree {
            TokenTree::Ident(word) if dot && word == "await" => return Some(word.span()),
            TokenTree::Ident(word) if word == "async" => asynchronous = true,
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace && std::mem::take(&mut asynchronous) {
                    continue;
                }
                if let Some(at) = awaits(group.stream()) {
                    return Some(at);
                }
            }
            _ => {}
        }
        dot = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '.');
    }
    None
}
