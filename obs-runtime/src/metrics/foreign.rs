//! What collectors of the `prometheus` crate have, in the text of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use prometheus::{Registry, TextEncoder};

use crate::loss::{Reason, Signal, lost};

/// The registries that joined besides the default one.
static JOINED: Mutex<Vec<Registry>> = Mutex::new(Vec::new());

/// Takes what is in `registry` into the text of the process.
pub(crate) fn join(registry: Registry) {
    JOINED.lock().unwrap_or_else(PoisonError::into_inner).push(registry);
}

/// Adds what foreign collectors have. A family whose name is taken is left out and counted: written twice, it would cost
/// the whole scrape.
pub(crate) fn encode(text: &mut String, taken: impl Fn(&str) -> bool) {
    let joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut written: Vec<String> = Vec::new();
    for registry in [prometheus::default_registry()].into_iter().chain(&joined) {
        // A collector is anybody's code.
        let Ok(mut families) = catch_unwind(AssertUnwindSafe(|| registry.gather())) else {
            lost(Signal::Metrics, Reason::Malformed, 1);
            continue;
        };
        families.retain(|family| {
            let free = !taken(family.name()) && !written.iter().any(|name| name == family.name());
            if free {
                written.push(family.name().to_owned());
            } else {
                lost(Signal::Metrics, Reason::Malformed, 1);
            }
            free
        });
        if TextEncoder::new().encode_utf8(&families, text).is_err() {
            lost(Signal::Metrics, Reason::Malformed, 1);
        }
    }
}
