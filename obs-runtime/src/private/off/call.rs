//! `--cfg obs_off`: what expansions call, with nothing in it. The names are those of `call.rs`; bodies run as they are.

use std::future::Future;

use tracing::Level;

use crate::__private::fields::{Given, Visit};
use crate::__private::outcome::{Judge, Verdict};
use crate::__private::place::Placed;
use crate::engine::SpanKind;

/// Nothing.
pub struct Callsite(());

/// Nothing.
pub struct Site(());

impl Callsite {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(_: Site) -> Self {
        Callsite(())
    }
}

impl Site {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(_: &'static str, _: &'static str, _: &'static str, _: u32, _: &'static [&'static str]) -> Self {
        Site(())
    }
}

macro_rules! says_nothing {
    ($($method:ident($($ty:ty)?),)*) => {
        impl Site {
            $(
                #[doc(hidden)]
                #[must_use]
                pub const fn $method(self $(, _: $ty)?) -> Self {
                    self
                }
            )*
        }
    };
}

says_nothing! {
    level(Level),
    target(&'static str),
    kind(SpanKind),
    no_metrics(),
    err(Level),
    err_off(),
    ret(Level),
    slow(u64),
    audit(),
}

/// Nothing.
pub struct Span(());

#[doc(hidden)]
#[inline(always)]
pub fn open(_: &'static Callsite, _: impl FnOnce(&mut Visit<'_>)) -> Span {
    Span(())
}

#[doc(hidden)]
#[inline(always)]
pub fn open_given(_: &'static Callsite, _: &[Given<'_>]) -> Span {
    Span(())
}

#[doc(hidden)]
#[inline(always)]
pub fn open_within<P: Into<Placed>>(
    _: &'static Callsite,
    _: impl FnOnce() -> P,
    _: impl FnOnce(&mut Visit<'_>),
) -> Span {
    Span(())
}

#[doc(hidden)]
#[inline(always)]
pub fn begin(_: &'static Callsite, _: impl FnOnce(&mut Visit<'_>)) {}

#[doc(hidden)]
#[inline(always)]
pub fn begin_given(_: &'static Callsite, _: &[Given<'_>]) {}

#[doc(hidden)]
#[inline(always)]
pub fn begin_within<P: Into<Placed>>(_: &'static Callsite, _: impl FnOnce() -> P, _: impl FnOnce(&mut Visit<'_>)) {}

#[doc(hidden)]
#[inline(always)]
pub fn record(_: &'static Callsite, _: impl FnOnce(&mut Visit<'_>)) {}

#[doc(hidden)]
#[inline(always)]
pub fn sync<R>(_: Span, body: impl FnOnce() -> R, _: impl Judge<R>) -> R {
    body()
}

#[doc(hidden)]
#[inline(always)]
pub fn sync_by<R>(_: Span, body: impl FnOnce() -> R, _: impl Fn(&R) -> Verdict) -> R {
    body()
}

#[doc(hidden)]
#[inline(always)]
pub fn prelude<R>(_: &mut Span, body: impl FnOnce() -> R) -> R {
    body()
}

#[doc(hidden)]
#[inline(always)]
pub fn observe<F: Future, J: Judge<F::Output>>(_: Span, inner: F, _: J) -> F {
    inner
}

#[doc(hidden)]
#[inline(always)]
pub fn observe_by<F: Future, J: Fn(&F::Output) -> Verdict>(_: Span, inner: F, _: J) -> F {
    inner
}

#[doc(hidden)]
#[inline(always)]
pub fn lazy<F: Future, J: Judge<F::Output>>(_: &'static Callsite, inner: F, _: J) -> F {
    inner
}

#[doc(hidden)]
#[inline(always)]
pub fn lazy_by<F: Future, J: Fn(&F::Output) -> Verdict>(_: &'static Callsite, inner: F, _: J) -> F {
    inner
}

#[doc(hidden)]
#[cold]
pub fn told<R>() -> R {
    unreachable!("only its type is asked for")
}

/// What was boxed before it was not observed.
#[doc(hidden)]
#[inline(always)]
pub fn boxed<F>(inner: F) -> F {
    inner
}
