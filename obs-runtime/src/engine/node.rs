//! A span while it is open: ids, times, and the fields that its log lines bear.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::Metadata;

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::Core;
use crate::engine::{Fields, FinishedSpan, Link, SpanKind};
use crate::metrics::operations::Operation;
use crate::metrics::scope::Scope;
use crate::names;
use crate::outcome::Ended;
use crate::propagation::{Correlation, TraceContext};
use crate::{SpanId, TraceId};

/// How many failures of children a span remembers, to know an error that it only passes on.
const FAILURES_KEPT: usize = 4;

/// An open span, or an observed call whose span is off: then it only measures.
pub(crate) struct Node {
    /// The engine it belongs to; `None` under a foreign subscriber, or none.
    pub(crate) core: Option<Arc<Core>>,
    /// Whether it is a span of that engine; else it is an observed call whose span is off, and only measures.
    pub(crate) on: bool,
    pub(crate) meta: &'static Metadata<'static>,
    /// The callsite of an observed call; `None` for a span of plain `tracing`.
    pub(crate) site: Option<&'static Callsite>,
    /// Its own ids; where the span is off, those of the span around it.
    pub(crate) ids: Option<Ids>,
    pub(crate) start: Moment,
    /// What came from the caller, besides the trace.
    pub(crate) carried: Option<Arc<Correlation>>,
    /// The cells that count it.
    pub(crate) measured: Option<&'static Operation>,
    /// Where its metrics go while a capture runs.
    pub(crate) scope: Option<Arc<Scope>>,
    /// The id under which `tracing` knows it, once it does.
    pub(crate) id: OnceLock<u64>,
    inner: Mutex<Inner>,
}

/// A span's place in its trace.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) parent_is_remote: bool,
    pub(crate) flags: u8,
}

#[derive(Default)]
struct Inner {
    parent: Option<Arc<Node>>,
    /// What an ended parent left to its children: an open one is asked instead.
    inherited: Fields,
    own: Fields,
    name: Option<Cow<'static, str>>,
    kind: SpanKind,
    links: Vec<Link>,
    failures: Vec<String>,
    ended: bool,
    foreign: Option<tracing::Span>,
}

impl Inner {
    fn mark(&mut self, text: &str) {
        if self.failures.len() == FAILURES_KEPT {
            self.failures.remove(0);
        }
        self.failures.push(text.to_owned());
    }
}

impl Node {
    /// A node without a span: it measures, and remembers its children's failures.
    pub(crate) fn measuring(meta: &'static Metadata<'static>, parent: Option<Arc<Node>>) -> Self {
        Node {
            core: None,
            on: false,
            meta,
            site: None,
            ids: parent.as_ref().and_then(|parent| parent.ids),
            start: Moment::now(),
            carried: parent.as_ref().and_then(|parent| parent.carried.clone()),
            measured: None,
            scope: None,
            id: OnceLock::new(),
            inner: Mutex::new(Inner { parent, ..Inner::default() }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn parent(&self) -> Option<Arc<Node>> {
        self.inner().parent.clone()
    }

    /// Adds fields rendered elsewhere; an ended span keeps what it has.
    pub(crate) fn record(&self, later: &Fields) {
        let mut inner = self.inner();
        if !inner.ended {
            inner.own.merge(later);
        }
    }

    pub(crate) fn set_name(&self, name: Cow<'static, str>) {
        self.inner().name = Some(name);
    }

    pub(crate) fn set_kind(&self, kind: SpanKind) {
        self.inner().kind = kind;
    }

    pub(crate) fn link(&self, link: Link) {
        self.inner().links.push(link);
    }

    /// The handle of a foreign subscriber's span, kept until the call ends.
    pub(crate) fn set_foreign(&self, span: tracing::Span) {
        self.inner().foreign = Some(span);
    }

    pub(crate) fn foreign(&self) -> Option<tracing::Span> {
        self.inner().foreign.clone()
    }

    pub(crate) fn take_foreign(&self) -> Option<tracing::Span> {
        self.inner().foreign.take()
    }

    /// The fields of this span and of all around it, innermost last.
    pub(crate) fn all_fields(&self) -> Fields {
        let mut around = Vec::new();
        let mut next = self.parent();
        while let Some(node) = next {
            next = node.parent();
            around.push(node);
        }
        let mut fields = Fields::default();
        for node in around.iter().rev().map(|node| &**node).chain([self]) {
            let inner = node.inner();
            fields.merge(&inner.inherited);
            fields.merge(&inner.own);
        }
        fields
    }

    /// The correlation of this span: what its children, here or elsewhere, continue.
    pub(crate) fn correlation(&self) -> Option<Correlation> {
        let ids = self.ids?;
        let mut correlation = self.carried.as_deref().cloned().unwrap_or_default();
        correlation.link = None;
        let state = correlation.trace.take().and_then(|trace| trace.state);
        // It was the first span's, not its children's.
        correlation.link = None;
        correlation.trace = Some(TraceContext { trace_id: ids.trace, span_id: ids.span, flags: ids.flags, state });
        Some(correlation)
    }

    /// Whether an error with these texts began further down: a child has failed with the same text, or one that is
    /// contained in one of these.
    pub(crate) fn passes_on(&self, texts: &[String]) -> bool {
        self.inner()
            .failures
            .iter()
            .any(|mark| texts.iter().any(|text| text == mark || (!mark.is_empty() && text.contains(mark.as_str()))))
    }

    /// Whether any observed call below has failed.
    pub(crate) fn failed_below(&self) -> bool {
        !self.inner().failures.is_empty()
    }

    /// Remembers a failure as one that was told below.
    pub(crate) fn mark(&self, text: &str) {
        self.inner().mark(text);
    }

    /// Tells the observed call around this one, and the plain spans between, that this one failed.
    pub(crate) fn mark_parents(&self, text: &str) {
        let mut next = self.parent();
        while let Some(node) = next {
            let mut inner = node.inner();
            inner.mark(text);
            let parent = inner.parent.clone();
            drop(inner);
            next = if node.site.is_some() { None } else { parent };
        }
    }

    /// Ends the span, once: later calls, and what is recorded later, change nothing.
    pub(crate) fn finish(&self, end: Moment, outcome: Option<Ended>, error: Option<(&str, &str)>) {
        let mut closing = Fields::default();
        if let Some(outcome) = outcome {
            closing.put_str(names::OUTCOME, outcome.as_str());
        }
        if let Some((text, kind)) = error {
            closing.put_str(names::ERROR, text);
            closing.put_str(names::ERROR_TYPE, kind);
        }
        let inherited = self.all_but_own();
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.ended, true) {
            return;
        }
        inner.inherited = inherited;
        inner.parent = None;
        let mut fields = inner.own.clone();
        fields.merge(&closing);
        let (name, kind, links) = (inner.name.take(), inner.kind, std::mem::take(&mut inner.links));
        drop(inner);

        let (Some(core), Some(ids), true) = (&self.core, self.ids, self.on) else { return };
        core.finished(FinishedSpan {
            trace_id: ids.trace,
            span_id: ids.span,
            parent_id: ids.parent,
            parent_is_remote: ids.parent_is_remote,
            flags: ids.flags,
            trace_state: self
                .carried
                .as_ref()
                .and_then(|carried| carried.trace.as_ref())
                .and_then(|trace| trace.state.clone()),
            name: name.unwrap_or(Cow::Borrowed(self.meta.name())),
            target: self.meta.target(),
            location: self.meta.file().zip(self.meta.line()),
            level: *self.meta.level(),
            kind,
            start_unix_nanos: self.start.unix_nanos(),
            duration_nanos: end.since(self.start),
            fields,
            outcome,
            error: error.map(|(text, _)| text.into()),
            links,
        });
    }

    /// What an ended span leaves to children that outlive it, so that a chain of spans, each begun in the one before, holds
    /// no ended one.
    fn all_but_own(&self) -> Fields {
        match self.parent() {
            Some(parent) => parent.all_fields(),
            None => self.inner().inherited.clone(),
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.meta.name()).finish_non_exhaustive()
    }
}
