//! The rules: what may stand together.

use super::{Case, Class, Classify};
use crate::diag::Diag;

pub(super) fn classify(classify: &Classify, diag: &mut Diag) {
    if let Some(transparent) = &classify.class.transparent {
        diag.error(transparent, "an enum has no source of its own; write `transparent` on the variants that have one");
    }
    for case in &classify.cases {
        transparent(case, &classify.ident, diag);
        if let (Some(_), Some(krate)) = (&case.variant, &case.class.krate) {
            diag.error(krate, "`crate` counts for the whole type; write it in front of it");
        }
    }
}

fn transparent(case: &Case, ident: &syn::Ident, diag: &mut Diag) {
    let Class { level, kind, transparent: Some(transparent), .. } = &case.class else { return };
    let name = case.variant.as_ref().unwrap_or(ident);
    if case.source.is_none() {
        let message = format!("`{name}` has no one field to ask; mark the one that is the source: `#[source]`");
        diag.error(transparent, message);
    }
    let words = level.as_ref().map(|(word, _)| word).into_iter().chain(kind.as_ref().map(|(word, _)| word));
    for word in words {
        diag.error(word, format!("`transparent` asks the source for its {word}; leave one of them out"));
    }
}
