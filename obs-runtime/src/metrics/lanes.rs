//! Where counters and histograms keep their numbers. Each thread has words of its own, its *lane*, which it alone writes
//! with plain loads and stores; a scrape adds up what all lanes have. So no update waits for another thread or takes a
//! cache line from it.
//!
//! A lane outlives its thread: the next thread goes on where the last one stopped, and no count is lost. There are only so
//! many lanes; threads beyond them, and threads that are going away, share a few *stripes*, each under a lock.
//!
//! Words are handed out by places. A place that is given back is handed out again under the next generation, and a tag beside
//! its first word says which generation its words are of: what a handle of an earlier generation writes is never read.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::metrics::words;
pub(crate) use crate::metrics::words::add;

/// How many words a chunk has, and a place at most: with their tags six kilobytes, the least that a thread takes.
pub(crate) const WORDS: usize = 512;

/// Words of one thread. Aligned, so that no other thread's are in their cache lines. The tags lie apart: a scrape reads
/// them only where words were begun anew.
#[repr(C, align(128))]
struct Chunk {
    /// Whether some of the words were begun anew.
    again: AtomicBool,
    words: [AtomicU64; WORDS],
    tags: [AtomicU32; WORDS],
}

/// The chunks of a lane, by number. It has as many slots as chunks were wanted until now, rounded up; a longer one takes its
/// place, and the short one is left to the lanes that still read it.
type Directory = &'static [OnceLock<&'static Chunk>];

/// Some words of every lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its first word.
    at: u32,
    /// Never 0, which is what an untouched word says.
    generation: u32,
}

impl Place {
    /// As one number, which is not 0.
    pub(crate) const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.at as u64
    }

    /// The place that was packed into `packed`.
    pub(crate) const fn unpack(packed: u64) -> Self {
        Place { at: packed as u32, generation: (packed >> 32) as u32 }
    }

    #[inline]
    fn chunk(self) -> usize {
        self.at as usize / WORDS
    }

    /// Where its words begin in the chunk.
    #[inline]
    fn offset(self) -> usize {
        self.at as usize % WORDS
    }

    /// Adds `n` to the word `word` of this thread.
    #[inline(always)]
    pub(crate) fn add(self, width: usize, word: usize, n: u64) {
        self.write(width, move |words| {
            if let Some(word) = words.get(word) {
                add(word, n);
            }
        });
    }

    /// Shows the words that this thread may write: `width` of them.
    #[inline(always)]
    pub(crate) fn write(self, width: usize, write: impl Fn(&[AtomicU64]) + Copy) {
        if !self.write_here(width, write) {
            self.write_anew(width, write);
        }
    }

    /// The same, if the words are at hand; says whether they were. They are not where a capture runs.
    #[inline(always)]
    pub(crate) fn write_here(self, width: usize, write: impl FnOnce(&[AtomicU64])) -> bool {
        if let Some(chunk) = HERE.get().get(self.chunk()).and_then(OnceLock::get)
            && let Some((tag, words)) = self.words(chunk, width)
            && tag.load(Relaxed) == self.generation
        {
            write(words);
            return true;
        }
        false
    }

    /// The tag that says the generation, and the `width` words that are of it.
    #[inline]
    fn words(self, chunk: &Chunk, width: usize) -> Option<(&AtomicU32, &[AtomicU64])> {
        let offset = self.offset();
        Some((chunk.tags.get(offset)?, chunk.words.get(offset..offset + width)?))
    }

    /// What is rare: the first time in this chunk, in this generation or of this thread, or a thread without a lane.
    #[cold]
    #[inline(never)]
    fn write_anew(self, width: usize, write: impl Fn(&[AtomicU64])) {
        let owned = OWNER.try_with(|owner| owner.0).ok().flatten();
        match owned {
            Some(lane) => {
                let mut directory = lock(&lane.directory);
                let chunk = ensure(&mut directory, self.chunk());
                if !FAR.get() {
                    HERE.set(*directory);
                }
                drop(directory);
                self.write_current(chunk, width, &write);
            }
            None => {
                let mut directory = lock(&stripe().directory);
                let chunk = ensure(&mut directory, self.chunk());
                // The lock is held: whoever has it is the owner of the words for now.
                self.write_current(chunk, width, &write);
            }
        }
    }

    fn write_current(self, chunk: &Chunk, width: usize, write: &dyn Fn(&[AtomicU64])) {
        if let Some((tag, words)) = self.words(chunk, width)
            && words::claim(&chunk.again, tag, words, self.generation)
        {
            write(words);
        }
    }
}

thread_local! {
    /// The chunks of this thread; none before its first update and after its last.
    static HERE: Cell<Directory> = const { Cell::new(&[]) };
    /// Whether they are kept out of sight.
    static FAR: Cell<bool> = const { Cell::new(false) };
    /// Which stripe is for this thread, where it needs one.
    static STRIPE: Cell<Option<usize>> = const { Cell::new(None) };
    static OWNER: Owner = Owner(claim());
}

/// Keeps the words of this thread out of sight, or no longer: while they are, no update finds them at hand.
pub(crate) fn keep_far(far: bool) {
    FAR.set(far);
    HERE.set(&[]);
}

struct Lane {
    directory: Mutex<Directory>,
}

/// Has the lane of a thread, until the thread ends.
struct Owner(Option<&'static Lane>);

impl Drop for Owner {
    fn drop(&mut self) {
        // What the thread still counts while it goes away goes to the stripes.
        HERE.set(&[]);
        if let Some(lane) = self.0.take() {
            lock(&LANES).free.push(lane);
        }
    }
}

struct Lanes {
    all: Vec<&'static Lane>,
    /// Those whose threads have ended.
    free: Vec<&'static Lane>,
}

static LANES: Mutex<Lanes> = Mutex::new(Lanes { all: Vec::new(), free: Vec::new() });

static STRIPES: [Lane; 8] = [const { Lane { directory: Mutex::new(&[]) } }; 8];

/// How many threads can have a lane at the same time: four for each processor, and never less than 32.
static MOST: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(32, |cores| cores.get() * 4).clamp(32, 512));

fn claim() -> Option<&'static Lane> {
    let mut lanes = lock(&LANES);
    if let Some(lane) = lanes.free.pop() {
        return Some(lane);
    }
    if lanes.all.len() >= *MOST {
        return None;
    }
    // It is kept for ever, as a place to count is: with the next thread, or with the numbers of the last.
    let lane: &'static Lane = Box::leak(Box::new(Lane { directory: Mutex::new(&[]) }));
    lanes.all.push(lane);
    Some(lane)
}

fn stripe() -> &'static Lane {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let at = STRIPE.get().unwrap_or_else(|| {
        let at = NEXT.fetch_add(1, Relaxed);
        STRIPE.set(Some(at));
        at
    });
    &STRIPES[at % STRIPES.len()]
}

fn ensure(directory: &mut Directory, at: usize) -> &'static Chunk {
    if at >= directory.len() {
        let longer: Vec<OnceLock<&'static Chunk>> = (0..(at + 1).next_power_of_two().max(16))
            .map(|at| {
                let slot = OnceLock::new();
                if let Some(chunk) = directory.get(at).and_then(OnceLock::get) {
                    let _ = slot.set(*chunk);
                }
                slot
            })
            .collect();
        *directory = Vec::leak(longer);
    }
    directory[at].get_or_init(|| {
        let (tags, words) = ([const { AtomicU32::new(0) }; WORDS], [const { AtomicU64::new(0) }; WORDS]);
        Box::leak(Box::new(Chunk { again: AtomicBool::new(false), tags, words }))
    })
}

/// What all lanes have, at about one moment.
pub(crate) struct Reading {
    directories: Vec<Directory>,
}

impl Reading {
    pub(crate) fn now() -> Self {
        let lanes = lock(&LANES).all.clone();
        let all = lanes.into_iter().chain(&STRIPES);
        Reading { directories: all.map(|lane| *lock(&lane.directory)).filter(|chunks| !chunks.is_empty()).collect() }
    }

    /// Copies the words that each lane has of `place` to `words`, and shows them. Those that are emptied for another
    /// generation in the meantime are left out.
    #[inline]
    pub(crate) fn each(&self, place: Place, words: &mut [u64], mut show: impl FnMut(&[u64])) {
        for directory in &self.directories {
            let Some(chunk) = directory.get(place.chunk()).and_then(OnceLock::get) else { continue };
            let Some((tag, found)) = place.words(chunk, words.len()) else { continue };
            if words::read(tag, found, place.generation, words) {
                show(words);
            }
        }
    }

    /// The sums of many places of one word, packed, where 0 is no place. Quick where they follow each other: then the processor
    /// reads ahead in all lanes at once.
    pub(crate) fn sums(&self, places: &[u64], sums: &mut Vec<u64>) {
        let chunk_of = |place: &u64| Place::unpack(*place).chunk();
        let (mut first, mut others): (Vec<&Chunk>, Vec<&Chunk>) = (Vec::new(), Vec::new());
        for run in places.chunk_by(|one, next| chunk_of(one) == chunk_of(next)) {
            let (here, before) = (run.first().map_or(0, chunk_of), sums.len());
            loop {
                first.clear();
                others.clear();
                for chunk in self.directories.iter().filter_map(|directory| directory.get(here)?.get()) {
                    if words::are_first(&chunk.again) { first.push(chunk) } else { others.push(chunk) }
                }
                sums.extend(run.iter().map(|place| sum(Place::unpack(*place), &first, &others)));
                if first.iter().all(|chunk| words::were_first(&chunk.again)) {
                    break;
                }
                // That comes once in the life of a chunk.
                sums.truncate(before);
            }
        }
    }

    /// The sums of the words of `place`, each by itself.
    #[inline]
    pub(crate) fn totals<const N: usize>(&self, place: Place) -> [u64; N] {
        let mut totals = [0_u64; N];
        self.each(place, &mut [0; N], |words| {
            totals.iter_mut().zip(words).for_each(|(total, word)| *total = total.wrapping_add(*word));
        });
        totals
    }
}

/// The sum of a place of one word in its chunk of each lane: those where all words are of the first generation, and the others.
#[inline]
fn sum(place: Place, first: &[&Chunk], others: &[&Chunk]) -> u64 {
    let (at, generation) = (place.offset(), place.generation);
    let found = others.iter().filter_map(|chunk| words::read_one(&chunk.tags[at], &chunk.words[at], generation));
    let sum = found.fold(0_u64, u64::wrapping_add);
    if generation != words::FIRST {
        return sum;
    }
    first.iter().fold(sum, |sum, chunk| sum.wrapping_add(chunk.words[at].load(Relaxed)))
}

/// Which words are handed out.
struct Places {
    /// The first word that never was.
    next: u32,
    /// Those that were given back, by how many words they have.
    free: BTreeMap<usize, Vec<Place>>,
}

static PLACES: Mutex<Places> = Mutex::new(Places { next: 0, free: BTreeMap::new() });

/// A place of `width` words. `None` if there are none left, or none so wide.
pub(crate) fn take(width: usize) -> Option<Place> {
    let mut places = lock(&PLACES);
    if let Some(place) = places.free.get_mut(&width).and_then(Vec::pop) {
        let generation = place.generation.checked_add(1).unwrap_or(words::FIRST);
        return Some(Place { at: place.at, generation });
    }
    if width > WORDS {
        return None;
    }
    let mut at = places.next as usize;
    if at % WORDS + width > WORDS {
        at = at.next_multiple_of(WORDS);
    }
    places.next = u32::try_from(at + width).ok()?;
    Some(Place { at: u32::try_from(at).ok()?, generation: words::FIRST })
}

/// Gives a place of `width` words back. Its numbers are gone.
pub(crate) fn give_back(place: Place, width: usize) {
    lock(&PLACES).free.entry(width).or_default().push(place);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(place: Place) -> u64 {
        let [total] = Reading::now().totals(place);
        total
    }

    #[test]
    fn no_count_is_lost_when_threads_come_and_go() {
        let place = take(1).expect("a place");
        for _ in 0..20 {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..1_000).for_each(|_| place.add(1, 0, 1)));
                }
            });
        }
        assert_eq!(total(place), 20 * 8 * 1_000);
    }

    #[test]
    fn threads_beyond_the_lanes_share_stripes_and_lose_nothing() {
        let place = take(1).expect("a place");
        let threads = *MOST + 24;
        let barrier = std::sync::Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    place.add(1, 0, 1);
                    barrier.wait();
                    (0..500).for_each(|_| place.add(1, 0, 1));
                });
            }
        });
        assert_eq!(total(place), threads as u64 * 501);
    }

    #[test]
    fn a_thread_that_goes_away_still_counts() {
        struct CountsLate(Place);
        impl Drop for CountsLate {
            fn drop(&mut self) {
                self.0.add(1, 0, 1);
            }
        }
        thread_local!(static LATE: Cell<Option<CountsLate>> = const { Cell::new(None) });
        let place = take(1).expect("a place");
        std::thread::spawn(move || {
            // Made before the lane is claimed, so dropped after it was given back.
            LATE.set(Some(CountsLate(place)));
            place.add(1, 0, 1);
        })
        .join()
        .expect("the thread ends");
        assert_eq!(total(place), 2);
    }

    #[test]
    fn what_is_written_to_a_place_that_was_given_back_is_never_read() {
        let old = take(3).expect("a place");
        old.add(3, 0, 5);
        give_back(old, 3);
        let new = take(3).expect("a place");
        assert_ne!(new, old);
        old.add(3, 0, 7);
        assert_eq!(Reading::now().totals::<3>(new), [0; 3]);
        new.add(3, 1, 2);
        old.add(3, 1, 9);
        assert_eq!(Reading::now().totals::<3>(new), [0, 2, 0]);
    }

    #[test]
    fn places_are_summed_for_themselves_also_where_words_were_begun_anew() {
        let [one, gone, two] = [1, 2, 3].map(|n| {
            let place = take(1).expect("a place");
            place.add(1, 0, n);
            place
        });
        give_back(gone, 1);
        let new = take(1).expect("a place");
        let sums = |places: [Place; 4]| {
            let mut sums = Vec::new();
            Reading::now().sums(&places.map(Place::pack), &mut sums);
            sums
        };
        assert_eq!(sums([one, gone, new, two]), [1, 2, 0, 3]);
        std::thread::scope(|scope| {
            scope.spawn(|| new.add(1, 0, 7));
        });
        new.add(1, 0, 1);
        let [of_one, _, of_new, of_two] = sums([one, gone, new, two])[..] else { panic!("one sum each") };
        assert_eq!([of_one, of_new, of_two], [1, 8, 3]);
    }

    #[test]
    fn places_do_not_overlap() {
        let mut places: Vec<_> = [200, 300, 1, 1, 512, 7].map(|width| (take(width).expect("a place"), width)).into();
        assert_eq!(take(WORDS + 1), None);
        places.sort_by_key(|(place, _)| place.at);
        for pair in places.windows(2) {
            assert!(pair[0].0.at as usize + pair[0].1 <= pair[1].0.at as usize, "{places:?}");
        }
    }
}
