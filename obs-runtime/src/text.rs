//! Messages put together while the user's crate is compiled.

/// A message. What goes beyond its room is cut.
pub struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    pub(crate) const fn new(text: &str) -> Self {
        Text { bytes: [0; 512], length: 0 }.push(text)
    }

    pub(crate) const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    pub(crate) const fn number(self, number: usize) -> Self {
        let digit = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][number % 10];
        let before = if number >= 10 { self.number(number / 10) } else { self };
        before.push(digit)
    }

    /// The message.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "a message that was cut within a character",
        }
    }
}

/// Whether two texts are equal.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(Text::new("").number(0).push(" ").number(108_000).as_str(), "0 108000");
    }

    #[test]
    fn what_goes_beyond_its_room_is_cut() {
        let long = "x".repeat(600);
        assert_eq!(Text::new(&long).push("y").as_str(), "x".repeat(512));
    }
}
