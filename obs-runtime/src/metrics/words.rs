//! The words of one place in one lane: one thread writes them, others read them, and see when they are begun anew.
//!
//! The tag that goes with them says which generation they are of. `tests/tests/words_model.rs` takes this file as it is and lets loom
//! try every order of what a writer and a reader do.

use super::sync::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The generation of words that were handed out once: of those, nothing needs to be begun anew.
pub(crate) const FIRST: u32 = 1;

/// Adds to a word that nobody else writes.
#[inline]
pub(crate) fn add(word: &AtomicU64, n: u64) {
    word.store(word.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Whether the words may be written as `generation`: they are begun anew if they were of an earlier one. If they were of a
/// later one, they have been given to another series meanwhile. `again` is told before words beside them, and they, are of another
/// generation than the first.
pub(crate) fn claim(again: &AtomicBool, tag: &AtomicU32, words: &[AtomicU64], generation: u32) -> bool {
    let found = tag.load(Relaxed);
    if found == generation {
        return true;
    }
    // The tag is never that of a generation yet to come: it counts up, and wraps.
    if found != 0 && found.wrapping_sub(generation).cast_signed() > 0 {
        return false;
    }
    if generation != FIRST {
        again.store(true, Relaxed);
    }
    begin(tag, words, generation);
    true
}

/// Empties words for another generation. A reader that sees one of them changed sees the tag changed too.
fn begin(tag: &AtomicU32, words: &[AtomicU64], generation: u32) {
    tag.store(0, Relaxed);
    fence(Release);
    words.iter().for_each(|word| word.store(0, Relaxed));
    tag.store(generation, Release);
}

/// Copies the words of `generation`. Says no if they are of another, or were begun anew in the meantime.
#[inline]
pub(crate) fn read(tag: &AtomicU32, found: &[AtomicU64], generation: u32, words: &mut [u64]) -> bool {
    let copy = || words.iter_mut().zip(found).for_each(|(word, found)| *word = found.load(Relaxed));
    look(tag, generation, copy).is_some()
}

/// The one word of `generation`.
#[inline]
pub(crate) fn read_one(tag: &AtomicU32, found: &AtomicU64, generation: u32) -> Option<u64> {
    look(tag, generation, || found.load(Relaxed))
}

#[inline]
fn look<R>(tag: &AtomicU32, generation: u32, look: impl FnOnce() -> R) -> Option<R> {
    if tag.load(Acquire) != generation {
        return None;
    }
    let seen = look();
    fence(Acquire);
    (tag.load(Relaxed) == generation).then_some(seen)
}

/// Whether all words that `again` is told of are of the first generation, or untouched: then nobody need look at their tags.
#[inline]
pub(crate) fn are_first(again: &AtomicBool) -> bool {
    !again.load(Relaxed)
}

/// Whether they were until now, which is asked when they have been read.
#[inline]
pub(crate) fn were_first(again: &AtomicBool) -> bool {
    fence(Acquire);
    are_first(again)
}
