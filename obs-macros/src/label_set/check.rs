use super::LabelSet;
use crate::diag::Diag;

pub(super) fn label_set(set: &LabelSet, diag: &mut Diag) {
    for label in &set.labels {
        let name = &label.name;
        if name == "le" || name == "quantile" {
            diag.error(&label.ident, format!("`{name}` is a label of Prometheus' own; give it another name"));
        } else if name.starts_with("__") {
            diag.error(&label.ident, format!("`{name}` is reserved: labels that begin with `__` are Prometheus' own"));
        } else if !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            diag.error(&label.ident, format!("`{name}` cannot be a label: use ASCII letters, digits and `_`"));
        }
    }
}
