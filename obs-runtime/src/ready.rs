//! Whether the service may get work: what `/readyz` answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

type Check = (String, Arc<dyn Fn() -> bool + Send + Sync>);

/// Ready once it serves and until it stops, while every check says yes.
#[derive(Default)]
pub(crate) struct Readiness {
    serving: AtomicBool,
    checks: Mutex<Vec<Check>>,
}

impl Readiness {
    pub(crate) fn add(&self, name: String, check: impl Fn() -> bool + Send + Sync + 'static) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, Arc::new(check)));
    }

    #[cfg_attr(not(feature = "serve"), allow(dead_code))]
    pub(crate) fn serve(&self) {
        self.serving.store(true, Relaxed);
    }

    pub(crate) fn stop(&self) {
        self.serving.store(false, Relaxed);
    }

    /// The names of what is not ready; nothing when all is.
    #[cfg_attr(not(feature = "serve"), allow(dead_code))]
    pub(crate) fn missing(&self) -> Vec<String> {
        // A check is the user's code: it runs without the lock, and one that panics says no.
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let serving = (!self.serving.load(Relaxed)).then(|| "serving".to_owned());
        let failing = checks
            .into_iter()
            .filter(|(_, check)| !catch_unwind(AssertUnwindSafe(|| check())).unwrap_or(false))
            .map(|(name, _)| name);
        serving.into_iter().chain(failing).collect()
    }
}
