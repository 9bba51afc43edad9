//! What the process still has to say when it is told to end.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::telemetry::Telemetry;

/// How long a signal may be held up.
const DEADLINE: Duration = Duration::from_secs(5);

impl Telemetry {
    /// At `SIGTERM`, `SIGINT`, `SIGHUP` or `SIGQUIT` the runtime is shut down within five seconds; then the process ends as
    /// the signal would have ended it. On Unix only.
    ///
    /// It is for services that do not handle these signals themselves. One that does, to finish its requests first, calls
    /// [`shutdown`](Self::shutdown) at its end instead.
    ///
    /// # Errors
    /// When the system takes no handler, or gives no thread.
    pub fn shutdown_on_signal(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT])?;
        let runtime = Arc::downgrade(&self.inner);
        thread::Builder::new().name("obs-signal".to_owned()).spawn(move || {
            for signal in &mut signals {
                if let Some(runtime) = runtime.upgrade() {
                    runtime.shutdown(Instant::now() + DEADLINE);
                }
                // Ends the process, so that whoever started it sees the signal that it sent.
                let _ = low_level::emulate_default_handler(signal);
            }
        })?;
        Ok(())
    }
}
