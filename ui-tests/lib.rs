//! Compile errors of the macros, pinned by the cases beside this file.

use std::process::Command;

/// Whether this is the compiler whose messages are pinned; another one words them otherwise.
#[must_use]
pub fn pinned() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    version.is_ok_and(|version| version.stdout.starts_with(b"rustc 1.95."))
}
