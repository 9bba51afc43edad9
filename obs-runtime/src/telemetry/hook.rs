//! The panic hook: a panic is an error line in the span that it happens in, and is written before the process may end.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::sync::Weak;
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::field::Value;

use crate::engine::made::{Located, Named};
use crate::names;
use crate::telemetry::Inner;

/// How long a panic may be held up by its log line.
const DEADLINE: Duration = Duration::from_millis(500);

/// The line of a panic. It stands where the panic began.
static PANICKED: Located = Located::new(Named {
    name: "panic",
    target: "panic",
    level: Level::ERROR,
    fields: &["message", names::ERROR, "panic.location", "panic.backtrace"],
});

/// Puts the hook before the one that is there, for as long as the runtime lives.
pub(super) fn install(runtime: Weak<Inner>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(runtime) = runtime.upgrade() {
            let message = info.payload_as_str().unwrap_or("a value that is no text");
            let location = info.location().map(ToString::to_string);
            let backtrace = Backtrace::capture();
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
            let backtrace = backtrace.map(tracing::field::display);
            let values: [Option<&dyn Value>; 4] = [
                Some(&"panicked"),
                Some(&message),
                location.as_ref().map(|location| location as &dyn Value),
                backtrace.as_ref().map(|backtrace| backtrace as &dyn Value),
            ];
            PANICKED.tell(info.location(), &values);
            runtime.writer.flush(Instant::now() + DEADLINE);
        }
        before(info);
    }));
}
