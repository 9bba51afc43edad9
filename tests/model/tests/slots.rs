//! The table of spans under loom: every interleaving of a few steps on two and three threads.
//!
//! That it can fail was seen with four faults in the table: `with` that does not compare the ids, `retain` that does not compare
//! generations (both: `a_stale_id_never_reaches_another_span`), `release` that does not
//! (`the_last_of_two_gets_the_record_once`), and the new generation set after the index is given away (three of the tests).

// What the table stands on, and its sizes: few slots, as loom looks at each of them.
use std::sync::{OnceLock, PoisonError};

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Mutex};
use loom::thread;

const PAGE: usize = 4;
const PAGES: usize = 1;
const BATCH: usize = 1;

// The file of the runtime itself.
#[path = "../../../obs-runtime/src/engine/slots/table.rs"]
mod table;

/// The table, with numbers in it. Threads' caches are vectors here, as there.
struct Slots(table::Table<u64>);

impl Slots {
    fn new() -> Self {
        let free = table::Free { indices: Vec::new(), pages: 0 };
        Slots(table::Table { pages: [const { OnceLock::new() }; PAGES], free: Mutex::new(free) })
    }

    fn insert(&self, cache: &mut Vec<u32>, key: u64) -> u64 {
        self.0.insert(cache, Box::new(key)).expect("there is a slot")
    }

    fn with(&self, id: u64) -> Option<u64> {
        self.0.with(id, |key| *key)
    }

    fn is_open(&self, id: u64) -> bool {
        self.0.is_open(id)
    }

    fn retain(&self, id: u64) -> bool {
        self.0.retain(id)
    }

    fn release(&self, cache: &mut Vec<u32>, id: u64) -> Option<u64> {
        self.0.release(cache, id).map(|key| *key)
    }

    fn give_back(&self, cache: &mut Vec<u32>) {
        self.0.give_back(cache, 0);
    }

    /// How many spans are open.
    fn open(&self) -> usize {
        let mut open = 0;
        self.0.each(|_| open += 1);
        open
    }

    /// The slot of this id is at its last generation.
    fn set_last_generation(&self, id: u64) {
        self.0.slot(id).expect("it is there").state.store(!table::INDEX, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_stale_id_never_reaches_another_span() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        let mut cache = Vec::new();
        let old = slots.insert(&mut cache, 1);
        let theirs = Arc::clone(&slots);
        let looks = thread::spawn(move || {
            for seen in [theirs.with(old), theirs.with(old)].into_iter().flatten() {
                assert_eq!(seen, 1, "another span's");
            }
            if theirs.retain(old) {
                assert_eq!(theirs.with(old), Some(1), "what is held is there");
                theirs.release(&mut Vec::new(), old);
            }
        });
        let last = slots.release(&mut cache, old);
        let new = slots.insert(&mut cache, 2);
        assert_eq!(slots.with(new), Some(2));
        assert!(last.is_none_or(|key| key == 1));
        looks.join().expect("no panic");
        assert!(!slots.is_open(old) && slots.is_open(new));
        assert_eq!(slots.open(), 1);
    });
}

#[test]
fn the_last_of_two_gets_the_record_once() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        let mut cache = Vec::new();
        let id = slots.insert(&mut cache, 1);
        assert!(slots.retain(id));
        let theirs = Arc::clone(&slots);
        let other = thread::spawn(move || {
            let mut cache = Vec::new();
            let got = theirs.release(&mut cache, id);
            // Too many: it reaches nobody, not even who came after.
            let again = theirs.release(&mut cache, id);
            theirs.give_back(&mut cache);
            (got.is_some(), again.is_some())
        });
        let got = slots.release(&mut cache, id).is_some();
        let new = slots.insert(&mut cache, 2);
        let (theirs_got, theirs_again) = other.join().expect("no panic");
        assert_eq!(u32::from(got) + u32::from(theirs_got) + u32::from(theirs_again), 1, "exactly one got it");
        assert_eq!(slots.with(new), Some(2));
    });
}

#[test]
fn slots_go_from_the_thread_that_closes_to_the_one_that_opens() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        let mut cache = Vec::new();
        let ids = [slots.insert(&mut cache, 1), slots.insert(&mut cache, 2)];
        let theirs = Arc::clone(&slots);
        let closes = thread::spawn(move || {
            let mut cache = Vec::new();
            for (id, key) in ids.into_iter().zip(1..) {
                assert_eq!(theirs.release(&mut cache, id), Some(key));
            }
            theirs.give_back(&mut cache);
        });
        let third = slots.insert(&mut cache, 3);
        assert_eq!(slots.with(third), Some(3));
        closes.join().expect("no panic");
        // Three slots and no more: all that were closed can be had again.
        let more = [slots.insert(&mut cache, 4), slots.insert(&mut cache, 5)];
        assert_eq!(more.map(|id| slots.with(id)), [Some(4), Some(5)]);
        assert_eq!(slots.open(), 3);
    });
}

#[test]
fn a_generation_that_begins_anew_is_another_one() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        let mut cache = Vec::new();
        let id = slots.insert(&mut cache, 1);
        slots.release(&mut cache, id);
        slots.set_last_generation(id);
        let last = slots.insert(&mut cache, 2);
        let theirs = Arc::clone(&slots);
        let looks = thread::spawn(move || assert!(theirs.with(last).is_none_or(|key| key == 2)));
        assert_eq!(slots.release(&mut cache, last), Some(2));
        let first = slots.insert(&mut cache, 3);
        assert_ne!(first, last);
        looks.join().expect("no panic");
        assert_eq!((slots.with(last), slots.with(first)), (None, Some(3)));
    });
}
