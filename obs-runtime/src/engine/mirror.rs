//! `opentelemetry::Context::current()` as our span, for code that speaks the API of OpenTelemetry.

use std::cell::RefCell;

use opentelemetry::{Context, ContextGuard};

use crate::engine::slots;
use crate::propagation::opentelemetry::onto_local;

thread_local! {
    /// The contexts of the spans that this thread is in, by their slots.
    static ATTACHED: RefCell<Vec<(u64, ContextGuard)>> = const { RefCell::new(Vec::new()) };
}

/// This thread is in the span of this slot.
pub(super) fn entered(id: u64) {
    let Some(Some(correlation)) = slots::with(id, |record| record.correlation()) else { return };
    let guard = onto_local(&Context::current(), &correlation).attach();
    let mut guard = Some(guard);
    // A thread that is ending, or a context that opens spans when it is dropped: then the guard goes, and nothing is attached.
    let _ = ATTACHED.try_with(|attached| {
        if let Ok(mut attached) = attached.try_borrow_mut() {
            attached.extend(guard.take().map(|guard| (id, guard)));
        }
    });
}

/// This thread has left it.
pub(super) fn exited(id: u64) {
    let guard = ATTACHED.try_with(|attached| {
        let mut attached = attached.try_borrow_mut().ok()?;
        let at = attached.iter().rposition(|(own, _)| *own == id)?;
        Some(attached.remove(at))
    });
    // What a context holds may be the user's code: it is dropped with nothing borrowed.
    drop(guard);
}
