//! What `record!` checks while the user's code is compiled.

use super::Callsite;
use crate::text::{Text, same};

/// The fields that an observed function declares, where `record!` in its body finds them.
pub struct Declared {
    /// Their names, in the order of their indices.
    pub names: &'static [&'static str],
    /// The function's callsite.
    pub callsite: fn() -> &'static Callsite,
}

/// The index of `name` among the declared fields, or what to write instead.
///
/// # Errors
/// The message for the user, when no such field is declared.
// The error is built and read by the compiler alone: its size costs nobody anything.
#[allow(clippy::result_large_err)]
pub const fn declared(names: &[&str], name: &str) -> Result<usize, Text> {
    let mut nearest = 0;
    let mut least = usize::MAX;
    let mut at = 0;
    while at < names.len() {
        if same(names[at], name) {
            return Ok(at);
        }
        let distance = distance(name, names[at]);
        if distance < least {
            (least, nearest) = (distance, at);
        }
        at += 1;
    }
    let text = Text::new("no field named `").push(name).push("` is declared by `#[observed]`");
    let near = if name.len() < 6 { 1 } else { name.len() / 3 };
    Err(if least <= near {
        text.push("; did you mean `").push(names[nearest]).push("`?")
    } else {
        text.push("; add `late(").push(name).push(")` to it")
    })
}

/// The Levenshtein distance in bytes; names beyond 64 bytes are far from everything.
const fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    let mut j = 0;
    while j <= b.len() {
        row[j] = j;
        j += 1;
    }
    let mut i = 0;
    while i < a.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        j = 0;
        while j < b.len() {
            let substituted = diagonal + (a[i] != b[j]) as usize;
            diagonal = row[j + 1];
            let shorter = if row[j] < row[j + 1] { row[j] } else { row[j + 1] };
            row[j + 1] = if substituted < shorter + 1 { substituted } else { shorter + 1 };
            j += 1;
        }
        i += 1;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undeclared_field_is_answered_with_advice() {
        let answer = |name| declared(&["user_id", "agent_id"], name).map_err(|text| text.as_str().to_owned());
        assert_eq!(answer("agent_id"), Ok(1));
        assert_eq!(
            answer("agnt_id"),
            Err("no field named `agnt_id` is declared by `#[observed]`; did you mean `agent_id`?".to_owned())
        );
        assert_eq!(
            answer("colour"),
            Err("no field named `colour` is declared by `#[observed]`; add `late(colour)` to it".to_owned())
        );
    }
}
