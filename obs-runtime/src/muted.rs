//! The threads that carry telemetry away: what happens on them goes nowhere, or every line would make another.

use std::cell::Cell;

thread_local! { static MUTED: Cell<bool> = const { Cell::new(false) }; }

/// Nothing that happens on this thread from here on enters a pipeline.
///
/// A dispatcher of the thread's own would do the same, and take from the whole process the short way by which `tracing` finds
/// its only dispatcher.
pub(crate) fn mute() {
    MUTED.set(true);
}

/// Whether this is such a thread.
#[inline]
pub(crate) fn is_muted() -> bool {
    MUTED.get()
}
