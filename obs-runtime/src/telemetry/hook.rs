//! The panic hook: a panic is an error line in the span that it happens in, and is written before the process may end.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::sync::Weak;
use std::time::{Duration, Instant};

use crate::telemetry::Inner;

/// How long a panic may be held up by its log line.
const DEADLINE: Duration = Duration::from_millis(500);

/// Puts the hook before the one that is there, for as long as the runtime lives.
pub(super) fn install(runtime: Weak<Inner>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(runtime) = runtime.upgrade() {
            let message = info.payload_as_str().unwrap_or("a value that is no text");
            let location = info.location().map(ToString::to_string);
            let backtrace = Backtrace::capture();
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
            tracing::error!(
                target: "panic",
                error = message,
                "panic.location" = location.as_deref(),
                "panic.backtrace" = backtrace.map(tracing::field::display),
                "panicked"
            );
            runtime.writer.flush(Instant::now() + DEADLINE);
        }
        before(info);
    }));
}
