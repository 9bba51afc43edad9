//! How names are written: `snake_case` from `CamelCase`, and the other ways.

/// A way to write a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Snake,
    Kebab,
    Camel,
    Pascal,
    Lower,
    Upper,
    ScreamingSnake,
    ScreamingKebab,
}

impl Case {
    pub(crate) const NAMES: [&'static str; 8] = [
        "snake_case",
        "kebab-case",
        "camelCase",
        "PascalCase",
        "lowercase",
        "UPPERCASE",
        "SCREAMING_SNAKE_CASE",
        "SCREAMING-KEBAB-CASE",
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            Case::Snake,
            Case::Kebab,
            Case::Camel,
            Case::Pascal,
            Case::Lower,
            Case::Upper,
            Case::ScreamingSnake,
            Case::ScreamingKebab,
        ];
        Self::NAMES.iter().position(|other| *other == name).map(|at| all[at])
    }

    /// `name`, which is in `CamelCase`, in this case.
    pub(crate) fn of(self, name: &str) -> String {
        let snake = snake(name);
        match self {
            Case::Snake => snake,
            Case::Kebab => snake.replace('_', "-"),
            Case::Pascal => name.to_owned(),
            Case::Camel => {
                let mut chars = name.chars();
                chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
            }
            Case::Lower => name.to_lowercase(),
            Case::Upper => name.to_uppercase(),
            Case::ScreamingSnake => snake.to_uppercase(),
            Case::ScreamingKebab => snake.to_uppercase().replace('_', "-"),
        }
    }
}

/// A new word begins at a capital after a small letter or a digit, and at the last capital of a run of them.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, char) in chars.iter().enumerate() {
        let after_small = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
        let before_small =
            at > 0 && chars[at - 1].is_uppercase() && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if char.is_uppercase() && (after_small || before_small) {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

/// The name of an identifier, without `r#`.
pub(crate) fn unraw(ident: &syn::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_their_capitals() {
        for (name, expected) in [
            ("Inbound", "inbound"),
            ("NotFound", "not_found"),
            ("HTTPError", "http_error"),
            ("Http2Reset", "http2_reset"),
        ] {
            assert_eq!(Case::Snake.of(name), expected);
        }
        assert_eq!(Case::Kebab.of("NotFound"), "not-found");
        assert_eq!(Case::Camel.of("NotFound"), "notFound");
        assert_eq!(Case::ScreamingSnake.of("NotFound"), "NOT_FOUND");
    }
}
