//! Where to look for labels in a table, quickly.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// A text by its length and its two ends, which are all of it up to [`Ends::ALL`] bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends {
    length: usize,
    first: u64,
    last: u64,
}

impl Ends {
    pub(crate) const ALL: usize = 16;

    /// Those of a longer text are its last sixteen bytes; of a shorter one, some bytes are in both.
    #[inline(always)]
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let length = bytes.len();
        let (first, last) = if let Some(sixteen) = bytes.last_chunk() {
            halves(sixteen)
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
        } else if let [first, .., last] = bytes {
            (u64::from(*first) << 8 | u64::from(bytes[length / 2]), u64::from(*last))
        } else {
            (bytes.first().map_or(0, |byte| u64::from(*byte)), 0)
        };
        Ends { length, first, last }
    }

    /// All of it at once: what differs is anywhere.
    #[inline(always)]
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.length ^ other.length) as u64 | (self.first ^ other.first) | (self.last ^ other.last) == 0
    }

    /// The rest of `text`, whose ends these are, and some bytes of them once more.
    #[inline(always)]
    pub(crate) fn rest(self, text: &str) -> &[[u8; 16]] {
        if self.length > Self::ALL { text.as_bytes().as_chunks().0 } else { &[] }
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

    /// The hash of a tuple of texts with these ends, never 0. It is different for other boundaries, too.
    #[inline(always)]
    pub(crate) fn hash(self, texts: &[&str], ends: &[Ends]) -> u64 {
        let hash = texts.iter().zip(ends).fold(0_u64, |hash, (text, ends)| {
            let rest = ends.rest(text).iter().map(halves);
            let state = rest.fold(self.0, |state, (a, b)| fold(a ^ state, b ^ self.1));
            let text = fold(ends.first ^ state, ends.last ^ self.1);
            // Each for itself until here, so that the processor works on them at the same time.
            hash.rotate_left(23).wrapping_add(text).wrapping_add((ends.length as u64).wrapping_mul(ODD))
        });
        // Sums of few terms lie close together.
        fold(hash ^ self.0, ODD) | 1 << 63
    }
}

/// A hash of where texts are, never 0. Nobody chooses that, so it needs no seed.
#[inline(always)]
pub(crate) fn hash_of_addresses(texts: &[&'static str]) -> u64 {
    let hash = texts.iter().fold(0_u64, |hash, text| {
        hash.rotate_left(21) ^ text.as_ptr().addr() as u64 ^ (text.len() as u64).rotate_left(48)
    });
    fold(hash, ODD) | 1 << 63
}

/// The hash of a few texts.
#[inline]
pub(crate) fn hash<const N: usize>(texts: [&str; N]) -> u64 {
    Seed::own().hash(&texts, &texts.map(Ends::of))
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
        let (ends_of_a, ends_of_b) = (Ends::of(a), Ends::of(b));
        ends_of_a.same(&ends_of_b) && ends_of_a.rest(a) == ends_of_b.rest(b)
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
