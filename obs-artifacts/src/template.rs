//! Configuration files of others, in their own form, with values of ours in them.

use std::fmt::Display;

/// `template` with each value in the place of `@name@`. Comments of a template are part of the file.
pub(crate) fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut out = template.to_owned();
    for (name, value) in values {
        let place = format!("@{name}@");
        debug_assert!(out.contains(&place), "no {place} in the template");
        out = out.replace(&place, &value.to_string());
    }
    debug_assert_eq!(unfilled(&out), None);
    out
}

/// The first place that nothing was put into.
fn unfilled(text: &str) -> Option<&str> {
    let mut parts = text.split('@').skip(1);
    parts.find(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_names_stood() {
        assert_eq!(fill("keep: @days@d # @days@", &[("days", &7)]), "keep: 7d # 7");
    }

    #[test]
    fn a_place_that_was_forgotten_is_found() {
        assert_eq!(unfilled("a: @days@"), Some("days"));
        assert_eq!(unfilled("mail: a@b.example"), None);
    }
}
