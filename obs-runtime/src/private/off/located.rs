//! `--cfg obs_off`: bodies under `#[track_caller]` run as they are.

use super::call::Span;
use super::outcome::{Judge, Verdict};

/// Nothing.
pub struct Located(());

#[doc(hidden)]
#[inline(always)]
pub fn located(_: &mut Span) -> Located {
    Located(())
}

#[doc(hidden)]
#[inline(always)]
pub fn entered(_: &mut Span) -> Located {
    Located(())
}

#[doc(hidden)]
#[inline(always)]
pub fn done<R>(_: Located, _: &R, _: impl Judge<R>) {}

#[doc(hidden)]
#[inline(always)]
pub fn done_by<R>(_: Located, _: &R, _: impl Fn(&R) -> Verdict) {}
