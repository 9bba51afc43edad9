//! Comparing texts and bounds, in `const fn`.

pub(super) const fn among(text: &str, texts: &[&str]) -> bool {
    let mut at = 0;
    while at < texts.len() {
        if same(texts[at], text) {
            return true;
        }
        at += 1;
    }
    false
}

pub(super) const fn same(left: &str, right: &str) -> bool {
    left.len() == right.len() && is_at(left.as_bytes(), 0, right.as_bytes())
}

const fn is_at(text: &[u8], start: usize, part: &[u8]) -> bool {
    if text.len() < start + part.len() {
        return false;
    }
    let mut at = 0;
    while at < part.len() {
        if text[start + at] != part[at] {
            return false;
        }
        at += 1;
    }
    true
}

pub(super) const fn is_suffixed(name: &str, base: &str, suffix: &str) -> bool {
    name.len() == base.len() + suffix.len()
        && is_at(name.as_bytes(), 0, base.as_bytes())
        && is_at(name.as_bytes(), base.len(), suffix.as_bytes())
}

/// Whether `text` is one of the texts that `pattern` stands for: `.` is any character, `.*` and `.+` at the end any rest.
pub(super) const fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] == b'.' && at + 2 == pattern.len() {
            match pattern[at + 1] {
                b'*' => return text.len() >= at,
                b'+' => return text.len() > at,
                _ => {}
            }
        }
        if at >= text.len() || (pattern[at] != b'.' && pattern[at] != text[at]) {
            return false;
        }
        at += 1;
    }
    text.len() == pattern.len()
}

/// Whether `text`, as it stands in a label `le`, is one of the bounds. Bounds are compared as numbers, since the same one is
/// `1` in the text format and `1.0` in OpenMetrics.
pub(super) const fn is_edge(text: &str, buckets: &[f64]) -> bool {
    if same(text, "+Inf") {
        return true;
    }
    match number(text.as_bytes()) {
        Some(value) => is_bucket(buckets, value),
        None => false,
    }
}

/// Whether `latency` seconds is one of the bounds of a histogram.
#[must_use]
pub const fn is_bucket(buckets: &[f64], latency: f64) -> bool {
    let mut at = 0;
    while at < buckets.len() {
        if close(buckets[at], latency) {
            return true;
        }
        at += 1;
    }
    false
}

/// What differs by rounding alone is the same.
const fn close(left: f64, right: f64) -> bool {
    let difference = if left > right { left - right } else { right - left };
    let size = if right < 0.0 { -right } else { right };
    difference <= size * 1e-9
}

/// A decimal number without exponent: bounds are written so.
const fn number(text: &[u8]) -> Option<f64> {
    let (mut value, mut scale, mut fraction) = (0.0, 1.0, false);
    let mut at = 0;
    if text.is_empty() {
        return None;
    }
    while at < text.len() {
        match text[at] {
            digit @ b'0'..=b'9' => {
                value = value * 10.0 + (digit - b'0') as f64;
                if fraction {
                    scale *= 10.0;
                }
            }
            b'.' if !fraction => fraction = true,
            _ => return None,
        }
        at += 1;
    }
    Some(value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_any_character_and_a_star_at_the_end_any_rest() {
        for (pattern, text, fits) in [
            ("5..", "503", true),
            ("5..", "5034", false),
            ("5..", "404", false),
            ("run.*", "running", true),
            ("run.*", "run", true),
            ("run.+", "run", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn bounds_are_numbers_however_they_are_written() {
        let buckets = [0.0001, 0.5, 1.0, 5.0];
        for edge in ["0.0001", "0.5", "1", "1.0", "5.000", "+Inf"] {
            assert!(is_edge(edge, &buckets), "{edge}");
        }
        for none in ["0.3", "", "1s", "1.0.0", "Inf"] {
            assert!(!is_edge(none, &buckets), "{none}");
        }
    }
}
