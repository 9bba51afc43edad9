//! The shell around an observed body: generic here, while the work is done once in [`crate::engine::call`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::__private::fields::Visit;
use crate::__private::outcome::Verdict;
use crate::__private::place::Placed;
use crate::engine::call;
use crate::engine::callsite::Callsite;
use crate::engine::held::Held;
use crate::engine::opening::{Opening, Under};
use crate::engine::recorder;
use crate::engine::stack::{self, Frame};
use crate::outcome::Ended;

/// The span of one observed call.
pub struct Span {
    held: Held,
    site: &'static Callsite,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nobody listens, or the call has ended.
    Off,
    /// A future that has not been polled: it opens its span itself.
    New,
    /// Between polls.
    Idle,
    /// The body runs.
    Running,
    /// The future is being dropped before its end.
    Dropping,
}

/// Opens the span of a call.
#[inline]
pub fn open(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) -> Span {
    let held = if call::idle(site) { None } else { opened(site, fields) };
    Span::of(site, held)
}

/// Opens the span of a call somewhere else than where it is.
#[inline]
pub fn open_within<P: Into<Placed>>(
    site: &'static Callsite,
    parent: impl FnOnce() -> P,
    fields: impl FnOnce(&mut Visit<'_>),
) -> Span {
    let held = if call::idle(site) { None } else { opened_within(site, parent().into().0, fields) };
    Span::of(site, held)
}

#[inline(never)]
fn opened(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) -> Option<Held> {
    Some(filled(Opening::begin(site)?, site, fields))
}

#[cold]
fn opened_within(site: &'static Callsite, under: Option<Under>, fields: impl FnOnce(&mut Visit<'_>)) -> Option<Held> {
    Some(filled(Opening::begin_at(site, under)?, site, fields))
}

#[inline]
fn filled(mut opening: Opening, site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) -> Held {
    if opening.wants_fields() {
        let mut links = Vec::new();
        fields(&mut Visit { recorder: opening.recorder(), keys: site.keys(), links: Some(&mut links) });
        links.into_iter().for_each(|link| opening.link(link));
    }
    opening.finish()
}

/// Opens the span of a future, as its first statement: in the place that its first poll holds for it.
#[inline]
pub fn begin(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) {
    if !call::idle(site) && stack::awaits(site) {
        fill(site, opened(site, fields));
    }
}

/// The same, for a span that hangs somewhere else.
#[inline]
pub fn begin_within<P: Into<Placed>>(
    site: &'static Callsite,
    parent: impl FnOnce() -> P,
    fields: impl FnOnce(&mut Visit<'_>),
) {
    if !call::idle(site) && stack::awaits(site) {
        fill(site, opened_within(site, parent().into().0, fields));
    }
}

fn fill(site: &'static Callsite, held: Option<Held>) {
    if let Some(held) = held {
        held.enter_in_place(site);
    }
}

/// Records late fields on the innermost call of `site`.
#[inline]
pub fn record(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) {
    recorder::record(site, |recorder| {
        fields(&mut Visit { recorder: recorder.reborrow(), keys: site.keys(), links: None });
    });
}

/// The judge of a function that never returns.
#[inline]
pub fn unjudged<T: ?Sized>(_: &T) -> Verdict {
    Verdict::OK
}

/// Runs a body inside its span.
#[inline]
pub fn sync<R>(mut span: Span, body: impl FnOnce() -> R, judge: impl FnOnce(&R) -> Verdict) -> R {
    if span.state == State::Off {
        return body();
    }
    let turn = Turn::begin(&mut span);
    let value = body();
    turn.end(judge(&value));
    value
}

/// Runs what a function does before it returns its future, inside the span; the future ends it.
#[inline]
pub fn prelude<R>(span: &mut Span, body: impl FnOnce() -> R) -> R {
    if span.state == State::Off {
        return body();
    }
    let turn = Turn::begin(span);
    let value = body();
    turn.pause();
    value
}

pin_project_lite::pin_project! {
    /// An observed future.
    // The fields drop in this order: `inner` inside the span that `PinnedDrop` enters, then `span` leaves it and ends it.
    pub struct Observed<F, J> {
        #[pin]
        inner: F,
        judge: J,
        span: Span,
    }

    impl<F, J> PinnedDrop for Observed<F, J> {
        fn drop(this: Pin<&mut Self>) {
            this.project().span.drop_begins();
        }
    }
}

/// Observes a future in a span that is open already.
#[inline]
pub fn observe<F: Future, J: Fn(&F::Output) -> Verdict>(span: Span, inner: F, judge: J) -> Observed<F, J> {
    Observed { inner, judge, span }
}

/// Observes a future that opens its span itself, by [`begin`].
#[inline]
pub fn lazy<F: Future, J: Fn(&F::Output) -> Verdict>(site: &'static Callsite, inner: F, judge: J) -> Observed<F, J> {
    Observed { inner, judge, span: Span { held: Held::Gone, site, state: State::New } }
}

/// Boxes an observed future in place of the one that it observes.
#[inline]
pub fn boxed<F>(inner: F) -> Pin<Box<F>> {
    Box::pin(inner)
}

impl<F: Future, J: Fn(&F::Output) -> Verdict> Future for Observed<F, J> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.span.is_off() {
            return this.inner.poll(cx);
        }
        let turn = Turn::begin(this.span);
        let poll = this.inner.poll(cx);
        match &poll {
            Poll::Ready(value) => turn.end((this.judge)(value)),
            Poll::Pending => turn.pause(),
        }
        poll
    }
}

impl Span {
    #[inline(always)]
    fn of(site: &'static Callsite, held: Option<Held>) -> Self {
        let state = if held.is_some() { State::Idle } else { State::Off };
        Span { held: held.unwrap_or(Held::Gone), site, state }
    }

    /// Whether a poll needs nothing of us. A future that nobody listened to at its first poll stays unobserved.
    #[inline]
    pub(super) fn is_off(&mut self) -> bool {
        if self.state == State::New && call::idle(self.site) {
            self.state = State::Off;
        }
        self.state == State::Off
    }

    /// Ends the call while its record is still on the stack.
    #[inline]
    fn end(&mut self, outcome: Ended, verdict: &Verdict) {
        self.state = State::Off;
        call::end(self.site, &mut self.held, outcome, verdict.failure.as_deref());
    }

    /// A span that was opened and whose body never ran was cancelled as well.
    #[cold]
    fn give_up(&mut self) {
        self.drop_begins();
        if self.state == State::Dropping {
            self.end(Ended::Cancelled, &Verdict::OK);
        }
    }

    #[inline]
    pub(super) fn drop_begins(&mut self) {
        if self.state == State::Idle {
            self.held.enter();
            self.state = State::Dropping;
        }
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if self.state != State::Off {
            self.give_up();
        }
    }
}

/// While it lives, the call is on this thread's stack. Dropped by an unwinding body, it ends the call as panicked.
pub(super) struct Turn<'a> {
    span: &'a mut Span,
    /// The future is in its first poll: it keeps a place on the stack for the record that it will open.
    first: bool,
}

impl<'a> Turn<'a> {
    #[inline]
    pub(super) fn begin(span: &'a mut Span) -> Self {
        let first = span.state == State::New;
        if first {
            // Without a stack, `begin` finds no place, and the call stays unobserved.
            stack::push(Frame::Opening(span.site));
        } else {
            span.held.enter();
        }
        span.state = State::Running;
        Turn { span, first }
    }

    /// Takes note of the record that the first poll has opened, or gives up the place that was kept for it.
    #[inline]
    fn settle(&mut self) {
        if std::mem::take(&mut self.first) {
            self.span.held = stack::settled(self.span.site).map_or(Held::Gone, Held::Away);
        }
    }

    #[inline]
    pub(super) fn end(mut self, verdict: Verdict) {
        self.settle();
        self.span.end(verdict.outcome, &verdict);
    }

    #[inline]
    pub(super) fn pause(mut self) {
        self.settle();
        self.span.held.leave();
        self.span.state = if matches!(self.span.held, Held::Gone) { State::Off } else { State::Idle };
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.span.state == State::Running {
            self.settle();
            self.span.end(Ended::Panicked, &Verdict::OK);
        }
    }
}
