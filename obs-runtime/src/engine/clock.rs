//! One reading serves a span, its log lines and its histogram: a monotonic moment, and the wall time that belongs to it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the first reading in this process, by the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
    anchor(0);
    Instant::now()
});
/// Wall time less monotonic time, in nanoseconds: taken anew every second, so that a corrected system clock is followed.
static OFFSET: AtomicI64 = AtomicI64::new(0);
static ANCHORED: AtomicU64 = AtomicU64::new(0);
const ANCHOR_EVERY: u64 = 1_000_000_000;

impl Moment {
    pub(crate) fn now() -> Self {
        let nanos = u64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if nanos.saturating_sub(ANCHORED.load(Relaxed)) >= ANCHOR_EVERY {
            anchor(nanos);
        }
        Moment(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn unix_nanos(self) -> u64 {
        u64::try_from(i128::from(self.0) + i128::from(OFFSET.load(Relaxed))).unwrap_or(0)
    }

    /// Nanoseconds from `earlier` until here; 0 when it is not earlier.
    pub(crate) fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cold]
fn anchor(nanos: u64) {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    OFFSET.store(i64::try_from(unix as i128 - i128::from(nanos)).unwrap_or(0), Relaxed);
    ANCHORED.store(nanos, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_agrees_with_the_system_clock() {
        let here = Moment::now().unix_nanos();
        let system = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
        assert!(system.abs_diff(here) < 1_000_000_000, "{here} against {system}");
    }

    #[test]
    fn a_later_moment_before_an_earlier_one_is_no_time_at_all() {
        assert_eq!(Moment(5).since(Moment(7)), 0);
    }
}
