//! `--cfg obs_off`: what `#[correlated]` calls, with nothing in it.

use std::future::Future;

use crate::propagation::Correlation;

pub use crate::propagation::{Carrier, CarrierMut, Trust};

/// Nothing.
pub struct Inbound(pub(crate) Option<Correlation>);

#[doc(hidden)]
#[inline(always)]
pub fn inbound<C: Carrier + ?Sized>(_: &C, _: Option<Trust>) -> Inbound {
    Inbound(None)
}

#[doc(hidden)]
#[inline(always)]
pub fn outbound<C: CarrierMut + ?Sized>(_: &mut C) {}

/// Nothing.
pub struct Inside(());

#[doc(hidden)]
#[inline(always)]
pub fn enter_inbound(_: Inbound) -> Inside {
    Inside(())
}

#[doc(hidden)]
#[inline(always)]
pub fn within<F: Future>(_: Inbound, future: F) -> F {
    future
}
