//! How many lines one callsite may write a second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracing::{Level, Metadata};

use crate::engine::clock::Moment;
use crate::loss::{Reason, Signal, lost};
use crate::metrics::hash::hash;
use crate::metrics::own;
use crate::names;

/// The bound, and what each callsite has written of it. It is asked before the fields of an event are looked at, takes no
/// lock, and allocates nothing but its table, once.
pub(crate) struct Limit {
    lines_a_second: u64,
    sites: Box<[Site]>,
}

/// Callsites that are counted; those beyond write as much as they like.
const SITES: usize = 4096;

/// How far from its own place a callsite is looked for.
const PROBES: usize = 16;

#[derive(Default)]
struct Site {
    /// Which callsite it is; 0 for none yet.
    key: AtomicU64,
    /// The second (32 bits) and how many lines were written in it.
    written: AtomicU64,
    /// Lines held back since the last one that was written.
    held_back: AtomicU64,
}

impl Limit {
    /// Nothing where there is no bound: 0 lines a second.
    pub(crate) fn new(lines_a_second: u32) -> Option<Self> {
        (lines_a_second > 0).then(|| Limit {
            lines_a_second: lines_a_second.into(),
            sites: (0..SITES).map(|_| Site::default()).collect(),
        })
    }

    /// Whether an event of `tracing` may be written now; if so, how many lines of its callsite were held back before it.
    pub(crate) fn admits(&self, meta: &'static Metadata<'static>) -> Option<u64> {
        self.admits_at(std::ptr::from_ref(meta).addr() as u64, *meta.level(), meta.target(), Moment::now())
    }

    /// The same for a record of `log`, which has no callsite: it is known by its place.
    pub(crate) fn admits_record(&self, record: &::log::Record<'_>, level: Level) -> Option<u64> {
        let line = u64::from(record.line().unwrap_or(0)) << 40;
        // Odd, as no address of a callsite is.
        let key = (hash([record.target(), record.file().unwrap_or("")]) ^ line) | 1;
        self.admits_at(key, level, record.target(), Moment::now())
    }

    fn admits_at(&self, key: u64, level: Level, target: &str, now: Moment) -> Option<u64> {
        // The auditors hear everything.
        if target == names::AUDIT {
            return Some(0);
        }
        let Some(site) = self.site(key) else { return Some(0) };
        let second = now.since(Moment::default()) / 1_000_000_000;
        let admitted = site.written.fetch_update(Relaxed, Relaxed, |written| match written >> 32 {
            before if before < second => Some((second << 32) | 1),
            _ => (written & u64::from(u32::MAX) < self.lines_a_second).then_some(written + 1),
        });
        match admitted {
            Ok(_) if site.held_back.load(Relaxed) == 0 => Some(0),
            Ok(_) => Some(site.held_back.swap(0, Relaxed)),
            Err(_) => {
                site.held_back.fetch_add(1, Relaxed);
                own::line(level);
                lost(Signal::Logs, Reason::RateLimited, 1);
                None
            }
        }
    }

    /// The place of a callsite; nothing when the table has none for it.
    fn site(&self, key: u64) -> Option<&Site> {
        // The upper bits of a product depend on all bits of the key.
        let first = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        (first..first + PROBES).find_map(|at| {
            let site = &self.sites[at % SITES];
            let is_it = match site.key.load(Relaxed) {
                0 => site.key.compare_exchange(0, key, Relaxed, Relaxed).map_or_else(|other| other == key, |_| true),
                own => own == key,
            };
            is_it.then_some(site)
        })
    }

    /// How many lines are held back that no later line has told of; they are told of now.
    pub(crate) fn take_untold(&self) -> u64 {
        self.sites.iter().map(|site| site.held_back.swap(0, Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(limit: &Limit, key: u64, millis: u64) -> Option<u64> {
        limit.admits_at(key, Level::INFO, "tests", Moment::of_nanos(millis * 1_000_000))
    }

    #[test]
    fn the_first_lines_of_each_second_pass_and_the_next_one_that_does_tells_of_the_others() {
        let limit = Limit::new(2).expect("a bound");
        let passed: Vec<_> = [0, 1, 2, 999, 1_000, 1_001, 1_002, 5_000].map(|millis| at(&limit, 7, millis)).into();
        assert_eq!(passed, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    }

    #[test]
    fn callsites_do_not_share_their_bound() {
        let limit = Limit::new(1).expect("a bound");
        for key in 1..1_000 {
            assert_eq!(at(&limit, key * 64, 0), Some(0), "{key}");
            assert_eq!(at(&limit, key * 64, 0), None, "{key}");
        }
        assert_eq!(limit.take_untold(), 999);
    }

    #[test]
    fn callsites_beyond_the_table_are_not_held_back() {
        let limit = Limit::new(1).expect("a bound");
        let admitted = (1..=3 * SITES as u64).filter(|key| at(&limit, *key, 0) == Some(0)).count();
        assert_eq!(admitted, 3 * SITES);
    }

    #[test]
    fn auditors_hear_everything() {
        let limit = Limit::new(1).expect("a bound");
        let now = Moment::of_nanos(1);
        assert!((0..9).all(|_| limit.admits_at(7, Level::INFO, names::AUDIT, now) == Some(0)));
    }

    #[test]
    fn threads_share_one_bound_and_nothing_is_counted_twice() {
        let limit = Limit::new(100).expect("a bound");
        let (passed, held_back) = std::thread::scope(|scope| {
            let count = || (0..1_000).filter(|_| at(&limit, 7, 0).is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            let passed: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            (passed, limit.take_untold())
        });
        assert_eq!((passed, held_back), (100, 3_900));
    }
}
