//! What this thread is inside of: spans, and contexts that arrived from elsewhere.

use std::sync::Arc;

use tracing::Metadata;

use crate::engine::callsite::Callsite;
use crate::engine::local::{self, with_stack};
use crate::engine::record::{self, Parent, Record};
use crate::engine::{running, slots};
use crate::propagation::Correlation;

/// One level of the stack: two words, so that processors pass it on in registers.
pub(crate) enum Frame {
    /// The record of a call that runs here.
    Own(Box<Record>),
    /// A record that lies in a slot: a span of plain `tracing`, or one that somebody asked for.
    Slot(u64),
    /// That of a span which was entered before. It does not become the current one by that: so it is with the registry of
    /// `tracing_subscriber`.
    Again(u64),
    /// The context of a caller elsewhere: the spans above it continue it.
    Context(Arc<Correlation>),
    /// An observed future in its first poll, before its first statement has opened the span.
    Opening(&'static Callsite),
}

/// What is around the caller.
pub(crate) enum Place<'a> {
    /// A span or a call, with its slot if it has one.
    Record(&'a mut Record, u64),
    Context(&'a Arc<Correlation>),
    Nowhere,
}

impl Frame {
    /// The frame of a slot, for a thread that enters the record.
    #[inline]
    pub(crate) fn entering(id: u64) -> Self {
        if running::is_watched() {
            slots::with(id, running::entered);
        }
        Frame::Slot(id)
    }

    /// Whether its record is in this slot.
    #[inline]
    pub(crate) fn lies_in(&self, slot: u64) -> bool {
        matches!(self, Frame::Slot(id) | Frame::Again(id) if *id == slot)
    }

    /// Whether it is that of the record with this key.
    #[inline]
    fn is(&self, wanted: u64) -> bool {
        match self {
            Frame::Own(record) => record.key == wanted,
            Frame::Slot(id) | Frame::Again(id) => slots::with(*id, |record| record.key) == Some(wanted),
            Frame::Context(_) | Frame::Opening(_) => false,
        }
    }

    /// Whether it is the frame that others inherit from as `parent`.
    fn is_parent(&self, parent: Parent) -> bool {
        match self {
            Frame::Slot(id) | Frame::Again(id) if parent.slot != 0 => *id == parent.slot,
            _ => self.is(parent.key),
        }
    }

    /// Runs `f` on the record if it is of this engine and up to date, with one lock where it is in a slot.
    #[inline]
    fn look<R>(&mut self, engine: usize, f: &mut impl FnMut(Place<'_>) -> R) -> Look<R> {
        let mut at = |record: &mut Record, slot| {
            if record.engine() != engine {
                Look::Elsewhere
            } else if record.is_stale() {
                Look::Stale
            } else {
                Look::Found(f(Place::Record(record, slot)))
            }
        };
        match self {
            Frame::Own(record) => at(record, 0),
            Frame::Slot(id) => slots::with(*id, |record| at(record, *id)).unwrap_or(Look::Elsewhere),
            Frame::Context(correlation) => Look::Found(f(Place::Context(correlation))),
            Frame::Again(_) | Frame::Opening(_) => Look::Elsewhere,
        }
    }

    /// Runs `f` on the frame's record and slot.
    #[inline]
    fn with<R>(&mut self, f: impl FnOnce(&mut Record, u64) -> R) -> Option<R> {
        match self {
            Frame::Own(record) => Some(f(record, 0)),
            Frame::Slot(id) | Frame::Again(id) => slots::with(*id, |record| f(record, *id)),
            _ => None,
        }
    }
}

/// Puts a frame on the stack, that of a call's record by [`push_own`]; whether there is a stack.
///
/// The frame is made where it will lie: one that is made elsewhere and copied is read again before it has been written,
/// which holds a processor up longer than all the rest takes.
#[inline(always)]
pub(crate) fn push(frame: Frame) -> bool {
    with_stack(|stack| stack.push(frame)).is_some()
}

/// Puts the record of a call on the stack; gives it back where there is no stack any more.
#[inline]
pub(crate) fn push_own(record: Box<Record>) -> Result<(), Box<Record>> {
    let mut record = Some(record);
    with_stack(|stack| {
        if let Some(record) = record.take() {
            stack.push(Frame::Own(record));
        }
    });
    record.map_or(Ok(()), Err)
}

/// The same for a span of plain `tracing`, which may be on the stack already. Whether it is open is asked by those who look.
#[inline]
pub(crate) fn push_plain(id: u64) -> bool {
    with_stack(|stack| {
        let again = stack.iter().any(|frame| frame.lies_in(id));
        stack.push(if again { Frame::Again(id) } else { Frame::Slot(id) });
    })
    .is_some()
}

/// Takes the topmost frame of this record off the stack: guards may be dropped out of order, so never the top blindly.
#[inline]
pub(crate) fn take(key: u64) -> Option<Frame> {
    take_where(|frame| frame.is(key))
}

/// Takes the record of this key off the top of the stack, if it lies there by itself and nobody watches it.
#[inline]
pub(crate) fn pop_quiet(key: u64) -> Option<Box<Record>> {
    with_stack(|stack| match stack.last()? {
        Frame::Own(record) if record.key == key && !record.watched => match stack.pop()? {
            Frame::Own(record) => Some(record),
            _ => None,
        },
        _ => None,
    })
    .flatten()
}

#[inline]
pub(crate) fn take_where(is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
    with_stack(|stack| {
        if stack.last().is_some_and(&is_it) {
            return stack.pop();
        }
        stack.iter().rposition(&is_it).map(|at| stack.remove(at))
    })
    .flatten()
}

/// Runs `f` on the record of this key that is on the stack.
#[inline]
pub(crate) fn with_key<R>(key: u64, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    with_stack(|stack| stack.iter_mut().rev().find(|frame| frame.is(key))?.with(|record, _| f(record))).flatten()
}

/// The slot of the record of this key that is on the stack, if it is in one.
pub(crate) fn slot_of(key: u64) -> Option<u64> {
    with_stack(|stack| match stack.iter().rev().find(|frame| frame.is(key))? {
        Frame::Slot(id) | Frame::Again(id) => Some(*id),
        _ => None,
    })
    .flatten()
}

/// Runs `f` on the record of the innermost call of `site`.
pub(crate) fn with_site<R>(site: &'static Callsite, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    with_stack(|stack| {
        let is_it = |record: &mut Record, _| record.site.is_some_and(|own| std::ptr::eq(own, site));
        let at = (0..stack.len()).rev().find(|at| stack[*at].with(is_it).unwrap_or(false))?;
        stack[at].with(|record, _| f(record))
    })
    .flatten()
}

/// Runs `f` on what is around the caller for this engine: the innermost of its own calls, or a context that lies above it.
#[inline]
pub(crate) fn at_current<R>(engine: usize, mut f: impl FnMut(Place<'_>) -> R) -> R {
    let result = with_stack(|stack| {
        (0..stack.len()).rev().find_map(|at| match stack[at].look(engine, &mut f) {
            Look::Found(result) => Some(result),
            Look::Stale => {
                refresh(stack, at);
                stack[at].with(|record, slot| f(Place::Record(record, slot)))
            }
            Look::Elsewhere => None,
        })
    });
    // No stack, or nothing of this engine on it.
    result.flatten().unwrap_or_else(|| f(Place::Nowhere))
}

/// What came of a look at a frame.
enum Look<R> {
    Found(R),
    /// Something may have come late to the spans around it.
    Stale,
    /// It is closed, of another engine, or no place to be.
    Elsewhere,
}

/// Runs `f` on the innermost span of this engine around the caller: not on a call whose span is off.
pub(crate) fn in_span(engine: usize, f: impl FnOnce(&mut Record)) {
    with_stack(|stack| {
        let at = current(stack, engine)?;
        stack[at].with(|record, _| f(record))
    });
}

/// Runs `f` on the record in a slot, brought up to date, if it is this engine's: ids are those of the whole process.
pub(crate) fn at_slot<R>(engine: usize, id: u64, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    refresh_slot(id, 0);
    slots::with(id, |record| (record.engine() == engine).then(|| f(record))).flatten()
}

/// Where the innermost open span of this engine is, or a context above it.
fn current(stack: &[Frame], engine: usize) -> Option<usize> {
    let is_it = |record: &Record| record.engine() == engine && record.on;
    stack.iter().rposition(|frame| match frame {
        Frame::Own(record) => is_it(record),
        Frame::Slot(id) => slots::with(*id, |record| is_it(record)).unwrap_or(false),
        Frame::Context(_) => true,
        Frame::Again(_) | Frame::Opening(_) => false,
    })
}

/// Takes over fields that came late to the spans around the record at `at`.
#[inline]
fn refresh(stack: &mut [Frame], at: usize) {
    if stack[at].with(|record, _| record.is_stale()) == Some(true) {
        refresh_from(stack, at);
    }
}

#[cold]
fn refresh_from(stack: &mut [Frame], at: usize) {
    let late = record::late();
    let mut closed = 0;
    while let Some(around) = stack[at].with(|record, _| record.around(closed)).flatten()
        && !refresh_by(stack, at, around, closed)
    {
        closed += 1;
    }
    stack[at].with(|record, _| record.is_fresh(late));
}

/// Lets the record at `at` take over what came late to a span around it, between which and the record so many have closed; whether
/// that one is open.
fn refresh_by(stack: &mut [Frame], at: usize, around: Parent, closed: usize) -> bool {
    if let Some(below) = stack[..at].iter().rposition(|frame| frame.is_parent(around)) {
        refresh(stack, below);
        let (lower, upper) = stack.split_at_mut(at);
        // Where both lie in slots, the outer one is locked before the inner one: here, and everywhere.
        return lower[below]
            .with(|around, _| upper[0].with(|record, _| record.inherit_again(around, closed)))
            .is_some();
    }
    refresh_slot(around.slot, 0);
    slots::with(around.slot, |around| stack[at].with(|record, _| record.inherit_again(around, closed))).is_some()
}

/// How far up late fields are looked for where no stack leads the way.
const DEEPEST: usize = 64;

fn refresh_slot(id: u64, depth: usize) {
    if slots::with(id, |record| record.is_stale()) != Some(true) || depth == DEEPEST {
        return;
    }
    let late = record::late();
    let mut closed = 0;
    while let Some(around) = slots::with(id, |record| record.around(closed)).flatten() {
        refresh_slot(around.slot, depth + 1);
        let take_over = |around: &mut Record| slots::with(id, |record| record.inherit_again(around, closed));
        if slots::with(around.slot, take_over).is_some() {
            break;
        }
        closed += 1;
    }
    slots::with(id, |record| record.is_fresh(late));
}

/// Whether a future of `site` is in its first poll on this thread, and nothing was entered since.
pub(crate) fn awaits(site: &'static Callsite) -> bool {
    with_stack(|stack| stack.last().is_some_and(|frame| is_opening(frame, site))).unwrap_or(false)
}

/// Puts a frame in the place that a future's first poll holds for it; gives it back where there is none.
pub(crate) fn fill(site: &'static Callsite, frame: Frame) -> Option<Frame> {
    let mut frame = Some(frame);
    with_stack(|stack| {
        if let Some(place) = stack.iter_mut().rev().find(|frame| is_opening(frame, site))
            && let Some(frame) = frame.take()
        {
            *place = frame;
        }
    });
    frame
}

/// The key of the record that a future's first poll has opened. A place that nobody filled is taken away.
pub(crate) fn settled(site: &'static Callsite) -> Option<u64> {
    with_stack(|stack| {
        let is_of_site = |frame: &mut Frame| {
            is_opening(frame, site)
                || frame.with(|record, _| record.site.is_some_and(|own| std::ptr::eq(own, site))) == Some(true)
        };
        let at = (0..stack.len()).rev().find(|at| is_of_site(&mut stack[*at]))?;
        if is_opening(&stack[at], site) {
            stack.remove(at);
            return None;
        }
        stack[at].with(|record, _| record.key)
    })
    .flatten()
}

fn is_opening(frame: &Frame, site: &'static Callsite) -> bool {
    matches!(frame, Frame::Opening(own) if std::ptr::eq(*own, site))
}

/// The innermost span of this engine, in a slot where others find it too.
pub(crate) fn current_span(engine: usize) -> Option<(u64, &'static Metadata<'static>)> {
    with_stack(|stack| {
        let at = current(stack, engine)?;
        let id = promote(&mut stack[at])?;
        slots::with(id, |record| record.meta).flatten().map(|meta| (id, meta))
    })
    .flatten()
}

/// What a task that is started here takes along: the innermost record, in a slot and with a reference, or context.
pub(crate) fn share_current() -> Option<Frame> {
    with_stack(|stack| {
        let at = stack.iter().rposition(|frame| !matches!(frame, Frame::Opening(_) | Frame::Again(_)))?;
        if let Frame::Context(correlation) = &stack[at] {
            return Some(Frame::Context(Arc::clone(correlation)));
        }
        let id = promote(&mut stack[at])?;
        slots::retain(id).then_some(Frame::Slot(id))
    })
    .flatten()
}

/// Moves a record from its frame into a slot, if it is not in one.
fn promote(frame: &mut Frame) -> Option<u64> {
    if let Frame::Slot(id) = frame {
        return Some(*id);
    }
    let Frame::Own(record) = frame else { return None };
    match local::insert(std::mem::take(record)) {
        Ok(id) => {
            *frame = Frame::Slot(id);
            Some(id)
        }
        Err(back) => {
            *record = back;
            None
        }
    }
}

/// Runs `f` on the innermost record or context that has an answer.
pub(crate) fn find<R>(mut f: impl FnMut(Place<'_>) -> Option<R>) -> Option<R> {
    with_stack(|stack| {
        stack.iter_mut().rev().find_map(|frame| match frame {
            Frame::Own(record) => f(Place::Record(record, 0)),
            Frame::Opening(_) | Frame::Again(_) => None,
            Frame::Slot(id) => slots::with(*id, |record| f(Place::Record(record, *id))).flatten(),
            Frame::Context(correlation) => f(Place::Context(correlation)),
        })
    })
    .flatten()
}

/// Tells the observed call around a failed one, and the plain spans between, that it failed.
pub(crate) fn mark(mut parent: Parent, text: &str) {
    for _ in 0..DEEPEST {
        let told = |record: &mut Record| {
            record.child_failed(text.to_owned());
            (record.site.is_some(), record.parent)
        };
        let next = match with_key(parent.key, told) {
            None if parent.slot != 0 => slots::with(parent.slot, told),
            next => next,
        };
        match next {
            Some((false, above)) if above.key != 0 => parent = above,
            _ => return,
        }
    }
}
