//! A call's hold on its record: with the call itself, on this thread's stack while the call runs, or in a slot.

use tracing::Dispatch;
use tracing::span::Id;

use crate::engine::callsite::Callsite;
use crate::engine::core::CoreRef;
use crate::engine::local;
use crate::engine::plain;
use crate::engine::record::Record;
use crate::engine::running;
use crate::engine::slots;
use crate::engine::stack::{self, Frame};

/// Where a call's record is.
pub(crate) enum Held {
    Own(Box<Record>),
    /// In a slot, of which the call holds one reference.
    Slot(u64),
    /// On the stack of the thread that the call runs on, under this key.
    Away(u64),
    /// Nowhere any more.
    Gone,
}

impl Held {
    /// Runs `f` on the record.
    #[inline]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
        match self {
            Held::Own(record) => Some(f(record)),
            Held::Slot(id) => slots::with(*id, f),
            Held::Away(key) => stack::with_key(*key, f),
            Held::Gone => None,
        }
    }

    /// Puts the record on this thread's stack. Where there is none any more, it stays.
    #[inline]
    pub(crate) fn enter(&mut self) {
        let is_quiet = matches!(self, Held::Own(record) if !record.watched) && !running::is_watched();
        if is_quiet { self.put() } else { self.enter_watched() }
    }

    #[cold]
    fn enter_watched(&mut self) {
        self.with_watchers(Dispatch::enter, |core, id| core.filter.entered(id));
        if running::is_watched() {
            self.show();
        }
        self.put();
    }

    /// Puts the record on this thread's stack, and tells nobody.
    #[inline(always)]
    fn put(&mut self) {
        match self {
            Held::Own(record) => {
                let key = record.key;
                if let Held::Own(record) = std::mem::replace(self, Held::Away(key))
                    && let Err(record) = stack::push_own(record)
                {
                    *self = Held::Own(record);
                }
            }
            Held::Slot(id) => {
                let key = slots::with(*id, |record| record.key);
                if stack::push(Frame::entering(*id)) {
                    *self = key.map_or(Held::Gone, Held::Away);
                }
            }
            Held::Away(_) | Held::Gone => {}
        }
    }

    /// Moves the record into a slot, for those who ask what is running.
    #[cold]
    fn show(&mut self) {
        if let Held::Own(record) = self
            && record.on
        {
            *self = match local::insert(std::mem::take(record)) {
                Ok(id) => Held::Slot(id),
                Err(record) => Held::Own(record),
            };
        }
    }

    /// The same, in the place that the first poll of a future holds for it.
    pub(crate) fn enter_in_place(mut self, site: &'static Callsite) {
        self.with_watchers(Dispatch::enter, |core, id| core.filter.entered(id));
        if running::is_watched() {
            self.show();
        }
        let frame = match self {
            Held::Own(record) => Some(Frame::Own(record)),
            Held::Slot(id) => Some(Frame::entering(id)),
            Held::Away(_) | Held::Gone => None,
        };
        if let Some(back) = frame.and_then(|frame| stack::fill(site, frame)) {
            Held::of(back).discard();
        }
    }

    /// Takes the record off the stack, back to the call.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if let Held::Away(key) = *self {
            match stack::pop_quiet(key) {
                Some(record) => *self = Held::Own(record),
                None => self.leave_watched(key),
            }
        }
    }

    #[cold]
    fn leave_watched(&mut self, key: u64) {
        *self = stack::take(key).map_or(Held::Gone, Held::of);
        if let Held::Slot(id) = *self {
            running::left(id);
        }
        self.with_watchers(Dispatch::exit, |core, id| core.filter.exited(id));
    }

    fn of(frame: Frame) -> Self {
        match frame {
            Frame::Own(record) => Held::Own(record),
            Frame::Slot(id) | Frame::Again(id) => Held::Slot(id),
            Frame::Context(_) | Frame::Opening(_) => Held::Gone,
        }
    }

    /// Gives the record up.
    pub(crate) fn discard(self) {
        match self {
            Held::Own(record) => local::recycle(record),
            Held::Slot(id) => {
                // Dropped last, with nothing held: where the engine is a layer, the registry's span holds the record too.
                let _foreign = slots::with(id, Record::take_foreign).flatten();
                plain::close(id);
            }
            Held::Away(_) | Held::Gone => {}
        }
    }

    /// Tells what happens to the span to those who watch spans: a foreign subscriber, or a filter with directives on spans.
    fn with_watchers(&mut self, foreign: impl FnOnce(&Dispatch, &Id), filter: impl FnOnce(&CoreRef, u64)) {
        // The subscriber is anybody's code: it is called with nothing held.
        let slot = if let Held::Slot(id) = self { *id } else { 0 };
        if self.with(|record| record.watched).unwrap_or(false) {
            let watchers = self.with(|record| (record.foreign().cloned(), record.core.clone()));
            match watchers {
                Some((Some(span), _)) => drop(span.with_subscriber(|(id, dispatch)| foreign(dispatch, id))),
                Some((None, Some(core))) if slot != 0 => filter(&core, slot),
                _ => {}
            }
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Held::Own(_) => "Own",
            Held::Slot(_) => "Slot",
            Held::Away(_) => "Away",
            Held::Gone => "Gone",
        })
    }
}
