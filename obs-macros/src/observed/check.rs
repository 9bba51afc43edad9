//! The rules: what may stand where, and what may stand together.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::{Expr, GenericParam, Lit};

use super::{
    Args, CLOSING_FIELDS, Field, Func, Observed, Ret, Returns, STANDARD_FIELDS, Value, is_observed, options, shape,
};
use crate::diag::{Diag, did_you_mean};

pub(super) fn observed(observed: &Observed, diag: &mut Diag) {
    let Observed { args, func, prefix, .. } = observed;
    function(func, prefix.is_some(), diag);
    once_each(&args.fields, diag);
    for field in &args.fields {
        match &field.value {
            Value::Named(_) => named(field, func, diag),
            Value::Expr(_, value) => misspelt_option(field, value, diag),
            Value::Late => {}
        }
    }
    reserved(&args.fields, diag);
    places(args, diag);
    returned(observed, diag);
    if let (Some((word, _)), Some(_)) = (&args.parent, &observed.parent) {
        diag.error(word, "`#[correlated]` takes the parent from the carrier; leave one of them out");
    }
    if let (Some(word), Some(_)) = (&args.root, &observed.parent) {
        diag.error(word, "`#[correlated]` takes the parent from the carrier; leave one of them out");
    }
}

/// A span hangs in one place.
pub(crate) fn places(args: &Args, diag: &mut Diag) {
    if let (Some((word, _)), Some(_)) = (&args.parent, &args.root) {
        diag.error(word, "a `root` has no parent; leave one of them out");
    }
}

fn returned(observed: &Observed, diag: &mut Diag) {
    let Observed { args, func, .. } = observed;
    let sig = &func.sig;
    if let Some(Ret { word, .. }) = &args.ret {
        if shape::returns_never(&sig.output) {
            diag.error(word, "this function never returns; take `ret` away");
        } else if sig.output == syn::ReturnType::Default {
            diag.error(word, "this function returns nothing to record; take `ret` away");
        } else if let Some((_, Returns::Stream)) = &args.returns {
            diag.error(word, "a stream has no one value to record; take `ret` away");
        }
    }
    if let Some((word, returns)) = &args.returns {
        if sig.asyncness.is_some() {
            let message = match returns {
                Returns::Future => "an `async fn` is a future, and observed as one; take `future` away",
                Returns::Stream => "an `async fn` ends before its stream does; observe the `fn` that makes the stream",
            };
            diag.error(word, message);
        } else if sig.output == syn::ReturnType::Default {
            diag.error(word, format!("this function returns no {word}; take `{word}` away"));
        }
    }
}

fn function(func: &Func, in_block: bool, diag: &mut Diag) {
    if func.body.is_none() {
        diag.error(
            &func.sig,
            "`#[observed]` needs a `fn` with a body; put it on the methods of the trait's `impl` instead",
        );
    }
    if let Some(constness) = &func.sig.constness {
        let advice = if in_block { "write `#[observed(skip)]` on it" } else { "take away `const` or the attribute" };
        let message = format!("a `const fn` cannot be observed, as the compiler itself may run it; {advice}");
        diag.error(constness, message);
    }
    if let Some(variadic) = &func.sig.variadic {
        diag.error(variadic, "`#[observed]` cannot hand on `...`; put it on a function that is called from this one");
    }
    if let Some(again) = func.attrs.iter().find(|attr| is_observed(attr)) {
        diag.error(again, "`#[observed]` given twice; write all fields and options into one");
    }
}

pub(crate) fn once_each(fields: &[Field], diag: &mut Diag) {
    let mut seen = HashSet::new();
    for field in fields {
        let key = field.key();
        if !seen.insert(key.clone()) {
            diag.error(&field.name, format!("`{key}` given twice"));
        }
    }
}

/// A field that is only named: an argument, or a standard field that the body records.
fn named(field: &Field, func: &Func, diag: &mut Diag) {
    let key = field.key();
    if func.param(&field.name).is_some() {
        return;
    }
    let generic = func.sig.generics.params.iter().find_map(|param| match param {
        GenericParam::Const(param) if param.ident == field.name => Some(&param.ident),
        _ => None,
    });
    let params = func.params();
    let arguments: Vec<String> = params.iter().map(|param| param.ident.to_string()).collect();
    let message = if let Some(generic) = generic {
        format!("`{generic}` is a const generic, not an argument; write `{} = {generic}`", key.to_lowercase())
    } else if STANDARD_FIELDS.contains(&key.as_str()) {
        if func.body.is_none() || func.records(&key) {
            return;
        }
        format!("no argument named `{key}`, and nothing records it; write `late({key})` if a callee does")
    } else if key == "skip" || key == "skip_all" {
        format!("no option named `{key}`{}", options::NOTHING_TO_SKIP)
    } else if func.records(&key) {
        format!("no argument named `{key}`; write `late({key})`, as the body records it")
    } else {
        let names = arguments.iter().map(String::as_str).chain(STANDARD_FIELDS).chain(options::OPTIONS);
        let nearest = did_you_mean(&key, names);
        let nearest = if nearest.is_empty() { format!("; write `{key} = …` with its value") } else { nearest };
        format!("no argument named `{key}`{nearest}")
    };
    diag.error(&field.name, message);
}

/// `levl = "debug"` reads like a field, and is none.
fn misspelt_option(field: &Field, value: &TokenStream, diag: &mut Diag) {
    let looks_like_an_option = match syn::parse2::<Expr>(value.clone()) {
        Ok(Expr::Lit(literal)) => matches!(literal.lit, Lit::Str(_)),
        Ok(Expr::Path(path)) => path.path.is_ident("off"),
        _ => false,
    };
    let key = field.key();
    let nearest = did_you_mean(&key, options::OPTIONS);
    if looks_like_an_option && !nearest.is_empty() {
        let message = format!("no option named `{key}`{nearest} (a field of that name is written `{key} = %{value}`)");
        diag.error(&field.name, message);
    }
}

pub(crate) fn reserved(fields: &[Field], diag: &mut Diag) {
    for field in fields {
        let key = field.key();
        if CLOSING_FIELDS.contains(&key.as_str()) {
            let other = if key == "error" { "cause" } else { "result" };
            let advice = match field.value {
                Value::Late => format!("late({other})"),
                _ => format!("{other} = …"),
            };
            diag.error(
                &field.name,
                format!("`{key}` is what `#[observed]` itself records at the end; write another name, as `{advice}`"),
            );
        }
    }
}
