//! What `#[correlated]` calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::engine::context::{self, Entered};
use crate::propagation::{self, Correlation};

pub use crate::propagation::{Carrier, CarrierMut, Trust};

/// A caller's context; nothing where what is around the call is that context already.
pub struct Inbound(pub(crate) Option<Correlation>);

/// What `carrier` brings, as far as it is trusted (by the configuration, if nothing is said here).
pub fn inbound<C: Carrier + ?Sized>(carrier: &C, trust: Option<Trust>) -> Inbound {
    let arrived = propagation::extract(carrier).trusted(trust.unwrap_or_else(propagation::default_trust));
    // A middleware has written its span into the headers of the request: under that span the call is its child, with all that it
    // inherits, and not the child of somebody far away.
    let around = arrived.trace.as_ref().is_some_and(|trace| {
        let current = Correlation::current().trace;
        current.is_some_and(|current| current.span_id == trace.span_id && current.trace_id == trace.trace_id)
    });
    Inbound((!around).then(|| arrived.with_request_id()))
}

/// Writes the current context into `carrier`.
pub fn outbound<C: CarrierMut + ?Sized>(carrier: &mut C) {
    propagation::inject(&Correlation::current(), carrier);
}

/// Puts this thread into `inbound` until the guard is dropped.
pub fn enter_inbound(inbound: Inbound) -> Inside {
    Inside { _entered: inbound.0.map(|correlation| context::enter(Arc::new(correlation))) }
}

/// Leaves the context when dropped.
#[must_use]
pub struct Inside {
    _entered: Option<Entered>,
}

/// Polls and drops `future` inside of `inbound`.
pub fn within<F: Future>(inbound: Inbound, future: F) -> Within<F> {
    Within { future, entered: None, correlation: inbound.0.map(Arc::new) }
}

pin_project_lite::pin_project! {
    /// A future inside of a caller's context.
    // The fields drop in this order: the future inside the context that `PinnedDrop` enters, then that is left.
    pub struct Within<F> {
        #[pin]
        future: F,
        entered: Option<Entered>,
        correlation: Option<Arc<Correlation>>,
    }

    impl<F> PinnedDrop for Within<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            *this.entered = this.correlation.take().map(context::enter);
        }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.correlation.clone().map(context::enter);
        this.future.poll(cx)
    }
}
