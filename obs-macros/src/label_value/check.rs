use super::{LabelValue, Values};
use crate::diag::Diag;

pub(super) fn label_value(value: &LabelValue, diag: &mut Diag) {
    match &value.values {
        Values::Closed(variants) => {
            if variants.is_empty() {
                diag.error(&value.ident, format!("`{}` has no variant, so there is no value to count", value.ident));
            }
            for (at, variant) in variants.iter().enumerate() {
                if let Some(first) = variants[..at].iter().find(|first| first.text == variant.text) {
                    let message = format!(
                        "`{}` and `{}` are both written `{}`; rename one: `#[label(rename = \"…\")]`",
                        first.ident, variant.ident, variant.text
                    );
                    diag.error(&variant.ident, message);
                }
            }
        }
        Values::Open { max, .. } => {
            if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(int), .. }) = &**max
                && int.base10_digits() == "0"
            {
                diag.error(max, "with `max = 0` there is no value to count; say how many there may be");
            }
        }
    }
}
