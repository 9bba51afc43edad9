//! What this thread is inside of: spans, and contexts that arrived from elsewhere.

use std::cell::RefCell;
use std::sync::Arc;

use crate::engine::callsite::Callsite;
use crate::engine::core::Core;
use crate::engine::node::Node;
use crate::loss::{Reason, Signal, lost};
use crate::propagation::Correlation;

/// One level of the stack.
#[derive(Clone)]
pub(crate) enum Frame {
    /// An open span, or an observed call whose span is off.
    Node(Arc<Node>),
    /// The context of a caller elsewhere: the spans above it continue it.
    Context(Arc<Correlation>),
    /// An observed future in its first poll, before its first statement has opened the span.
    Opening(&'static Callsite),
}

thread_local! { static STACK: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) }; }

/// Runs `f` on the stack; nothing where the thread's storage is gone, or where the stack is in use (an allocator or a signal
/// handler that logs).
fn with<R>(f: impl FnOnce(&mut Vec<Frame>) -> R) -> Option<R> {
    let result = STACK.try_with(|stack| stack.try_borrow_mut().ok().map(|mut stack| f(&mut stack))).ok().flatten();
    if result.is_none() {
        lost(Signal::Spans, Reason::ThreadEnding, 1);
    }
    result
}

pub(crate) fn push(frame: Frame) {
    with(|stack| stack.push(frame));
}

/// Takes the topmost frame that `is_it` knows off the stack: guards may be dropped out of order, so never the top blindly.
pub(crate) fn remove(is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
    with(|stack| stack.iter().rposition(is_it).map(|at| stack.remove(at))).flatten()
}

/// Whether a future of `site` is in its first poll on this thread, and nothing was entered since.
pub(crate) fn awaits(site: &'static Callsite) -> bool {
    with(|stack| stack.last().is_some_and(|frame| is_opening(frame, site))).unwrap_or(false)
}

/// Puts `node` in the place that a future's first poll holds for it.
pub(crate) fn fill(site: &'static Callsite, node: &Arc<Node>) {
    with(|stack| {
        if let Some(frame) = stack.iter_mut().rev().find(|frame| is_opening(frame, site)) {
            *frame = Frame::Node(Arc::clone(node));
        }
    });
}

/// Takes away the place that nobody filled.
pub(crate) fn forget(site: &'static Callsite) {
    remove(|frame| is_opening(frame, site));
}

/// The innermost call of `site`.
pub(crate) fn node_of(site: &'static Callsite) -> Option<Arc<Node>> {
    find(|frame| match frame {
        Frame::Node(node) if node.site.is_some_and(|own| std::ptr::eq(own, site)) => Some(Arc::clone(node)),
        _ => None,
    })
}

fn is_opening(frame: &Frame, site: &'static Callsite) -> bool {
    matches!(frame, Frame::Opening(own) if std::ptr::eq(*own, site))
}

/// The topmost frame for which `f` has an answer.
pub(crate) fn find<R>(f: impl FnMut(&Frame) -> Option<R>) -> Option<R> {
    with(|stack| stack.iter().rev().find_map(f)).flatten()
}

/// What a new span of `core` hangs under: the innermost of its own calls, or a context that lies above it.
pub(crate) fn current(core: Option<&Arc<Core>>) -> Option<Frame> {
    find(|frame| match frame {
        Frame::Node(node) if same(node.core.as_ref(), core) => Some(frame.clone()),
        Frame::Context(_) => Some(frame.clone()),
        _ => None,
    })
}

fn same(a: Option<&Arc<Core>>, b: Option<&Arc<Core>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
