//! `#[observed]`: the span, the metrics and the error event of a function.

mod arguments;
mod block;
mod check;
mod expand;
mod func;
mod judge;
mod located;
mod options;
mod parse;
mod shape;
mod site;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{LitStr, Path, Token};

use crate::correlated;
use crate::diag::Diag;

pub(crate) use block::{Block, Member};
pub(crate) use check::{once_each, places, reserved};
pub(crate) use expand::{local, opening, visit, visited};
pub(crate) use func::{Func, is_cfg};
pub(crate) use judge::{Judge, Judged, judge};
pub(crate) use options::{level, needs_value, once};
pub(crate) use parse::{args, field, separated};
pub(crate) use site::{DECLARED, callsite, declared, site};

/// The fields that every part of a platform knows; they may be declared before anyone has a value for them.
pub(crate) const STANDARD_FIELDS: [&str; 5] = ["user_id", "agent_id", "session_id", "request_id", "message_id"];

/// The fields that the runtime itself records when the call ends.
const CLOSING_FIELDS: [&str; 3] = ["outcome", "error", "error.type"];

/// The field of `ret`.
const RETURNED: &str = "return";

/// A function, and what is to be seen of it.
pub(crate) struct Observed {
    pub(crate) args: Args,
    pub(crate) func: Func,
    /// The type in front of the function's name, when the attribute stands on its `impl` block.
    pub(crate) prefix: Option<String>,
    /// Whether other macros will still look at the function, so that an `async fn` must stay one.
    pub(crate) signature_is_read: bool,
    /// An expression that gives the caller's context, asked before the fields are.
    pub(crate) parent: Option<TokenStream>,
    /// Statements that run inside the span, before the body.
    pub(crate) prologue: Option<TokenStream>,
    /// The path of an attribute whose work is done together with this one's.
    pub(crate) absorbed: Option<Path>,
}

/// What stands between the parentheses of the attribute.
#[derive(Clone, Default)]
pub(crate) struct Args {
    pub(crate) krate: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) target: Option<LitStr>,
    pub(crate) level: Option<Level>,
    pub(crate) kind: Option<Kind>,
    pub(crate) err: Option<ErrorEvent>,
    /// The `Debug` of `err(Debug)`.
    pub(crate) err_debug: Option<Ident>,
    /// The `off` of `metrics = off`.
    pub(crate) metrics_off: Option<Ident>,
    pub(crate) ret: Option<Ret>,
    /// Nanoseconds.
    pub(crate) slow: Option<u64>,
    pub(crate) parent: Option<(Ident, TokenStream)>,
    pub(crate) root: Option<Ident>,
    pub(crate) links: Option<TokenStream>,
    pub(crate) audit: Option<Ident>,
    pub(crate) returns: Option<(Ident, Returns)>,
    pub(crate) fields: Vec<Field>,
}

/// `ret`: the returned value is recorded.
#[derive(Clone)]
pub(crate) struct Ret {
    pub(crate) word: Ident,
    /// The level of the event that tells it, where it is not the span's.
    pub(crate) level: Option<Level>,
    /// The `Debug` of `ret(Debug)`.
    pub(crate) debug: Option<Ident>,
}

/// What the function returns, where its signature hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    Future,
    Stream,
}

/// The name of a constant of the runtime's `Level`.
#[derive(Clone, Copy)]
pub(crate) struct Level(pub(crate) &'static str);

/// The name of a variant of the runtime's `SpanKind`.
#[derive(Clone, Copy)]
pub(crate) struct Kind(pub(crate) &'static str);

#[derive(Clone, Copy)]
pub(crate) enum ErrorEvent {
    At(Level),
    Off,
}

/// One field of a span.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    /// What the name stands for: an argument, or in `record!` a variable.
    Named(Form),
    /// An expression of the user's.
    Expr(Form, TokenStream),
    /// Nothing yet.
    Late,
}

/// How a value becomes text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Strings, numbers and booleans as they are, all else by `Display`.
    Plain,
    /// `%`
    Display,
    /// `?`
    Debug,
}

impl Observed {
    pub(crate) fn new(args: Args, func: Func) -> Self {
        Self { args, func, prefix: None, signature_is_read: false, parent: None, prologue: None, absorbed: None }
    }

    /// The name of the span.
    fn span_name(&self) -> LitStr {
        let func = self.func.sig.ident.unraw();
        match (&self.args.name, &self.prefix) {
            (Some(name), _) => name.clone(),
            (None, Some(prefix)) => LitStr::new(&format!("{prefix}::{func}"), Span::mixed_site()),
            (None, None) => LitStr::new(&func.to_string(), Span::mixed_site()),
        }
    }
}

impl Field {
    /// The name as it is printed.
    pub(crate) fn key(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Expands the attribute.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut diag = Diag::new();
    match parse::item(item)? {
        parse::Item::Fn(func) => {
            let args = parse::args(args, &mut diag);
            Ok(finish(Observed::new(args, func), diag))
        }
        parse::Item::Impl(block) => Ok(block::expand(args, block, diag)),
    }
}

/// Expands one function, or gives it back as it was, with all its mistakes.
pub(crate) fn finish(mut observed: Observed, mut diag: Diag) -> TokenStream {
    correlated::absorb(&mut observed, &mut diag);
    check::observed(&observed, &mut diag);
    match diag.finish() {
        Ok(()) => expand::observed(&observed),
        Err(errors) => {
            let func = expand::unobserved(&observed);
            let errors = errors.into_compile_error();
            quote!(#func #errors)
        }
    }
}

/// Whether an attribute is this macro, under any path.
fn is_observed(attr: &syn::Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "observed")
}

/// The sigil in front of a name or of an expression.
pub(crate) fn sigil(input: syn::parse::ParseStream<'_>) -> syn::Result<Option<Form>> {
    Ok(if input.parse::<Option<Token![?]>>()?.is_some() {
        Some(Form::Debug)
    } else if input.parse::<Option<Token![%]>>()?.is_some() {
        Some(Form::Display)
    } else {
        None
    })
}
