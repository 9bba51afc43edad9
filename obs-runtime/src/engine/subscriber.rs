//! The engine as a `tracing::Subscriber`.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::engine::clock::Moment;
use crate::engine::core::Core;
use crate::engine::node::Node;
use crate::engine::stack::{self, Frame};
use crate::engine::visit::{EventVisitor, SpanVisitor};
use crate::engine::{FieldValue, Fields, Link, SpanKind};
use crate::metrics::scope;
use crate::names;

/// A complete subscriber: spans, ids, log lines and finished spans, without a `Registry`.
pub(crate) struct Engine(pub(crate) Arc<Core>);

impl Engine {
    /// What a span or an event hangs under: what it says itself, else what is around it.
    fn place(&self, root: bool, contextual: bool, parent: Option<&Id>) -> Option<Frame> {
        if root {
            None
        } else if contextual {
            self.0.place()
        } else {
            parent.and_then(|id| self.0.node(id.into_u64())).map(Frame::Node)
        }
    }
}

impl Subscriber for Engine {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        self.0.filter.register(meta)
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        self.0.filter.enabled(meta)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.filter.max_level()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        // The user's `Display` runs first, with nothing held.
        let mut fields = Fields::default();
        attributes.record(&mut SpanVisitor(&mut fields));
        let place = self.place(attributes.is_root(), attributes.is_contextual(), attributes.parent());
        let mut node = self.0.open(attributes.metadata(), place);
        node.scope = scope::current();
        adopt_conventions(&node, &fields);
        node.record(&fields);
        let id = self.0.hold(&Arc::new(node));
        self.0.filter.opened(attributes, id);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let Some(node) = self.0.node(id.into_u64()) else { return };
        let mut fields = Fields::default();
        values.record(&mut SpanVisitor(&mut fields));
        adopt_conventions(&node, &fields);
        node.record(&fields);
        self.0.filter.recorded(id, values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        if let (Some(node), Some(other)) = (self.0.node(id.into_u64()), self.0.node(follows.into_u64()))
            && let Some(ids) = other.ids
        {
            node.link(Link { trace_id: ids.trace, span_id: ids.span });
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut visitor = EventVisitor::default();
        event.record(&mut visitor);
        let place = self.place(event.is_root(), event.is_contextual(), event.parent());
        self.0.line(event.metadata(), place.as_ref(), &visitor.message, &visitor.fields);
    }

    fn enter(&self, id: &Id) {
        if let Some(node) = self.0.node(id.into_u64()) {
            stack::push(Frame::Node(node));
            self.0.filter.entered(id.into_u64());
        }
    }

    fn exit(&self, id: &Id) {
        let id = id.into_u64();
        let removed = stack::remove(|frame| match frame {
            Frame::Node(node) => {
                node.core.as_ref().is_some_and(|core| Arc::ptr_eq(core, &self.0)) && node.id.get() == Some(&id)
            }
            _ => false,
        });
        if removed.is_some() {
            self.0.filter.exited(id);
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.0.retain(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let Some(node) = self.0.release(id.into_u64()) else { return false };
        // An observed call ends its span itself: what is given back here was only a handle on it.
        if node.site.is_none() {
            node.finish(Moment::now(), None, None);
            self.0.filter.closed(id.into_u64());
        }
        true
    }

    fn current_span(&self) -> Current {
        let mut place = match self.0.place() {
            Some(Frame::Node(node)) => Some(node),
            _ => None,
        };
        while let Some(node) = place {
            if node.on {
                return Current::new(Id::from_u64(known(&self.0, &node)), node.meta);
            }
            place = node.parent();
        }
        Current::none()
    }
}

/// The id of a node that is on the stack, known to `tracing` for as long as the call runs.
fn known(core: &Arc<Core>, node: &Arc<Node>) -> u64 {
    match node.id.get() {
        Some(id) => *id,
        None => core.hold(node),
    }
}

/// The field names by which `tracing` code speaks to OpenTelemetry.
fn adopt_conventions(node: &Node, fields: &Fields) {
    if fields.is_empty() {
        return;
    }
    for (key, value) in fields.iter() {
        match (key, value) {
            (names::OTEL_NAME, FieldValue::Str(name)) => node.set_name(name.into_owned().into()),
            (names::OTEL_KIND, FieldValue::Str(kind)) => {
                if let Some(kind) = SpanKind::parse(&kind.to_ascii_lowercase()) {
                    node.set_kind(kind);
                }
            }
            _ => {}
        }
    }
}

/// The engine behind the current dispatcher, if it is one.
pub(crate) fn of(dispatch: &tracing::Dispatch) -> Option<&Arc<Core>> {
    dispatch.downcast_ref::<Engine>().map(|engine| &engine.0)
}
