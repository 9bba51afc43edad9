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
    /// the signal would have ended it. A second signal does not wait for that. On Unix only.
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
            let mut is_ending = false;
            for signal in &mut signals {
                // Ends the process, so that whoever started it sees the signal that it sent.
                let end = move || drop(low_level::emulate_default_handler(signal));
                if std::mem::replace(&mut is_ending, true) {
                    end();
                }
                let runtime = runtime.clone();
                let shut_down = move || {
                    if let Some(runtime) = runtime.upgrade() {
                        runtime.shutdown(Instant::now() + DEADLINE);
                    }
                    end();
                };
                // By a thread of its own, as a second signal ends the process at once; by this one where there is none.
                if thread::Builder::new().name("obs-ending".to_owned()).spawn(shut_down.clone()).is_err() {
                    shut_down();
                }
            }
        })?;
        Ok(())
    }
}
