//! The shell around an observed body: generic here, while the work is done once in [`crate::engine::call`].

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::__private::fields::{Given, Visit};
use crate::__private::outcome::{By, Judge, Verdict};
use crate::__private::place::Placed;
use crate::engine::call;
use crate::engine::callsite::Callsite;
use crate::engine::held::Held;
use crate::engine::opening::Opening;
use crate::engine::recorder;
use crate::engine::stack::{self, Frame};
use crate::outcome::Ended;

/// The span of one observed call.
pub struct Span {
    /// Nothing once the call is off: so there is nothing to drop, nor code for that wherever there is a span.
    held: ManuallyDrop<Held>,
    site: &'static Callsite,
    state: State,
}

enum State {
    /// Nobody listens, or the call has ended.
    Off,
    /// A future that has not been polled: it opens its span itself.
    New,
    /// Between polls.
    Idle,
    /// The body runs.
    Running,
    /// The body runs in the first poll of its future, which keeps a place on the stack for the record that it will open.
    First,
    /// The future is being dropped before its end.
    Dropping,
}

/// Opens the span of a call.
#[inline]
pub fn open(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) -> Span {
    if call::idle(site) { Span::of(site, Held::Gone, State::Off) } else { opened(site, &mut Some(fields)) }
}

/// The same with fields that are there already.
// Not generic, so it is compiled once, and out of line: that is a sixth of the time of a release build.
#[inline(never)]
pub fn open_given(site: &'static Callsite, fields: &[Given<'_>]) -> Span {
    if call::idle(site) { Span::of(site, Held::Gone, State::Off) } else { opened(site, &mut Listed(fields)) }
}

/// Opens the span of a call somewhere else than where it is.
#[inline]
pub fn open_within<P: Into<Placed>>(
    site: &'static Callsite,
    parent: impl FnOnce() -> P,
    fields: impl FnOnce(&mut Visit<'_>),
) -> Span {
    if call::idle(site) {
        Span::of(site, Held::Gone, State::Off)
    } else {
        opened_within(site, parent().into(), &mut Some(fields))
    }
}

/// Opens the span of a future, as its first statement: in the place that its first poll holds for it.
#[inline]
pub fn begin(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) {
    if !call::idle(site) {
        begun(site, &mut Some(fields));
    }
}

/// The same with fields that are there already.
#[inline(never)]
pub fn begin_given(site: &'static Callsite, fields: &[Given<'_>]) {
    if !call::idle(site) {
        begun(site, &mut Listed(fields));
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
        begun_within(site, parent().into(), &mut Some(fields));
    }
}

/// Records late fields on the innermost call of `site`.
#[inline]
pub fn record(site: &'static Callsite, fields: impl FnOnce(&mut Visit<'_>)) {
    if !call::idle(site) {
        recorded(site, &mut Some(fields));
    }
}

/// What gives the values of the fields, once, to those who are there once and not for each call.
trait Fields {
    fn give(&mut self, visit: &mut Visit<'_>);
}

impl<F: FnOnce(&mut Visit<'_>)> Fields for Option<F> {
    fn give(&mut self, visit: &mut Visit<'_>) {
        if let Some(fields) = self.take() {
            fields(visit);
        }
    }
}

/// Fields that are there already, at their indices.
struct Listed<'a>(&'a [Given<'a>]);

impl Fields for Listed<'_> {
    fn give(&mut self, visit: &mut Visit<'_>) {
        self.0.iter().enumerate().for_each(|(at, given)| visit.take(at, given));
    }
}

#[inline(always)]
fn filled(mut opening: Opening, site: &'static Callsite, fields: &mut dyn Fields) -> Held {
    if opening.wants_fields() {
        let mut links = Vec::new();
        fields.give(&mut Visit { recorder: opening.recorder(), keys: site.keys(), links: Some(&mut links) });
        links.into_iter().for_each(|link| opening.link(link));
    }
    opening.finish()
}

#[inline(never)]
fn opened(site: &'static Callsite, fields: &mut dyn Fields) -> Span {
    match Opening::begin(site) {
        Some(opening) => Span::of(site, filled(opening, site, fields), State::Idle),
        None => Span::of(site, Held::Gone, State::Off),
    }
}

#[cold]
fn opened_within(site: &'static Callsite, parent: Placed, fields: &mut dyn Fields) -> Span {
    match Opening::begin_at(site, parent.0) {
        Some(opening) => Span::of(site, filled(opening, site, fields), State::Idle),
        None => Span::of(site, Held::Gone, State::Off),
    }
}

#[inline(never)]
fn begun(site: &'static Callsite, fields: &mut dyn Fields) {
    if stack::awaits(site)
        && let Some(opening) = Opening::begin(site)
    {
        filled(opening, site, fields).enter_in_place(site);
    }
}

#[cold]
fn begun_within(site: &'static Callsite, parent: Placed, fields: &mut dyn Fields) {
    if let Some(opening) = Opening::begin_at(site, parent.0) {
        filled(opening, site, fields).enter_in_place(site);
    }
}

#[inline(never)]
fn recorded(site: &'static Callsite, fields: &mut dyn Fields) {
    recorder::record(site, |recorder| {
        fields.give(&mut Visit { recorder: recorder.reborrow(), keys: site.keys(), links: None });
    });
}

/// Runs a body inside its span.
#[inline]
pub fn sync<R>(span: Span, body: impl FnOnce() -> R, judge: impl Judge<R>) -> R {
    if span.is_on() { inside(span, body, judge) } else { body() }
}

/// The same with a closure that learns here what it judges.
#[inline]
pub fn sync_by<R>(span: Span, body: impl FnOnce() -> R, judge: impl Fn(&R) -> Verdict) -> R {
    sync(span, body, By(judge))
}

// Out of line, as a poll is: a caller of many observed functions would take in all of them, and be as long to compile.
#[inline(never)]
fn inside<R>(mut span: Span, body: impl FnOnce() -> R, judge: impl Judge<R>) -> R {
    span.put();
    let value = body();
    span.end(judge.__obs_verdict(&value));
    value
}

/// Runs what a function does before it returns its future, inside the span; the future ends it.
#[inline]
pub fn prelude<R>(span: &mut Span, body: impl FnOnce() -> R) -> R {
    span.enter();
    let value = body();
    if span.is_on() {
        span.pause();
    }
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
pub fn observe<F: Future, J: Judge<F::Output>>(span: Span, inner: F, judge: J) -> Observed<F, J> {
    Observed { inner, judge, span }
}

/// The same with a closure that learns here what it judges.
#[inline]
pub fn observe_by<F: Future, J: Fn(&F::Output) -> Verdict>(span: Span, inner: F, judge: J) -> Observed<F, By<J>> {
    observe(span, inner, By(judge))
}

/// Observes a future that opens its span itself, by [`begin`].
#[inline]
pub fn lazy<F: Future, J: Judge<F::Output>>(site: &'static Callsite, inner: F, judge: J) -> Observed<F, J> {
    Observed { inner, judge, span: Span::of(site, Held::Gone, State::New) }
}

/// The same with a closure that learns here what it judges.
#[inline]
pub fn lazy_by<F: Future, J: Fn(&F::Output) -> Verdict>(
    site: &'static Callsite,
    inner: F,
    judge: J,
) -> Observed<F, By<J>> {
    lazy(site, inner, By(judge))
}

/// What a function returns, where an `async` block must be told: it is never asked for.
#[cold]
pub fn told<R>() -> R {
    unreachable!("only its type is asked for")
}

/// Boxes an observed future in place of the one that it observes.
#[inline]
pub fn boxed<F>(inner: F) -> Pin<Box<F>> {
    Box::pin(inner)
}

impl<F: Future, J: Judge<F::Output>> Future for Observed<F, J> {
    type Output = F::Output;

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Turn(span) = &mut Turn::begin(this.span);
        let poll = this.inner.poll(cx);
        if span.is_on() {
            match &poll {
                Poll::Ready(value) => span.end(this.judge.__obs_verdict(value)),
                Poll::Pending => span.pause(),
            }
        }
        poll
    }
}

impl Span {
    #[inline]
    fn of(site: &'static Callsite, held: Held, state: State) -> Self {
        Span { held: ManuallyDrop::new(held), site, state }
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.state, State::Off)
    }

    /// Puts the call on this thread's stack, if anybody listens.
    #[inline]
    pub(super) fn enter(&mut self) {
        if self.is_on() {
            self.put();
        }
    }

    #[inline(never)]
    fn put(&mut self) {
        self.state = match self.state {
            // A future that nobody listened to at its first poll stays unobserved.
            State::New if call::idle(self.site) => State::Off,
            State::New => {
                // Without a stack, `begin` finds no place, and the call stays unobserved.
                stack::push(Frame::Opening(self.site));
                State::First
            }
            _ => {
                self.held.enter();
                State::Running
            }
        };
    }

    /// Takes note of the record that the first poll has opened, or gives up the place that was kept for it.
    #[inline]
    fn settle(&mut self) {
        if matches!(self.state, State::First) {
            self.held = ManuallyDrop::new(stack::settled(self.site).map_or(Held::Gone, Held::Away));
        }
    }

    /// The body has returned a value of which this is said: ends the call while its record is still on the stack.
    #[inline(never)]
    pub(super) fn end(&mut self, verdict: Verdict) {
        self.settle();
        self.state = State::Off;
        call::end(self.site, &mut self.held, verdict.outcome, verdict.failure.as_deref());
    }

    /// The body goes on with another poll.
    #[inline(never)]
    pub(super) fn pause(&mut self) {
        self.settle();
        self.held.leave();
        self.state = if matches!(*self.held, Held::Gone) { State::Off } else { State::Idle };
    }

    #[inline]
    pub(super) fn drop_begins(&mut self) {
        if matches!(self.state, State::Idle) {
            self.put();
            self.state = State::Dropping;
        }
    }

    /// Ends a call without a value: its body unwinds, or will not be polled any more. One that was opened and whose body
    /// never ran was cancelled as well.
    #[cold]
    fn give_up(&mut self) {
        self.drop_begins();
        match self.state {
            State::Running | State::First => self.end(Verdict::without_value(Ended::Panicked)),
            State::Dropping => self.end(Verdict::without_value(Ended::Cancelled)),
            State::Off | State::New | State::Idle => {}
        }
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if self.is_on() {
            self.give_up();
        }
    }
}

/// While it lives, the call is on this thread's stack. Dropped by an unwinding body, it ends the call as panicked.
pub(super) struct Turn<'a>(pub(super) &'a mut Span);

impl<'a> Turn<'a> {
    #[inline]
    pub(super) fn begin(span: &'a mut Span) -> Self {
        span.enter();
        Turn(span)
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.0.state, State::Running | State::First) {
            self.0.give_up();
        }
    }
}
