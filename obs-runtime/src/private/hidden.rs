//! Futures and streams that a signature hides: `#[observed(future)]` and `#[observed(stream)]`.

use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use super::call::{Span, boxed, observe_by};
use super::chain::chain;
use super::outcome::Verdict;
use super::streams::observe_stream;

chain! {
    /// A type of which an observed one may be.
    H0(H1);
    ;
    /// Any other: refused.
    H1
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
            boxed!(@ $method $kind $again $trait $given $observe Send + Sync + 'a);

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

            impl<T: ?Sized> H1<&T> {
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
        impl<'a, O> H0<&Pin<Box<dyn $trait<$given = O> + $($bound)*>>> {
            #[doc(hidden)]
            pub fn $method(&self) -> $kind {
                $kind
            }
        }

        impl<'a, O: 'a> $again for Pin<Box<dyn $trait<$given = O> + $($bound)*>> {
            type Given = O;

            fn __obs_again(self, span: Span, judge: fn(&O) -> Verdict) -> Self {
                boxed($observe(span, self, judge))
            }
        }
    };
}

boxed! {
    __obs_future Futures NoFuture: FutureAgain Future Output observe_by;
    __obs_stream Streams NoStream: StreamAgain Stream Item observe_stream;
}
