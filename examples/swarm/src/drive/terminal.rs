//! Colours, where there is a terminal to show them.

use std::fmt::Display;
use std::io::IsTerminal;

/// How to paint.
#[derive(Clone, Copy)]
pub(super) struct Palette {
    on: bool,
}

impl Palette {
    /// Colours if standard output is a terminal whose user did not say no (`NO_COLOR`).
    pub(super) fn detect() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Palette { on: std::io::stdout().is_terminal() && !refused }
    }

    pub(super) fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// A level in its colour.
    pub(super) fn level(self, level: &str) -> String {
        let code = match level {
            "error" => "31",
            "warn" => "33",
            "info" => "32",
            _ => "36",
        };
        self.paint(code, format_args!("{level:<5}"))
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}
