//! The context of the caller, taken along: to other tasks and threads, and to other processes.

use std::sync::Arc;

use tracing::dispatcher::{self, DefaultGuard};
use tracing::span::EnteredSpan;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Span};

use crate::engine::core::CoreRef;
use crate::engine::local;
use crate::engine::plain;
use crate::engine::running;
use crate::engine::slots;
use crate::engine::stack::{self, Frame, Place};
use crate::engine::subscriber;
use crate::metrics::scope::{self, Scope};
use crate::propagation::Correlation;
use crate::{RequestId, names};

/// The correlation of the innermost span or context on this thread: its trace and span ids are those of the current span.
pub(crate) fn current() -> Option<Correlation> {
    // Inside the scope of one engine the spans of another are not there.
    let engine = dispatcher::get_default(|dispatch| subscriber::of(dispatch).map(CoreRef::address));
    stack::find(|place| match place {
        Place::Record(record, _) => {
            engine.is_none_or(|engine| record.engine() == engine).then(|| record.correlation()).flatten()
        }
        Place::Context(correlation) => Some((**correlation).clone()),
        Place::Nowhere => None,
    })
}

/// Makes `correlation` the parent of the spans opened on this thread until the guard is dropped.
pub(crate) fn enter(correlation: Arc<Correlation>) -> Entered {
    Spot::Context(correlation).enter()
}

/// A place to work in that may be taken along: a record in a slot, with a reference to it, or a context.
pub(crate) enum Spot {
    Slot(u64),
    Context(Arc<Correlation>),
}

impl Spot {
    /// Where the caller is.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))]
    fn current() -> Option<Self> {
        match stack::share_current()? {
            Frame::Slot(id) => Some(Spot::Slot(id)),
            Frame::Context(correlation) => Some(Spot::Context(correlation)),
            Frame::Own(_) | Frame::Again(_) | Frame::Opening(_) => None,
        }
    }

    /// Where the caller is, with this request id on every line and in all that goes out.
    #[cfg_attr(not(feature = "serve"), allow(dead_code))]
    pub(crate) fn with_request_id(id: RequestId) -> Self {
        let correlation = Arc::new(Correlation { request_id: Some(id.clone()), ..current().unwrap_or_default() });
        let around = stack::find(|place| match place {
            Place::Record(around, slot) => {
                let mut record = local::fresh();
                record.inherit(around, slot);
                record.core.clone_from(&around.core);
                record.meta = around.meta;
                Some(record)
            }
            Place::Context(_) | Place::Nowhere => None,
        });
        let Some(mut record) = around else { return Spot::Context(correlation) };
        record.key = crate::ids::random();
        record.carried = Some(Arc::clone(&correlation));
        record.fields.put_str(names::REQUEST_ID, id.as_str());
        local::insert(record).map_or(Spot::Context(correlation), Spot::Slot)
    }

    /// Puts this thread there until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        let (frame, entered) = match self {
            Spot::Slot(id) => {
                let watching = slots::with(*id, |record| record.watching_core().cloned()).flatten();
                (Frame::entering(*id), EnteredIn::Slot(*id, watching))
            }
            Spot::Context(correlation) => {
                (Frame::Context(Arc::clone(correlation)), EnteredIn::Context(Arc::clone(correlation)))
            }
        };
        // Where the thread has no stack any more, there is nothing to enter.
        if stack::push(frame)
            && let EnteredIn::Slot(id, Some(core)) = &entered
        {
            core.filter.entered(*id);
        }
        Entered(entered)
    }
}

impl Clone for Spot {
    fn clone(&self) -> Self {
        match self {
            Spot::Slot(id) => {
                slots::retain(*id);
                Spot::Slot(*id)
            }
            Spot::Context(correlation) => Spot::Context(Arc::clone(correlation)),
        }
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        if let Spot::Slot(id) = self {
            plain::close(*id);
        }
    }
}

/// Leaves the context when dropped.
#[must_use = "the context is left when this is dropped"]
pub(crate) struct Entered(EnteredIn);

enum EnteredIn {
    /// With the engine, where its filter has directives on spans.
    Slot(u64, Option<CoreRef>),
    Context(Arc<Correlation>),
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = stack::take_where(|frame| match (frame, &self.0) {
            (frame, EnteredIn::Slot(own, _)) => frame.lies_in(*own),
            (Frame::Context(correlation), EnteredIn::Context(own)) => Arc::ptr_eq(correlation, own),
            _ => false,
        });
        if let EnteredIn::Slot(id, watching) = &self.0
            && left.is_some()
        {
            running::left(*id);
            if let Some(core) = watching {
                core.filter.exited(*id);
            }
        }
    }
}

/// Where the caller is: its span or context, its subscriber, and the capture it runs in.
#[derive(Clone)]
#[cfg_attr(not(any(feature = "tokio", feature = "testing")), allow(dead_code))]
pub(crate) struct Snapshot {
    spot: Option<Spot>,
    /// Only one that is not the process's own: a scoped dispatcher slows `tracing` down everywhere.
    dispatch: Option<Dispatch>,
    scope: Option<Arc<Scope>>,
    /// The span of a subscriber that is not ours, or that we are only a layer of.
    foreign: Option<Span>,
}

/// Leaves it all when dropped, the innermost first.
pub(crate) struct Restored {
    _foreign: Option<EnteredSpan>,
    _spot: Option<Entered>,
    _scope: scope::Entered,
    _dispatch: Option<DefaultGuard>,
}

#[cfg_attr(not(any(feature = "tokio", feature = "testing")), allow(dead_code))]
impl Snapshot {
    pub(crate) fn take() -> Self {
        Snapshot {
            spot: Spot::current(),
            dispatch: dispatcher::get_default(|dispatch| {
                subscriber::of(dispatch).filter(|core| !core.is_process()).map(|_| dispatch.clone())
            }),
            scope: scope::current(),
            foreign: foreign_span(),
        }
    }

    /// Puts this thread where the snapshot was taken, until the guard is dropped.
    pub(crate) fn restore(&self) -> Restored {
        Restored {
            _dispatch: self.dispatch.as_ref().map(dispatcher::set_default),
            _scope: scope::enter(self.scope.clone()),
            _spot: self.spot.as_ref().map(Spot::enter),
            _foreign: self.foreign.clone().map(Span::entered),
        }
    }
}

/// Where the caller is in the eyes of a subscriber that is not ours, or that we are only a layer of.
#[cfg_attr(not(any(feature = "tokio", feature = "testing")), allow(dead_code))]
fn foreign_span() -> Option<Span> {
    let is_foreign =
        dispatcher::get_default(|dispatch| subscriber::bare(dispatch).is_none() && !dispatch.is::<NoSubscriber>());
    is_foreign.then(Span::current).filter(|span| !span.is_none())
}
