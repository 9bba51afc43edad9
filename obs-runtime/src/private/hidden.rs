//! Futures and streams that a signature hides: `#[observed(future)]` and `#[observed(stream)]`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::call::{Span, Turn, observe};
use super::chain::chain;
use super::outcome::Verdict;
use crate::outcome::Ended;

chain! {
    /// A type of which an observed one may be.
    H0(H1);
    ;
    /// Any other: refused.
    H1
}

impl<'a, T: ?Sized> H0<'a, T> {
    /// The chain for this value.
    #[inline]
    pub fn of(_: &'a T) -> Self {
        Self::START
    }
}

/// A future that may be put into another of its type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no future that another can be put into",
    label = "return `impl Future<Output = …>` or a boxed future, or take `future` away"
)]
pub trait FutureAgain: Sized {
    #[doc(hidden)]
    type Given;
    #[doc(hidden)]
    fn __obs_again(self, span: Span, judge: fn(&Self::Given) -> Verdict) -> Self;
}

/// A stream that may be put into another of its type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that another can be put into",
    label = "return `impl Stream<Item = …>` or a boxed stream, or take `stream` away"
)]
pub trait StreamAgain: Sized {
    #[doc(hidden)]
    type Given;
    #[doc(hidden)]
    fn __obs_again(self, span: Span, judge: fn(&Self::Given) -> Verdict) -> Self;
}

macro_rules! boxed {
    ($($method:ident $kind:ident $refused:ident: $again:ident $trait:ident $given:ident $observe:ident;)*) => {
        $(
            boxed!(@ $method $kind $again $trait $given $observe 'a);
            boxed!(@ $method $kind $again $trait $given $observe Send + 'a);

            /// It is observed.
            pub struct $kind;

            impl $kind {
                #[doc(hidden)]
                pub fn __obs_again<R: $again>(self, span: Span, inner: R, judge: fn(&R::Given) -> Verdict) -> R {
                    inner.__obs_again(span, judge)
                }
            }

            /// It is refused, and gives nothing to judge: so it is refused once.
            pub struct $refused;

            impl<T: ?Sized> H1<'_, T> {
                #[doc(hidden)]
                pub fn $method(&self) -> $refused {
                    $refused
                }
            }

            impl $refused {
                #[doc(hidden)]
                pub fn __obs_again<R: $again>(self, _: Span, inner: R, _: fn(&()) -> Verdict) -> R {
                    inner
                }
            }
        )*
    };
    (@ $method:ident $kind:ident $again:ident $trait:ident $given:ident $observe:ident $($bound:tt)*) => {
        impl<'a, O> H0<'_, Pin<Box<dyn $trait<$given = O> + $($bound)*>>> {
            #[doc(hidden)]
            pub fn $method(&self) -> $kind {
                $kind
            }
        }

        impl<'a, O: 'a> $again for Pin<Box<dyn $trait<$given = O> + $($bound)*>> {
            type Given = O;

            fn __obs_again(self, span: Span, judge: fn(&O) -> Verdict) -> Self {
                Box::pin($observe(span, self, judge))
            }
        }
    };
}

boxed! {
    __obs_future Futures NoFuture: FutureAgain Future Output observe;
    __obs_stream Streams NoStream: StreamAgain Stream Item observe_stream;
}

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
            if this.last.outcome != Ended::Ok && !this.span.is_off() {
                // Whoever reads an error seldom reads on: the stream was not cancelled, it has failed.
                Turn::begin(this.span).end(std::mem::replace(this.last, Verdict::OK));
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
        if this.span.is_off() {
            return this.inner.poll_next(cx);
        }
        let turn = Turn::begin(this.span);
        let poll = this.inner.poll_next(cx);
        match &poll {
            Poll::Ready(Some(item)) => {
                *this.last = (this.judge)(item);
                turn.pause();
            }
            Poll::Ready(None) => turn.end(std::mem::replace(this.last, Verdict::OK)),
            Poll::Pending => turn.pause(),
        }
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
