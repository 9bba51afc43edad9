//! `--cfg obs_off`: streams, as they are.

use futures_core::Stream;

use crate::__private::call::Span;
use crate::__private::outcome::Verdict;

#[doc(hidden)]
#[inline(always)]
pub fn observe_stream<S: Stream, J: Fn(&S::Item) -> Verdict>(_: Span, inner: S, _: J) -> S {
    inner
}
