//! Where to look for labels in a table, quickly.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Other in each process, so that nobody can make labels that meet.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u64));

const ODD: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x8cb9_2ba7_2f3d_8dd7];

/// The hash of a tuple of texts. It is different for other boundaries, too.
#[inline]
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    texts.into_iter().fold(*SEED, |state, text| bytes(text.as_bytes(), state))
}

/// Folded multiplication of sixteen bytes at a time, the last sixteen as they come.
#[inline]
fn bytes(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let mut state = seed ^ (length as u64).wrapping_mul(ODD[0]);
    let mut at = 0;
    while at + 16 < length {
        state = fold(eight(bytes, at) ^ state, eight(bytes, at + 8) ^ ODD[1]);
        at += 16;
    }
    let (a, b) = ends(bytes);
    fold(a ^ state, b ^ ODD[2])
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ (wide >> 64) as u64
}

/// The last sixteen bytes, or all of them where there are fewer: some of them twice.
#[inline]
fn ends(bytes: &[u8]) -> (u64, u64) {
    match bytes.len() {
        length @ 16.. => (eight(bytes, length - 16), eight(bytes, length - 8)),
        length @ 8.. => (eight(bytes, 0), eight(bytes, length - 8)),
        length @ 4.. => (four(bytes, 0), four(bytes, length - 4)),
        length @ 1.. => (u64::from(bytes[0]) << 8 | u64::from(bytes[length / 2]), u64::from(bytes[length - 1])),
        0 => (0, 0),
    }
}

/// Whether two texts are equal: short ones are not worth a call.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && ends(a) == ends(b) && (a.len() <= 16 || a[..a.len() - 16] == b[..b.len() - 16])
}

#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[inline]
fn four(bytes: &[u8], at: usize) -> u64 {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four));
    u64::from(four)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_the_same_if_they_are_equal(a in "[ab]{0,40}", b in "[ab]{0,40}", at in 0..40_usize) {
            prop_assert!(same(a.as_bytes(), a.as_bytes()));
            prop_assert_eq!(same(a.as_bytes(), b.as_bytes()), a == b);
            let mut other = a.clone().into_bytes();
            if let Some(byte) = other.get_mut(at) {
                *byte = b'c';
                prop_assert!(!same(a.as_bytes(), &other));
            }
        }
    }

    #[test]
    fn boundaries_count() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
        assert_ne!(hash(["", "a"]), hash(["a", ""]));
    }
}
