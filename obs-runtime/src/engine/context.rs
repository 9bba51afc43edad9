//! The context of the caller, taken along: to other tasks and threads, and to other processes.

use std::sync::Arc;

use tracing::Dispatch;
use tracing::dispatcher::{self, DefaultGuard};

use crate::engine::Fields;
use crate::engine::node::Node;
use crate::engine::stack::{self, Frame};
use crate::engine::subscriber;
use crate::metrics::scope::{self, Scope};
use crate::propagation::Correlation;
use crate::{RequestId, names};

/// The correlation of the innermost span or context on this thread: its trace and span ids are those of the current span.
pub(crate) fn current() -> Option<Correlation> {
    stack::find(|frame| match frame {
        Frame::Node(node) => node.correlation(),
        Frame::Context(correlation) => Some((**correlation).clone()),
        Frame::Opening(_) => None,
    })
}

/// Makes `correlation` the parent of the spans opened on this thread until the guard is dropped.
pub(crate) fn enter(correlation: Arc<Correlation>) -> Entered {
    Entered::push(Frame::Context(correlation))
}

/// A place to work in: where the caller is, and something more.
#[derive(Clone)]
#[cfg_attr(not(feature = "serve"), allow(dead_code))]
pub(crate) struct Place(Frame);

#[cfg_attr(not(feature = "serve"), allow(dead_code))]
impl Place {
    /// Where the caller is, with this request id on every line and in all that goes out.
    pub(crate) fn with_request_id(id: RequestId) -> Self {
        let around = stack::find(|frame| match frame {
            Frame::Node(node) => Some(Arc::clone(node)),
            _ => None,
        });
        let correlation = Correlation { request_id: Some(id.clone()), ..current().unwrap_or_default() };
        Place(match around {
            Some(around) => {
                let mut node = Node::measuring(around.meta, Some(Arc::clone(&around)));
                node.core.clone_from(&around.core);
                node.carried = Some(Arc::new(correlation));
                let mut fields = Fields::default();
                fields.put_str(names::REQUEST_ID, id.as_str());
                node.record(&fields);
                Frame::Node(Arc::new(node))
            }
            None => Frame::Context(Arc::new(correlation)),
        })
    }

    pub(crate) fn enter(&self) -> Entered {
        Entered::push(self.0.clone())
    }
}

/// Leaves the context when dropped.
#[must_use = "the context is left when this is dropped"]
pub(crate) struct Entered(Frame);

impl Entered {
    fn push(frame: Frame) -> Self {
        stack::push(frame.clone());
        Entered(frame)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        stack::remove(|frame| match (frame, &self.0) {
            (Frame::Context(own), Frame::Context(other)) => Arc::ptr_eq(own, other),
            (Frame::Node(own), Frame::Node(other)) => Arc::ptr_eq(own, other),
            _ => false,
        });
    }
}

/// Where the caller is: its span or context, its subscriber, and the capture it runs in.
#[derive(Clone)]
#[cfg_attr(not(any(feature = "tokio", feature = "testing")), allow(dead_code))]
pub(crate) struct Snapshot {
    frame: Option<Frame>,
    /// Only one that is not the process's own: a scoped dispatcher slows `tracing` down everywhere.
    dispatch: Option<Dispatch>,
    scope: Option<Arc<Scope>>,
}

/// Leaves it all when dropped, the innermost first.
pub(crate) struct Restored {
    _frame: Option<Entered>,
    _scope: scope::Entered,
    _dispatch: Option<DefaultGuard>,
}

#[cfg_attr(not(any(feature = "tokio", feature = "testing")), allow(dead_code))]
impl Snapshot {
    pub(crate) fn take() -> Self {
        Snapshot {
            frame: stack::find(|frame| match frame {
                Frame::Opening(_) => None,
                frame => Some(frame.clone()),
            }),
            dispatch: dispatcher::get_default(|dispatch| {
                subscriber::of(dispatch).filter(|core| !core.is_global()).map(|_| dispatch.clone())
            }),
            scope: scope::current(),
        }
    }

    /// Puts this thread where the snapshot was taken, until the guard is dropped.
    pub(crate) fn restore(&self) -> Restored {
        Restored {
            _dispatch: self.dispatch.as_ref().map(dispatcher::set_default),
            _scope: scope::enter(self.scope.clone()),
            _frame: self.frame.clone().map(Entered::push),
        }
    }
}
