//! Where a caller is, as a value: for threads, channels and whatever else runs work somewhere else.

use std::thread::{self, JoinHandle};

use crate::engine::context::Snapshot;

/// Where the caller is: its span, its correlation and its capture. It may be sent to other threads and kept as long as one likes.
///
/// What goes through a channel takes it along:
///
/// ```
/// use std::sync::mpsc;
///
/// use obs_runtime::{CallContext, info, observed};
///
/// #[observed(user_id)]
/// fn submit(user_id: &str, jobs: &mpsc::Sender<(CallContext, String)>) {
///     let _ = jobs.send((CallContext::current(), "a job".to_owned()));
/// }
///
/// let (sender, jobs) = mpsc::channel();
/// submit("u1", &sender);
/// # drop(sender);
/// for (context, job) in jobs {
///     // On another thread, most likely: the line bears the `user_id` of whoever has submitted it.
///     context.run(|| info!(job, "Working"));
/// }
/// ```
#[derive(Clone)]
pub struct CallContext(pub(crate) Snapshot);

impl CallContext {
    /// Where the caller is now.
    #[must_use]
    pub fn current() -> Self {
        CallContext(Snapshot::take())
    }

    /// Runs `work` there.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _restored = self.0.restore();
        work()
    }
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").finish_non_exhaustive()
    }
}

/// `std::thread::spawn`, with the caller's span, correlation and capture.
///
/// # Panics
/// When the system gives no thread, as `std::thread::spawn` does.
pub fn spawn_thread<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let context = CallContext::current();
    thread::spawn(move || context.run(work))
}
