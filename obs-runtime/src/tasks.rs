//! Tasks and threads that stay in the context of whoever starts them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::engine::context::Snapshot;

/// `tokio::spawn`, with the caller's span, correlation and capture: what the task emits hangs under the caller's span.
///
/// # Panics
/// Outside a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(InContext { future: Some(future), snapshot: Snapshot::take() })
}

/// `tokio::task::spawn_blocking`, with the caller's span, correlation and capture.
///
/// # Panics
/// Outside a tokio runtime, as `tokio::task::spawn_blocking` does.
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let snapshot = Snapshot::take();
    tokio::task::spawn_blocking(move || {
        let _restored = snapshot.restore();
        work()
    })
}

pin_project_lite::pin_project! {
    /// A future that is polled, and dropped, where its snapshot was taken.
    struct InContext<F> {
        #[pin]
        future: Option<F>,
        snapshot: Snapshot,
    }

    impl<F> PinnedDrop for InContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _restored = this.snapshot.restore();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _restored = this.snapshot.restore();
        let poll = match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        };
        if poll.is_ready() {
            // Its destructors belong to the same place.
            this.future.set(None);
        }
        poll
    }
}
