//! The words that counters and histograms lie in, under every order in which a writer and a reader can meet: the very file of the
//! runtime, over loom's atomics.

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
}

#[path = "../../obs-runtime/src/metrics/words.rs"]
mod words;

use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A tag and two words that are always written together.
struct Place {
    again: AtomicBool,
    tag: AtomicU32,
    words: [AtomicU64; 2],
}

impl Place {
    fn new() -> Self {
        let words = [AtomicU64::new(0), AtomicU64::new(0)];
        Place { again: AtomicBool::new(false), tag: AtomicU32::new(0), words }
    }

    /// What a thread does that owns the lane.
    fn write(&self, generation: u32, n: u64) -> bool {
        let may = words::claim(&self.again, &self.tag, &self.words, generation);
        if may {
            self.words.iter().for_each(|word| words::add(word, n));
        }
        may
    }

    /// What a scrape does.
    fn read(&self, generation: u32) -> Option<[u64; 2]> {
        let mut seen = [0; 2];
        words::read(&self.tag, &self.words, generation, &mut seen).then_some(seen)
    }

    /// What it does with many places of one word, where none was ever begun anew. It looks at no tag.
    fn read_first(&self) -> Option<u64> {
        if !words::are_first(&self.again) {
            return None;
        }
        let seen = self.words[0].load(Relaxed);
        words::were_first(&self.again).then_some(seen)
    }
}

/// Lets `read` look while a thread writes 10 in the first generation, then 1 in the second; and once more when it is done.
fn while_begun_anew(read: impl Fn(&Place) + Send + Sync + 'static, done: impl Fn(&Place) + Send + Sync + 'static) {
    loom::model(move || {
        let place = Arc::new(Place::new());
        let writer = {
            let place = Arc::clone(&place);
            thread::spawn(move || {
                assert!(place.write(words::FIRST, 10));
                assert!(place.write(words::FIRST + 1, 1));
            })
        };
        read(&place);
        writer.join().expect("the writer is done");
        done(&place);
    });
}

#[test]
fn a_reader_sees_numbers_of_its_generation_or_none() {
    let read = |place: &Place| {
        for generation in [1, 2] {
            if let Some(seen) = place.read(generation) {
                let most = if generation == 1 { 10 } else { 1 };
                assert!(seen.iter().all(|word| [0, most].contains(word)), "{generation}: {seen:?}");
            }
        }
    };
    while_begun_anew(read, |place| assert_eq!((place.read(1), place.read(2)), (None, Some([1, 1]))));
}

#[test]
fn a_reader_that_looks_at_no_tags_sees_numbers_of_the_first_generation_or_none() {
    let read = |place: &Place| assert!([None, Some(0), Some(10)].contains(&place.read_first()));
    while_begun_anew(read, |place| {
        assert_eq!(place.read_first(), None);
        assert_eq!(words::read_one(&place.tag, &place.words[0], words::FIRST + 1), Some(1));
    });
}

#[test]
fn a_handle_of_an_earlier_generation_writes_to_nowhere() {
    loom::model(|| {
        let place = Arc::new(Place::new());
        assert!(place.write(2, 5));
        let late = {
            let place = Arc::clone(&place);
            thread::spawn(move || place.read(2))
        };
        assert!(!place.write(1, 7));
        assert_eq!(late.join().unwrap(), Some([5, 5]));
        assert_eq!(place.read(2), Some([5, 5]));
    });
}

#[test]
fn a_thread_goes_on_where_the_one_before_it_in_the_lane_stopped() {
    loom::model(|| {
        let free = Arc::new(Mutex::new(Some(Place::new())));
        // A lane has one owner at a time, and is handed on under a lock. Who finds none counts elsewhere.
        let count = |free: &Mutex<Option<Place>>| {
            let Some(place) = free.lock().unwrap().take() else { return 0 };
            assert!(place.write(1, 1));
            *free.lock().unwrap() = Some(place);
            1
        };
        let other = {
            let free = Arc::clone(&free);
            thread::spawn(move || count(&free))
        };
        let counted = count(&free) + other.join().unwrap();
        let place = free.lock().unwrap().take().unwrap();
        assert_eq!(place.read(1), Some([counted; 2]));
    });
}
