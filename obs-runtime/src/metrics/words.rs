//! The words of one place in one lane: one thread writes them, others read them, and see when they are begun anew.
//!
//! The tag in front of them says which generation they are of. `tests/tests/words_model.rs` takes this file as it is and lets loom
//! try every order of what a writer and a reader do.

use super::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Adds to a word that nobody else writes.
#[inline]
pub(crate) fn add(word: &AtomicU64, n: u64) {
    word.store(word.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Whether the words may be written as `generation`: they are begun anew if they were of an earlier one. If they were of a
/// later one, they have been given to another series meanwhile.
pub(crate) fn claim(tag: &AtomicU64, words: &[AtomicU64], generation: u32) -> bool {
    let found = tag.load(Relaxed);
    if found == u64::from(generation) {
        return true;
    }
    // The tag is never that of a generation yet to come: it counts up, and wraps.
    if found != 0 && (found as u32).wrapping_sub(generation) as i32 > 0 {
        return false;
    }
    begin(tag, words, generation);
    true
}

/// Empties words for another generation. A reader that sees one of them changed sees the tag changed too.
fn begin(tag: &AtomicU64, words: &[AtomicU64], generation: u32) {
    tag.store(0, Relaxed);
    fence(Release);
    words.iter().for_each(|word| word.store(0, Relaxed));
    tag.store(u64::from(generation), Release);
}

/// Copies the words of `generation`. Says no if they are of another, or were begun anew in the meantime.
#[inline]
pub(crate) fn read(tag: &AtomicU64, found: &[AtomicU64], generation: u32, words: &mut [u64]) -> bool {
    if tag.load(Acquire) != u64::from(generation) {
        return false;
    }
    words.iter_mut().zip(found).for_each(|(word, found)| *word = found.load(Relaxed));
    fence(Acquire);
    tag.load(Relaxed) == u64::from(generation)
}
