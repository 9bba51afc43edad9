//! An observed stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::call::{Span, Turn};
use super::outcome::Verdict;
use crate::outcome::Ended;

pin_project_lite::pin_project! {
    /// An observed stream: it ends as its last item says.
    // The fields drop in this order: `inner` inside the span that `PinnedDrop` enters, then `span` leaves it and ends it.
    pub struct ObservedStream<S, J> {
        #[pin]
        inner: S,
        judge: J,
        span: Span,
        last: Verdict,
    }

    impl<S, J> PinnedDrop for ObservedStream<S, J> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.last.outcome != Ended::Ok && this.span.is_on() {
                // Whoever reads an error seldom reads on: the stream was not cancelled, it has failed.
                this.span.enter();
                this.span.end(std::mem::replace(this.last, Verdict::OK));
            }
            this.span.drop_begins();
        }
    }
}

/// Observes a stream in a span that is open already.
pub fn observe_stream<S: Stream, J: Fn(&S::Item) -> Verdict>(span: Span, inner: S, judge: J) -> ObservedStream<S, J> {
    ObservedStream { inner, judge, span, last: Verdict::OK }
}

impl<S: Stream, J: Fn(&S::Item) -> Verdict> Stream for ObservedStream<S, J> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Turn(span) = &mut Turn::begin(this.span);
        let poll = this.inner.poll_next(cx);
        if span.is_on() {
            match &poll {
                Poll::Ready(Some(item)) => {
                    *this.last = (this.judge)(item);
                    span.pause();
                }
                Poll::Ready(None) => span.end(std::mem::replace(this.last, Verdict::OK)),
                Poll::Pending => span.pause(),
            }
        }
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
