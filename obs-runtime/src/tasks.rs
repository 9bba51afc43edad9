//! Tasks and threads that stay in the context of whoever starts them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::task::JoinHandle;

use crate::call_context::CallContext;

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
    tokio::spawn(CallContext::current().around(future))
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
    let context = CallContext::current();
    tokio::task::spawn_blocking(move || context.run(work))
}

impl CallContext {
    /// `inner`, a future or a stream, polled and dropped there.
    pub fn around<F>(self, inner: F) -> InContext<F> {
        InContext { inner: Some(inner), context: self }
    }
}

pin_project_lite::pin_project! {
    /// A future or a stream that is polled, and dropped, where somebody else was.
    pub struct InContext<F> {
        #[pin]
        inner: Option<F>,
        context: CallContext,
    }

    impl<F> PinnedDrop for InContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _restored = this.context.0.restore();
            this.inner.set(None);
        }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _restored = this.context.0.restore();
        let poll = match this.inner.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        };
        if poll.is_ready() {
            // Its destructors belong to the same place.
            this.inner.set(None);
        }
        poll
    }
}

impl<S: Stream> Stream for InContext<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let _restored = this.context.0.restore();
        let poll = match this.inner.as_mut().as_pin_mut() {
            Some(stream) => stream.poll_next(cx),
            None => Poll::Ready(None),
        };
        if let Poll::Ready(None) = poll {
            this.inner.set(None);
        }
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}
