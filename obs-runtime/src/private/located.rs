//! Bodies under `#[track_caller]`, which stay out of closures so that they know their caller's place.

use std::thread;

use super::call::{Span, Turn};
use super::outcome::{By, Judge, Verdict};

/// While it lives, the call is on this thread's stack. It ends the span when the function is left.
pub struct Located<'a> {
    turn: Turn<'a>,
    /// Of what ends without [`done`]: whether the thread unwound already when it began, as in a destructor.
    unwound: Option<bool>,
}

/// For a body that stands behind this in the same function, whose value cannot be a failure.
#[inline]
pub fn located(span: &mut Span) -> Located<'_> {
    let mut located = entered(span);
    located.unwound = Some(thread::panicking());
    located
}

/// For a body in a function of its own, behind which stands [`done`].
#[inline]
pub fn entered(span: &mut Span) -> Located<'_> {
    Located { turn: Turn::begin(span), unwound: None }
}

/// The body has returned.
#[inline]
pub fn done<R>(mut located: Located<'_>, value: &R, judge: impl Judge<R>) {
    let Turn(span) = &mut located.turn;
    if span.is_on() {
        span.end(judge.__obs_verdict(value));
    }
}

/// The same with a closure that learns here what it judges.
#[inline]
pub fn done_by<R>(located: Located<'_>, value: &R, judge: impl Fn(&R) -> Verdict) {
    done(located, value, By(judge));
}

impl Drop for Located<'_> {
    #[inline]
    fn drop(&mut self) {
        let Turn(span) = &mut self.turn;
        // Here alone nothing else tells a `return` from a panic. The guard is dropped in the very frame of the call.
        if span.is_on() && self.unwound.is_some_and(|unwound| unwound || !thread::panicking()) {
            span.end(Verdict::OK);
        }
    }
}
