//! The helper attributes of derives, `#[metric(…)]` and the like. One mistake does not hide the next: after each, reading
//! goes on behind the comma.

use proc_macro2::TokenTree;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Result, Token};

use crate::diag::{Diag, did_you_mean};

/// Reads each option of the attributes called `owner` with `option`. Says whether all could be read.
pub(crate) fn options(
    attrs: &[Attribute],
    owner: &str,
    known: &[&str],
    diag: &mut Diag,
    mut option: impl FnMut(&str, &ParseNestedMeta<'_>, &mut Diag) -> Result<()>,
) -> bool {
    let mut sound = true;
    let mut seen: Vec<String> = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(owner)) {
        let parsed = attr.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let read = if !known.contains(&&*name) {
                Err(meta.error(format!("`{owner}` has no option `{name}`{}", or_these(&name, known))))
            } else if seen.contains(&name) {
                Err(meta.error(format!("`{name}` given twice")))
            } else {
                option(&name, &meta, diag)
            };
            seen.push(name);
            if let Err(error) = read {
                diag.push(error);
                sound = false;
                while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                    meta.input.parse::<TokenTree>()?;
                }
            }
            Ok(())
        });
        sound &= diag.keep(parsed).is_some();
    }
    sound
}

/// The name that was meant, or all that there are.
pub(crate) fn or_these(name: &str, known: &[&str]) -> String {
    let nearest = did_you_mean(name, known.iter().copied());
    if !nearest.is_empty() {
        return nearest;
    }
    match known {
        [] => String::new(),
        [one] => format!("; there is `{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("; there are {} and `{last}`", first.join(", "))
        }
    }
}
