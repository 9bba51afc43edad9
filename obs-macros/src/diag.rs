//! Collects every mistake of an item, so that one compile reports them all.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// The mistakes found so far, each at the tokens it is about.
#[derive(Default)]
pub(crate) struct Diag {
    errors: Option<syn::Error>,
}

impl Diag {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes a mistake at `tokens`.
    pub(crate) fn error(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// Keeps the value of `result`, or its error.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// What was noted, for a model that could not even be read.
    pub(crate) fn into_error(self) -> syn::Error {
        self.errors.unwrap_or_else(|| syn::Error::new(proc_macro2::Span::call_site(), "cannot be read"))
    }

    /// Fails with everything noted, if anything was.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.errors.map_or(Ok(()), Err)
    }
}

/// Runs an attribute macro. On a mistake the item stays as the user wrote it, so that one mistake is one error.
pub(crate) fn attribute(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    expand: fn(TokenStream, TokenStream) -> syn::Result<TokenStream>,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    match expand(args.into(), item.clone()) {
        Ok(tokens) => tokens.into(),
        Err(error) => {
            let errors = error.into_compile_error();
            quote!(#item #errors).into()
        }
    }
}

/// Runs a derive macro.
pub(crate) fn derive(
    item: proc_macro::TokenStream,
    expand: fn(TokenStream) -> syn::Result<TokenStream>,
) -> proc_macro::TokenStream {
    match expand(item.into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => error.into_compile_error().into(),
    }
}

/// `` ; did you mean `agent_id`? `` when a candidate is near enough to `name`, else nothing.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, candidate)) if distance <= 1.max(name.chars().count() / 3) => {
            format!("; did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// The Levenshtein distance, in characters; two that have changed places count as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let above = &rows[i];
            let mut least = (above[j] + usize::from(a[i] != b[j])).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("agnt_id", ["user_id", "agent_id"]), "; did you mean `agent_id`?");
        assert_eq!(did_you_mean("lable", ["name", "label"]), "; did you mean `label`?");
        assert_eq!(did_you_mean("colour", ["user_id", "agent_id"]), "");
    }
}
