//! The rules: what may stand where, and what may stand together.

use syn::Type;

use super::{Carrier, Options};
use crate::diag::Diag;
use crate::observed::Func;

pub(super) fn correlated(options: &Options, func: &Func, carrier: Option<&Carrier>, diag: &mut Diag) {
    if func.body.is_none() {
        diag.error(
            &func.sig,
            "`#[correlated]` needs a `fn` with a body; put it on the methods of the trait's `impl` instead",
        );
    }
    if let Some(constness) = &func.sig.constness {
        diag.error(
            constness,
            "`#[correlated]` cannot stand on a `const fn`: the compiler may run it; take away `const` or the attribute",
        );
    }
    if let Some(again) =
        func.attrs.iter().find(|attr| attr.path().segments.last().is_some_and(|segment| segment.ident == "correlated"))
    {
        diag.error(again, "`#[correlated]` given twice; a function has one carrier");
    }
    if let (Some(_), Some(trust)) = (&options.outbound, &options.trust) {
        diag.error(&trust.word, "`trust` judges what a caller sends, and `outbound` sends; leave one of them out");
    }
    if let (Some(_), Some(Carrier { name, ty: Type::Reference(ty) })) = (&options.outbound, carrier)
        && ty.mutability.is_none()
    {
        let elem = &ty.elem;
        let message = format!("`outbound` writes into `{name}`; take it as `&mut {}`", quote::quote!(#elem));
        diag.error(ty, message);
    }
}
