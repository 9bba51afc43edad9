use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::config::Trust;

static DEFAULT: AtomicU8 = AtomicU8::new(Trust::All as u8);

/// The policy where an annotation or a layer names none: the configuration's `trust`, or [`Trust::All`] before telemetry is started.
#[must_use]
pub fn default_trust() -> Trust {
    let number = DEFAULT.load(Relaxed);
    [Trust::All, Trust::Ids, Trust::None].into_iter().find(|trust| *trust as u8 == number).unwrap_or_default()
}

/// Called once, when telemetry starts.
pub(crate) fn set_default_trust(trust: Trust) {
    DEFAULT.store(trust as u8, Relaxed);
}
