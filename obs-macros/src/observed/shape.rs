//! What kind of function it is, and so where the body goes.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{Attribute, GenericArgument, PathArguments, ReturnType, Type, TypeParamBound};

use super::Returns;
use super::func::Func;

/// Where the body goes.
pub(super) enum Shape {
    /// Into a closure.
    Sync,
    /// An `async fn` that becomes `fn -> impl Future`.
    Async,
    /// An `async fn` that stays one.
    AsyncKept,
    /// `-> impl Future<Output = …>`
    Future(Type),
    /// `-> Pin<Box<dyn Future<Output = …>>>`
    Boxed(Type),
    /// What `#[async_trait]` makes of an `async fn`: the block in the box, and what it gives.
    AsyncTrait(Type, Group),
    /// A future or a stream that the signature does not show; `unnamed` where it is an `impl Trait`.
    Hidden { returns: Returns, unnamed: bool },
}

impl Shape {
    pub(super) fn of(func: &Func, signature_is_read: bool, returns: Option<Returns>) -> Self {
        let sig = &func.sig;
        if sig.asyncness.is_some() {
            let kept = signature_is_read || returns_never(&sig.output) || !func.attrs.iter().all(is_of_the_language);
            return if kept { Self::AsyncKept } else { Self::Async };
        }
        let ReturnType::Type(_, ty) = &sig.output else { return Self::Sync };
        let shown = if returns == Some(Returns::Stream) { Self::Sync } else { Self::shown(func, ty) };
        match (returns, shown) {
            (Some(returns), Self::Sync) => Self::Hidden { returns, unnamed: matches!(bare(ty), Type::ImplTrait(_)) },
            (_, shown) => shown,
        }
    }

    /// What the return type says.
    fn shown(func: &Func, ty: &Type) -> Self {
        match bare(ty) {
            Type::ImplTrait(ty) => match output(&ty.bounds) {
                Some(output) => Self::Future(output),
                None => Self::Sync,
            },
            Type::Path(ty) => match boxed_output(ty) {
                Some(output) => match func.body.as_ref().and_then(|body| async_trait_block(body, &func.sig.output)) {
                    Some(block) => Self::AsyncTrait(output, block),
                    None => Self::Boxed(output),
                },
                None => Self::Sync,
            },
            _ => Self::Sync,
        }
    }
}

/// Whether nobody but the compiler reads an attribute, and it means the same on `fn -> impl Future` as on `async fn`.
pub(super) fn is_of_the_language(attr: &Attribute) -> bool {
    const PLAIN: [&str; 10] =
        ["doc", "allow", "warn", "deny", "forbid", "expect", "inline", "cold", "cfg", "deprecated"];
    PLAIN.iter().any(|name| attr.path().is_ident(name))
        || attr.path().segments.len() > 1
            && attr.path().segments.first().is_some_and(|tool| tool.ident == "rustfmt" || tool.ident == "clippy")
}

/// Whether what is returned can be no failure: nothing, a number, a `bool`, a `char`, or text.
pub(super) fn cannot_fail(output: &ReturnType) -> bool {
    const PLAIN: [&str; 17] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "str",
    ];
    let ReturnType::Type(_, ty) = output else { return true };
    let ty = match bare(ty) {
        Type::Never(_) => return true,
        Type::Tuple(ty) => return ty.elems.is_empty(),
        Type::Reference(ty) => bare(&ty.elem),
        ty => ty,
    };
    matches!(ty, Type::Path(ty) if ty.qself.is_none() && PLAIN.iter().any(|plain| ty.path.is_ident(plain)))
}

pub(super) fn returns_never(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(bare(ty), Type::Never(_)))
}

/// The written return type, with `_` for each `impl Trait`, as it can stand on a `let`.
pub(super) fn annotation(mut ty: Type) -> Type {
    struct Hide;
    impl VisitMut for Hide {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(_) = ty {
                *ty = Type::Verbatim(quote!(_));
            } else {
                syn::visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    Hide.visit_type_mut(&mut ty);
    ty
}

/// Whether a part of the type is left to the compiler to find out.
pub(super) fn is_inferred(ty: &Type) -> bool {
    struct Inferred(bool);
    impl<'ast> Visit<'ast> for Inferred {
        fn visit_type(&mut self, ty: &'ast Type) {
            self.0 |= matches!(ty, Type::Infer(_) | Type::Verbatim(_));
            syn::visit::visit_type(self, ty);
        }
    }
    let mut inferred = Inferred(false);
    inferred.visit_type(ty);
    inferred.0
}

/// `Option<&T>`, of which lints do not like to see a reference.
pub(super) fn is_optional_reference(ty: &Type) -> bool {
    let Type::Path(ty) = bare(ty) else { return false };
    let Some(segment) = ty.path.segments.last().filter(|segment| segment.ident == "Option") else { return false };
    only_type(segment).is_some_and(|ty| matches!(bare(ty), Type::Reference(_)))
}

/// The type within parentheses and invisible groups.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(ty) => bare(&ty.elem),
        Type::Group(ty) => bare(&ty.elem),
        _ => ty,
    }
}

/// The `T` of a `Future<Output = T>` among `bounds`.
fn output<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let segment = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(ty) if ty.ident == "Output" => Some(ty.ty.clone()),
            _ => None,
        })
    })
}

/// The output of `Pin<Box<dyn Future>>`, `BoxFuture<'_, T>` or `LocalBoxFuture<'_, T>`.
fn boxed_output(ty: &syn::TypePath) -> Option<Type> {
    let segment = ty.path.segments.last()?;
    if segment.ident == "BoxFuture" || segment.ident == "LocalBoxFuture" {
        return only_type(segment).cloned();
    }
    let Type::Path(boxed) = only_type(segment).filter(|_| segment.ident == "Pin")? else { return None };
    let segment = boxed.path.segments.last().filter(|segment| segment.ident == "Box")?;
    match bare(only_type(segment)?) {
        Type::TraitObject(object) => output(&object.bounds),
        _ => None,
    }
}

fn only_type(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The block of `{ Box::pin(async move { … }) }`, if `#[async_trait]` wrote it: the return type bears its lifetime.
fn async_trait_block(body: &Group, output: &ReturnType) -> Option<Group> {
    struct Mark(bool);
    impl Visit<'_> for Mark {
        fn visit_lifetime(&mut self, lifetime: &syn::Lifetime) {
            self.0 |= lifetime.ident == "async_trait";
        }
    }
    let mut mark = Mark(false);
    mark.visit_return_type(output);
    if !mark.0 {
        return None;
    }
    let trees: Vec<TokenTree> = body.stream().into_iter().collect();
    let (TokenTree::Group(arguments), path) = trees.split_last()? else { return None };
    let path: TokenStream = path.iter().cloned().collect();
    let path = syn::parse2::<syn::Path>(path).ok()?;
    let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
    if arguments.delimiter() != Delimiter::Parenthesis
        || names.next().as_deref() != Some("pin")
        || names.next().as_deref() != Some("Box")
    {
        return None;
    }
    match &arguments.stream().into_iter().collect::<Vec<_>>()[..] {
        [first, second, TokenTree::Group(block)]
            if first.to_token_stream().to_string() == "async" && second.to_token_stream().to_string() == "move" =>
        {
            Some(block.clone())
        }
        _ => None,
    }
}
