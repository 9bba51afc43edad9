//! `#[observed]` on an `impl` block: every method, as if the attribute stood on each.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ImplItem, ItemImpl, Meta, Result, Type, Visibility, token};

use super::expand::unobserved;
use super::func::mentions;
use super::{Args, Field, Func, Observed, STANDARD_FIELDS, Value, check, finish, is_observed, options, parse, shape};
use crate::correlated;
use crate::diag::{Diag, did_you_mean};

/// An `impl` block, its methods' bodies unparsed.
pub(crate) struct Block {
    /// All but the members.
    pub(crate) head: ItemImpl,
    pub(crate) members: Vec<Member>,
}

pub(crate) enum Member {
    Method(Box<Func>),
    Other(TokenStream),
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut head = TokenStream::new();
        let braces = loop {
            match input.parse::<TokenTree>()? {
                TokenTree::Group(group) if input.is_empty() => break group,
                tree => head.extend([tree]),
            }
        };
        let mut head: ItemImpl = syn::parse2(quote!(#head {}))?;
        head.brace_token = token::Brace { span: braces.delim_span() };
        let members = |input: ParseStream<'_>| {
            head.attrs.extend(input.call(Attribute::parse_inner)?);
            let mut members = Vec::new();
            while !input.is_empty() {
                members.push(input.parse()?);
            }
            Ok(members)
        };
        let members = members.parse2(braces.stream())?;
        Ok(Self { head, members })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let ahead = input.fork();
        let is_method = ahead.call(Attribute::parse_outer).is_ok()
            && ahead.parse::<Visibility>().is_ok()
            && ahead.parse::<syn::Signature>().is_ok();
        Ok(if is_method {
            Self::Method(Box::new(input.parse()?))
        } else {
            Self::Other(input.parse::<ImplItem>()?.into_token_stream())
        })
    }
}

/// What every method of the block is told.
struct Shared {
    args: Args,
    prefix: String,
    signature_is_read: bool,
    /// Whether the block's own attribute has a mistake, so that nothing can be expanded.
    broken: bool,
}

/// Expands every method of the block that does not say `skip`.
pub(super) fn expand(args: TokenStream, mut block: Block, mut diag: Diag) -> TokenStream {
    correlated::distribute(&mut block, &mut diag);
    let Block { mut head, members } = block;
    let args = parse::args(args, &mut diag);
    check::once_each(&args.fields, &mut diag);
    check::reserved(&args.fields, &mut diag);
    if let Some((word, _)) = &args.returns {
        diag.error(word, format!("`{word}` says what one method returns; write it on that method"));
    }
    check::places(&args, &mut diag);
    if let Some(again) = head.attrs.iter().find(|attr| is_observed(attr)) {
        diag.error(again, "`#[observed]` given twice; write all fields and options into one");
    }
    head.attrs.retain(|attr| !is_observed(attr));
    let prefix = args.name.as_ref().map(syn::LitStr::value).or_else(|| type_name(&head.self_ty));
    if prefix.is_none() {
        diag.error(&head.self_ty, "this type has no name to call the spans by; write `#[observed(name = \"…\")]`");
    }
    without_argument(&args.fields, &members, &mut diag);
    let errors = diag.finish().map_err(syn::Error::into_compile_error).err();
    let shared = Shared {
        args,
        prefix: prefix.unwrap_or_default(),
        signature_is_read: !head.attrs.iter().all(shape::is_of_the_language),
        broken: errors.is_some(),
    };
    head.items = members
        .into_iter()
        .map(|member| match member {
            Member::Other(tokens) => tokens,
            Member::Method(func) => method(*func, &shared),
        })
        .map(ImplItem::Verbatim)
        .collect();
    quote!(#head #errors)
}

/// The last word of a type's path.
fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(ty) => ty.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Group(ty) => type_name(&ty.elem),
        Type::Paren(ty) => type_name(&ty.elem),
        _ => None,
    }
}

fn method(mut func: Func, shared: &Shared) -> TokenStream {
    if func.attrs.iter().any(is_conditionally_observed) {
        return func.into_token_stream();
    }
    let own = func.attrs.iter().position(is_observed).map(|at| func.attrs.remove(at));
    let mut diag = Diag::new();
    let own = match own.map(|attr| attr.meta) {
        Some(Meta::List(list)) => list.tokens,
        Some(Meta::NameValue(meta)) => {
            diag.error(meta, "options stand in parentheses, as `#[observed(level = \"debug\")]`");
            TokenStream::new()
        }
        Some(Meta::Path(_)) | None => TokenStream::new(),
    };
    if syn::parse2::<Ident>(own.clone()).is_ok_and(|word| word == "skip") {
        return func.into_token_stream();
    }
    let own = parse::args(own, &mut diag);
    let observed = Observed {
        prefix: Some(shared.prefix.clone()),
        signature_is_read: shared.signature_is_read,
        ..Observed::new(merged(&shared.args, own, &func), func)
    };
    if shared.broken { unobserved(&observed) } else { finish(observed, diag) }
}

/// Whether a `cfg_attr` decides; then the method is left to it.
fn is_conditionally_observed(attr: &Attribute) -> bool {
    let observed = Ident::new("observed", Span::call_site());
    attr.path().is_ident("cfg_attr") && mentions(&attr.meta.to_token_stream(), &observed)
}

/// What the block says, overridden by what the method says.
fn merged(shared: &Args, own: Args, func: &Func) -> Args {
    let shared = shared.clone();
    let own_parent = own.parent.is_some();
    let is_own = |field: &Field| own.fields.iter().any(|own| own.key() == field.key());
    let mut fields: Vec<Field> =
        shared.fields.into_iter().filter(|field| !is_own(field) && applies(field, func)).collect();
    fields.extend(own.fields);
    Args {
        krate: own.krate.or(shared.krate),
        // The block's name is the prefix.
        name: own.name,
        target: own.target.or(shared.target),
        level: own.level.or(shared.level),
        kind: own.kind.or(shared.kind),
        err: own.err.or(shared.err),
        err_debug: own.err_debug.or(shared.err_debug),
        metrics_off: own.metrics_off.or(shared.metrics_off),
        ret: own.ret.or(shared.ret.filter(|_| returns_something(func))),
        slow: own.slow.or(shared.slow),
        links: own.links.or(shared.links),
        audit: own.audit.or(shared.audit),
        // A method hangs where it says itself, or where the block says.
        parent: if own.root.is_some() { own.parent } else { own.parent.or(shared.parent) },
        root: if own_parent { own.root } else { own.root.or(shared.root) },
        returns: own.returns,
        fields,
    }
}

/// Whether there is a value to record.
fn returns_something(func: &Func) -> bool {
    func.sig.output != syn::ReturnType::Default && !shape::returns_never(&func.sig.output)
}

/// Whether a field of the block makes sense for one of its methods.
fn applies(field: &Field, func: &Func) -> bool {
    match &field.value {
        Value::Late => true,
        Value::Named(_) => {
            let key = field.key();
            func.param(&field.name).is_some() || STANDARD_FIELDS.contains(&key.as_str()) && func.records(&key)
        }
        Value::Expr(_, value) => {
            let this = Ident::new("self", Span::call_site());
            func.sig.receiver().is_some() || !mentions(value, &this)
        }
    }
}

/// A field that no method has an argument for is misspelt.
fn without_argument(fields: &[Field], members: &[Member], diag: &mut Diag) {
    let methods = || {
        members.iter().filter_map(|member| match member {
            Member::Method(func) => Some(&**func),
            Member::Other(_) => None,
        })
    };
    for field in fields {
        if !methods().any(|func| applies(field, func)) {
            let arguments: Vec<String> =
                methods().flat_map(Func::params).map(|param| param.ident.to_string()).collect();
            let key = field.key();
            let nearest = did_you_mean(&key, arguments.iter().map(String::as_str).chain(options::OPTIONS));
            diag.error(&field.name, format!("no method in this block has an argument named `{key}`{nearest}"));
        }
    }
}
