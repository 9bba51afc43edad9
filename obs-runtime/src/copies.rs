//! Whether this crate is in the process twice, as two versions that the program and a library depend on: what is annotated by
//! way of the one has its metrics where the other does not look.
//!
//! The copies know nothing of each other, but all of them stand on one `tracing`. So each registers a callsite that says who it
//! is, and `tracing` shows every subscriber all callsites, past and future.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use tracing::callsite::{self, Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};

/// What a copy shows of itself: an event that never happens. It has a size, so that no other static has its address.
struct Sign(#[expect(dead_code, reason = "only its address counts")] u8);

static SIGN: Sign = Sign(0);
static META: Metadata<'static> = Metadata::new(
    env!("CARGO_PKG_VERSION"),
    TARGET,
    Level::TRACE,
    None,
    None,
    None,
    FieldSet::new(&["message"], Identifier(&SIGN)),
    Kind::EVENT,
);

/// The same in all versions.
const TARGET: &str = "obs_runtime::copy";

impl Callsite for Sign {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &META
    }
}

/// The versions of the other copies that nobody has been told of yet.
static UNTOLD: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
/// This copy is at work.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Makes this copy known.
pub(crate) fn announce() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| callsite::register(&SIGN));
}

/// Whether a callsite is the sign of a copy.
pub(crate) fn is_one(meta: &Metadata<'_>) -> bool {
    meta.target() == TARGET
}

/// Takes note of a copy, where the engine of the process has met it.
pub(crate) fn met(meta: &'static Metadata<'static>, by_process: bool) {
    static KNOWN: Mutex<Vec<Identifier>> = Mutex::new(Vec::new());
    if !by_process || meta.callsite() == META.callsite() {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(&meta.callsite()) {
        return;
    }
    known.push(meta.callsite());
    UNTOLD.lock().unwrap_or_else(PoisonError::into_inner).push(meta.name());
    if STARTED.load(Relaxed) {
        // `tracing` holds its list of callsites just now: nothing can be told from in here.
        drop(thread::Builder::new().name("obs-copies".to_owned()).spawn(tell));
    }
}

/// Tells, in one line each, of the copies met so far; of later ones when they are met.
pub(crate) fn tell() {
    STARTED.store(true, Relaxed);
    let untold = std::mem::take(&mut *UNTOLD.lock().unwrap_or_else(PoisonError::into_inner));
    for other in untold {
        tracing::warn!(
            target: "obs_runtime",
            version = env!("CARGO_PKG_VERSION"),
            other,
            "Two versions of obs-runtime are in this process: what is annotated by way of the other has spans and lines here, \
             but its metrics are served nowhere. Let all crates depend on one version"
        );
    }
}
