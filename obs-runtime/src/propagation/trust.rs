use std::sync::OnceLock;
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

static BAGGAGE_FIELDS: OnceLock<Vec<&'static str>> = OnceLock::new();

/// The keys of a caller's baggage that are fields of the spans and lines below: the configuration's `baggage_fields`.
pub(crate) fn baggage_fields() -> &'static [&'static str] {
    BAGGAGE_FIELDS.get().map_or(&[], Vec::as_slice)
}

/// Called once, when telemetry starts: the names live as long as the process, as those of all fields do.
pub(crate) fn set_baggage_fields(keys: &[String]) {
    BAGGAGE_FIELDS.get_or_init(|| keys.iter().map(|key| &*key.clone().leak()).collect());
}
