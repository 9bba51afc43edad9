//! Where to look for labels in a table, quickly.

use std::hash::{BuildHasher, RandomState};
use std::hint::select_unpredictable;
use std::sync::LazyLock;

/// The two ends of a text, which with its length are all of it up to [`SHORT`] bytes. Those of a longer one are its last sixteen
/// bytes; of a shorter one, some bytes are in both.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends(u64, u64);

/// Longer texts are not told by their ends and length alone.
pub(crate) const SHORT: usize = 16;

impl Ends {
    /// What stands for them of a text that stays where it is: where that is, and its length.
    #[inline(always)]
    pub(crate) fn at(text: &'static str) -> Self {
        Ends(text.as_ptr().addr() as u64, text.len() as u64)
    }

    /// Those of a text of less than eight bytes. How many it has is often foretold wrongly, which takes longer than to read it
    /// twice: so nothing branches on it.
    #[inline(always)]
    fn few(text: &[u8]) -> Self {
        let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) else {
            return Ends(text.first().map_or(0, |byte| u64::from(*byte)), 0);
        };
        let two = u64::from(u16::from_le_bytes(*first)) | u64::from(u16::from_le_bytes(*last)) << 16;
        let is_four = text.len() >= 4;
        let four = select_unpredictable(is_four, text, &[0; 4]);
        let first_four = four.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        let last_four = four.last_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        Ends(select_unpredictable(is_four, first_four.into(), two), last_four.into())
    }

    /// In which bits they differ.
    #[inline(always)]
    pub(crate) fn differ(&self, other: &Self) -> u64 {
        (self.0 ^ other.0) | (self.1 ^ other.1)
    }
}

/// What the hash begins with: other in each process, so that nobody can make labels that meet.
#[derive(Clone, Copy)]
pub(crate) struct Seed(u64, u64);

impl Seed {
    /// That of this process.
    #[inline]
    pub(crate) fn own() -> Self {
        static SEED: LazyLock<Seed> = LazyLock::new(|| {
            let random = RandomState::new();
            Seed(random.hash_one(0), random.hash_one(1))
        });
        *SEED
    }

    /// Reads texts: their ends, their hash, which is different for other boundaries, too, and their lengths, a byte each, of long
    /// ones only that they are.
    #[inline(always)]
    pub(crate) fn read(self, texts: &[&str], ends: &mut [Ends]) -> (u64, u64) {
        let (mut hash, mut lengths) = (0_u64, 0_u64);
        for (text, ends) in texts.iter().zip(ends) {
            let (own, state, length) = self.text(text.as_bytes());
            *ends = own;
            // Each for itself until here, so that the processor works on them at the same time.
            hash = hash.rotate_left(23).wrapping_add(fold(own.0 ^ state, own.1 ^ self.1));
            lengths = lengths << 8 | length as u64;
        }
        // Sums of few terms lie close together.
        (fold(hash ^ self.0, lengths ^ self.1), lengths)
    }

    /// The ends of a text, what its hash begins with, and its length, if it is short.
    #[inline(always)]
    fn text(self, text: &[u8]) -> (Ends, u64, usize) {
        let length = text.len();
        let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) else {
            return (Ends::few(text), self.0, length);
        };
        match (text.first_chunk(), text.last_chunk()) {
            (Some(front), Some(back)) if length > SHORT => {
                let state = if length < 2 * SHORT { self.sixteen(self.0, front) } else { self.long(text) };
                let (first, last) = halves(back);
                (Ends(first, last), state.wrapping_add(length as u64), SHORT + 1)
            }
            _ => (Ends(u64::from_le_bytes(*first), u64::from_le_bytes(*last)), self.0, length),
        }
    }

    #[inline(never)]
    fn long(self, text: &[u8]) -> u64 {
        text.as_chunks().0.iter().fold(self.0, |state, sixteen| self.sixteen(state, sixteen))
    }

    #[inline(always)]
    fn sixteen(self, state: u64, sixteen: &[u8; 16]) -> u64 {
        let (first, last) = halves(sixteen);
        fold(first ^ state, last ^ self.1)
    }
}

/// A hash of where texts are. Nobody chooses that, so it needs no seed.
#[inline(always)]
pub(crate) fn hash_of_addresses(ends: &[Ends]) -> u64 {
    fold(ends.iter().fold(0_u64, |hash, ends| hash.rotate_left(21) ^ ends.0 ^ ends.1.rotate_left(48)), ODD)
}

/// The hash of a few texts.
#[inline]
pub(crate) fn hash<const N: usize>(texts: [&str; N]) -> u64 {
    Seed::own().read(&texts, &mut [Ends::default(); N]).0
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A folded multiplication.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ (wide >> 64) as u64
}

#[inline(always)]
fn halves(sixteen: &[u8; 16]) -> (u64, u64) {
    let wide = u128::from_le_bytes(*sixteen);
    (wide as u64, (wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let ((a_ends, _, a_length), (b_ends, _, b_length)) =
            (Seed::own().text(a.as_bytes()), Seed::own().text(b.as_bytes()));
        a_length == b_length && a_ends.differ(&b_ends) == 0 && (a_length <= SHORT || a == b)
    }

    proptest! {
        #[test]
        fn texts_are_the_same_if_they_are_equal(a in "[ab]{0,40}", b in "[ab]{0,40}", at in 0..40_usize) {
            prop_assert!(same(&a, &a));
            prop_assert_eq!(same(&a, &b), a == b);
            let mut other = a.clone();
            if at < a.len() {
                other.replace_range(at..=at, "c");
                prop_assert!(!same(&a, &other));
                prop_assert_ne!(hash([&a]), hash([&other]));
            }
        }

        #[test]
        fn short_texts_are_the_same_if_they_are_equal(a in "[ab]{0,5}", b in "[ab]{0,5}") {
            prop_assert_eq!(same(&a, &b), a == b);
        }
    }

    #[test]
    fn boundaries_count() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
        assert_ne!(hash(["", "a"]), hash(["a", ""]));
        assert_ne!(hash(["aaaa"]), hash(["aaaaa"]));
    }
}
