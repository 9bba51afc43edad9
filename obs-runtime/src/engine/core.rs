//! What one engine is made of; its spans hold on to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{Level, Metadata};

use crate::engine::clock::Moment;
use crate::engine::filter::Filter;
use crate::engine::node::{Ids, Node};
use crate::engine::sampling::{SAMPLED, Sampler};
use crate::engine::stack::{self, Frame};
use crate::engine::{Fields, FinishedSpan, Link};
use crate::log::{Line, Render};
use crate::names;
use crate::propagation::Correlation;
use crate::{SpanId, TraceId};

/// Where an engine's lines and spans go. Nothing in here may block or fail.
pub(crate) trait Out: Send + Sync {
    /// A whole log line, with its line feed.
    fn line(&self, line: &[u8], level: Level);

    /// A span that has ended.
    fn span(&self, span: FinishedSpan);

    /// Whether spans that are not sampled are wanted too.
    fn wants_unsampled(&self) -> bool {
        false
    }
}

/// The shared part of an engine.
pub(crate) struct Core {
    pub(crate) filter: Filter,
    pub(crate) sampler: Sampler,
    pub(crate) render: Render,
    pub(crate) out: Box<dyn Out>,
    global: AtomicBool,
    /// The spans that `tracing` knows by an id. Ids are never used again, so one used after its span has closed finds nothing.
    handles: [Mutex<HashMap<u64, Handle>>; SHARDS],
}

const SHARDS: usize = 32;

struct Handle {
    node: Arc<Node>,
    references: usize,
}

impl Core {
    pub(crate) fn new(filter: Filter, sampler: Sampler, render: Render, out: Box<dyn Out>) -> Arc<Self> {
        Arc::new(Core {
            filter,
            sampler,
            render,
            out,
            global: AtomicBool::new(false),
            handles: std::array::from_fn(|_| Mutex::default()),
        })
    }

    /// Whether it is the subscriber of the whole process.
    pub(crate) fn is_global(&self) -> bool {
        self.global.load(Relaxed)
    }

    pub(crate) fn set_global(&self) {
        self.global.store(true, Relaxed);
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Handle>> {
        self.handles[id as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `tracing` one more reference to `node`, under its id.
    pub(crate) fn hold(&self, node: &Arc<Node>) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = *node.id.get_or_init(|| NEXT.fetch_add(1, Relaxed));
        self.shard(id).entry(id).or_insert_with(|| Handle { node: Arc::clone(node), references: 0 }).references += 1;
        id
    }

    /// One more reference to a span that is held already.
    pub(crate) fn retain(&self, id: u64) {
        if let Some(handle) = self.shard(id).get_mut(&id) {
            handle.references += 1;
        }
    }

    /// One reference less; the node when it was the last.
    pub(crate) fn release(&self, id: u64) -> Option<Arc<Node>> {
        let mut shard = self.shard(id);
        let handle = shard.get_mut(&id)?;
        handle.references -= 1;
        if handle.references > 0 {
            return None;
        }
        shard.remove(&id).map(|handle| handle.node)
    }

    pub(crate) fn node(&self, id: u64) -> Option<Arc<Node>> {
        self.shard(id).get(&id).map(|handle| Arc::clone(&handle.node))
    }

    /// A new span of this engine under `parent`: in its trace, or in a new one.
    pub(crate) fn open(self: &Arc<Self>, meta: &'static Metadata<'static>, parent: Option<Frame>) -> Node {
        let mut opened = self.measure(meta, parent);
        let arrived = if opened.parent().is_none() { opened.carried.clone() } else { None };
        let from_afar = || arrived.as_ref().and_then(|correlation| correlation.trace.as_ref());
        let (trace, parent, flags, parent_is_remote) = match (opened.ids, from_afar()) {
            (Some(ids), _) => (ids.trace, Some(ids.span), ids.flags, false),
            (None, Some(caller)) => (caller.trace_id, Some(caller.span_id), caller.flags, true),
            (None, None) => {
                let trace = TraceId::random();
                (trace, None, self.sampler.root(trace, meta.name()), false)
            }
        };
        opened.ids = Some(Ids { trace, span: SpanId::random(), parent, parent_is_remote, flags });
        opened.on = true;
        if let Some(correlation) = &arrived {
            opened.record(&arrived_ids(correlation));
            if let Some(caller) = &correlation.link {
                opened.link(Link { trace_id: caller.trace_id, span_id: caller.span_id });
            }
        }
        opened
    }

    /// A call of this engine whose span is off: it measures, and hands on what is around it.
    pub(crate) fn measure(self: &Arc<Self>, meta: &'static Metadata<'static>, parent: Option<Frame>) -> Node {
        let mut opened = match parent {
            Some(Frame::Node(node)) => Node::measuring(meta, Some(node)),
            Some(Frame::Context(correlation)) => {
                let mut opened = Node::measuring(meta, None);
                opened.carried = Some(correlation);
                opened
            }
            _ => Node::measuring(meta, None),
        };
        opened.core = Some(Arc::clone(self));
        opened
    }

    pub(crate) fn finished(&self, span: FinishedSpan) {
        if span.flags & SAMPLED != 0 || self.out.wants_unsampled() {
            self.out.span(span);
        }
    }

    /// Writes a log line of what happened in `place`.
    pub(crate) fn line(&self, meta: &Metadata<'_>, place: Option<&Frame>, message: &[u8], own: &Fields) {
        let (mut fields, ids) = match place {
            Some(Frame::Node(node)) => (node.all_fields(), node.ids),
            Some(Frame::Context(correlation)) => (arrived_ids(correlation), None),
            _ => (Fields::default(), None),
        };
        fields.merge(own);
        let line = Line {
            unix_nanos: Moment::now().unix_nanos(),
            level: *meta.level(),
            target: meta.target(),
            message,
            ids: ids.map(|ids| (ids.trace, ids.span)),
            file: meta.file(),
            line: meta.line(),
            fields: &fields,
        };
        let mut text = Vec::with_capacity(512);
        self.render.line(&mut text, &line);
        self.out.line(&text, *meta.level());
    }

    /// What is around the caller, for this engine.
    pub(crate) fn place(self: &Arc<Self>) -> Option<Frame> {
        stack::current(Some(self))
    }
}

/// The ids that came with a request, as fields.
fn arrived_ids(correlation: &Correlation) -> Fields {
    let mut fields = Fields::default();
    if let Some(id) = &correlation.session_id {
        fields.put_str(names::SESSION_ID, id.as_str());
    }
    if let Some(id) = &correlation.request_id {
        fields.put_str(names::REQUEST_ID, id.as_str());
    }
    if let Some(id) = &correlation.message_id {
        fields.put_str(names::MESSAGE_ID, id.as_str());
    }
    fields
}
