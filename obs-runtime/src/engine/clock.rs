//! One reading serves a span, its log lines and its histogram: a monotonic moment, and the wall time that belongs to it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::config;

/// Nanoseconds since the first reading in this process, by the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// The processor's counter costs half of what the system's clock does.
struct Origin {
    counter: quanta::Clock,
    ticks: u64,
    instant: Instant,
}

static ORIGIN: LazyLock<Origin> = LazyLock::new(|| {
    let counter = quanta::Clock::new();
    let origin = Origin { ticks: counter.raw(), counter, instant: Instant::now() };
    DISTRUSTED.store(config::wants_system_clock(), Relaxed);
    OFFSET.store(wall_less(0), Relaxed);
    origin
});
/// Wall time less monotonic time, in nanoseconds: taken anew every second, so that a corrected system clock is followed.
static OFFSET: AtomicI64 = AtomicI64::new(0);
static ANCHORED: AtomicU64 = AtomicU64::new(0);
const ANCHOR_EVERY: u64 = 1_000_000_000;
/// The counter was found to run wrong (a suspended or migrated machine), or `OBS_CLOCK` is `std`: the system's clock serves
/// from here on.
static DISTRUSTED: AtomicBool = AtomicBool::new(false);
/// How far, in nanoseconds, the counter may be off: 500 millionths of the second between two looks, and a look's own length.
const TOLERATED: u64 = 500_000 + 5_000_000;

/// What the clocks are called.
pub(crate) const NAMES: [&str; 2] = ["counter", "system"];

/// The clock that is read: the processor's counter, unless it cannot be trusted or is not wanted.
pub(crate) fn name() -> &'static str {
    LazyLock::force(&ORIGIN);
    NAMES[usize::from(DISTRUSTED.load(Relaxed))]
}

impl Moment {
    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }

    /// So long after the first reading.
    pub(crate) const fn of_nanos(nanos: u64) -> Self {
        Moment(nanos)
    }

    #[inline]
    pub(crate) fn now() -> Self {
        let origin = &*ORIGIN;
        let nanos = if DISTRUSTED.load(Relaxed) {
            by_system(origin)
        } else {
            origin.counter.delta_as_nanos(origin.ticks, origin.counter.raw())
        };
        if nanos.saturating_sub(ANCHORED.load(Relaxed)) >= ANCHOR_EVERY {
            anchor(origin, nanos);
        }
        Moment(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[inline]
    pub(crate) fn unix_nanos(self) -> u64 {
        (self.0 as i64).saturating_add(OFFSET.load(Relaxed)).max(0) as u64
    }

    /// Nanoseconds from `earlier` until here; 0 when it is not earlier.
    #[inline]
    pub(crate) fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

fn by_system(origin: &Origin) -> u64 {
    u64::try_from(origin.instant.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn wall_less(nanos: u64) -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    i64::try_from(unix as i128 - i128::from(nanos)).unwrap_or(0)
}

#[cold]
fn anchor(origin: &Origin, nanos: u64) {
    /// By how much the counter was ahead of the system's clock at the last look.
    static AHEAD: AtomicI64 = AtomicI64::new(0);
    let since = nanos.saturating_sub(ANCHORED.swap(nanos, Relaxed));
    let ahead = nanos as i64 - by_system(origin) as i64;
    let drift = ahead.saturating_sub(AHEAD.swap(ahead, Relaxed)).unsigned_abs();
    if drift > TOLERATED.max(since / 2_000) {
        DISTRUSTED.store(true, Relaxed);
    }
    OFFSET.store(wall_less(nanos), Relaxed);
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
