//! A span while it is open: ids, times, and the fields that its log lines bear.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracing::Metadata;

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::events::Events;
use crate::engine::fields::List;
use crate::engine::running::{Beacon, Polled};
use crate::engine::sampling::SAMPLED;
use crate::engine::slots;
use crate::engine::{Link, SpanKind};
use crate::ids;
use crate::metrics::operations::Operation;
use crate::metrics::scope::Scope;
use crate::propagation::{Correlation, TraceContext};
use crate::{SpanId, TraceId};

/// How many failures of children a span remembers, to know an error that it only passes on.
const FAILURES_KEPT: usize = 4;

/// How many links a span has at most: the limit of the OpenTelemetry specification.
pub(crate) const LINKS_KEPT: usize = 128;

/// Counts late fields, of all spans: as long as it stands still, what a span inherited is what its parent has.
static LATE: AtomicU64 = AtomicU64::new(0);

/// An open span, or an observed call whose span is off: then it measures, and hands on what is around it.
///
/// It is owned by the call that it belongs to, lies on the stack of the thread that works in it, or in a slot where
/// `tracing` and other threads find it. It moves between those by its box; it is never shared.
#[derive(Default)]
pub(crate) struct Record {
    /// The engine it belongs to; `None` under a foreign subscriber, or none.
    pub(crate) core: Option<CoreRef>,
    /// Whether it is a span of that engine.
    pub(crate) on: bool,
    /// The operation has ended: it keeps what it has.
    pub(crate) ended: bool,
    /// Names the record: the span's id, or a number of its own where the span is off.
    pub(crate) key: u64,
    pub(crate) meta: Option<&'static Metadata<'static>>,
    /// The callsite of an observed call; `None` for a span of plain `tracing`.
    pub(crate) site: Option<&'static Callsite>,
    /// Its own ids; where the span is off, those of the span around it.
    pub(crate) ids: Option<Ids>,
    pub(crate) start: Moment,
    /// What it inherited, and its own.
    pub(crate) fields: List,
    /// Where what it inherited comes from.
    pub(crate) parent: Parent,
    /// Raised whenever a field comes late.
    pub(crate) version: u32,
    /// What came from the caller, besides the trace.
    pub(crate) carried: Option<Arc<Correlation>>,
    /// The cells that count it.
    pub(crate) measured: Option<&'static Operation>,
    /// Where its metrics go while a capture runs.
    pub(crate) scope: Option<Arc<Scope>>,
    pub(crate) kind: SpanKind,
    /// What happened inside it.
    pub(crate) events: Events,
    /// What it tells to whoever asks what is running.
    pub(crate) beacon: Option<Arc<Beacon>>,
    /// What few spans have.
    rare: Option<Box<Rare>>,
    /// Somebody is told when it is entered and left: a foreign subscriber, or a filter with directives on spans.
    pub(crate) watched: bool,
    /// `,"trace_id":…,"span_id":…`, rendered for the first line.
    head: Option<[u8; HEAD]>,
}

/// What few spans have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Another name than its metadata's.
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) links: Vec<Link>,
    /// The texts of its children's last failures.
    failures: Vec<String>,
    /// The span of a foreign subscriber.
    pub(crate) foreign: Option<tracing::Span>,
    /// The last time that it was entered while somebody watched.
    pub(crate) polled: Option<Polled>,
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

/// The record that another one inherits from.
#[derive(Clone, Copy, Default)]
pub(crate) struct Parent {
    /// Its key; 0 for none.
    pub(crate) key: u64,
    /// Its slot, where it has one; 0 where it was seen on this thread's stack.
    pub(crate) slot: u64,
    /// Its version when its fields were taken over.
    version: u32,
    /// How many late fields there were then.
    late: u64,
}

const HEAD: usize = 75;

impl Record {
    /// As good as new, with its buffers kept. The ids and times of the next span are set when it opens.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if let Some(beacon) = &self.beacon {
            beacon.put_out();
        }
        self.core = None;
        (self.on, self.ended, self.watched) = (false, false, false);
        self.site = None;
        self.ids = None;
        self.fields.clear();
        self.parent = Parent::default();
        self.version = 0;
        self.carried = None;
        self.measured = None;
        self.scope = None;
        self.kind = SpanKind::Internal;
        self.events.clear();
        self.rare = None;
        self.head = None;
    }

    #[inline]
    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn take_rare(&mut self) -> Rare {
        self.rare.take().map_or_else(Rare::default, |rare| *rare)
    }

    pub(crate) fn foreign(&self) -> Option<&tracing::Span> {
        self.rare()?.foreign.as_ref()
    }

    /// The thread that was seen to enter it has left it.
    pub(crate) fn left(&mut self) {
        if let Some(polled) = self.rare.as_mut().and_then(|rare| rare.polled.as_mut()) {
            polled.is_inside = false;
        }
    }

    pub(crate) fn take_foreign(&mut self) -> Option<tracing::Span> {
        self.rare.as_mut()?.foreign.take()
    }

    pub(crate) fn foreign_and_fields(&mut self) -> (Option<&tracing::Span>, &mut List) {
        (self.rare.as_ref().and_then(|rare| rare.foreign.as_ref()), &mut self.fields)
    }

    /// The ids of a span that no other of this process is above, in a trace that is exported: a sampled one, or, where
    /// others are wanted too, one that tail sampling keeps.
    #[inline]
    pub(crate) fn exported_root(&self, is_notable: impl FnOnce() -> bool) -> Option<(TraceId, SpanId)> {
        let wants_all = || self.core.as_ref().is_some_and(|core| core.out.wants_unsampled());
        let ids = self.ids.as_ref().filter(|ids| ids.flags & SAMPLED != 0 || (wants_all() && is_notable()))?;
        (ids.parent.is_none() || ids.parent_is_remote).then_some((ids.trace, ids.span))
    }

    /// The address of its engine: which one it is.
    #[inline]
    pub(crate) fn engine(&self) -> usize {
        self.core.as_ref().map_or(0, CoreRef::address)
    }

    /// Its engine, if the filter of that has directives on spans: then it is told which are entered.
    #[inline]
    pub(crate) fn watching_core(&self) -> Option<&CoreRef> {
        self.core.as_ref().filter(|core| core.filter.watches_spans())
    }

    /// Takes over what is around it: its trace, its fields, and what came from the caller.
    #[inline]
    pub(crate) fn inherit(&mut self, parent: &Record, slot: u64) {
        self.ids = parent.ids;
        self.carried.clone_from(&parent.carried);
        self.fields.inherit(&parent.fields, parent.parent);
        self.parent = Parent { key: parent.key, slot, version: parent.version, late: LATE.load(Relaxed) };
    }

    /// Whether a field may have come late to a span around it since it last looked.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.parent.key != 0 && self.parent.late != LATE.load(Relaxed)
    }

    /// The span around it that is the next where so many have closed.
    pub(crate) fn around(&self, closed: usize) -> Option<Parent> {
        let above = self.fields.above();
        match closed {
            0 => Some(self.parent),
            _ => above.len().checked_sub(closed).map(|at| above[at].span),
        }
    }

    /// Takes over what `around` has by now: the parent, or the next span above it where so many have closed.
    pub(crate) fn inherit_again(&mut self, around: &Record, closed: usize) {
        let Some(known) = self.around(closed).filter(|known| known.version != around.version) else { return };
        let span = Parent { version: around.version, ..known };
        self.fields.inherit_again(&around.fields, around.parent, span, closed);
        if closed == 0 {
            self.parent.version = span.version;
        }
        self.version = self.version.wrapping_add(1);
    }

    /// It has looked.
    pub(crate) fn is_fresh(&mut self, late: u64) {
        self.parent.late = late;
    }

    /// Adds fields rendered elsewhere; an ended span keeps what it has.
    pub(crate) fn record(&mut self, later: &List) {
        if !self.ended && !later.is_empty() {
            self.fields.merge(later);
            self.version = self.version.wrapping_add(1);
            LATE.fetch_add(1, Relaxed);
        }
    }

    /// `,"trace_id":…,"span_id":…` where it has ids, and all its fields.
    #[inline]
    pub(crate) fn head_and_fields(&mut self) -> (Option<&[u8]>, &List) {
        let Some(ids) = self.ids else { return (None, &self.fields) };
        let head = self.head.get_or_insert_with(|| {
            let mut head = *b",\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"0000000000000000\"";
            let trace = ids.trace.to_u128();
            head[13..29].copy_from_slice(&ids::hex((trace >> 64) as u64));
            head[29..45].copy_from_slice(&ids::hex(trace as u64));
            head[58..74].copy_from_slice(&ids::hex(ids.span.to_u64()));
            head
        });
        (Some(head), &self.fields)
    }

    /// The correlation of this span: what its children, here or elsewhere, continue.
    pub(crate) fn correlation(&self) -> Option<Correlation> {
        let ids = self.ids?;
        let mut correlation = self.carried.as_deref().cloned().unwrap_or_default();
        correlation.link = None;
        let state = correlation.trace.take().and_then(|trace| trace.state);
        correlation.trace = Some(TraceContext { trace_id: ids.trace, span_id: ids.span, flags: ids.flags, state });
        Some(correlation)
    }

    /// Refers to another span, if there is room.
    pub(crate) fn link(&mut self, link: Link) {
        let links = &mut self.rare_mut().links;
        if links.len() < LINKS_KEPT {
            links.push(link);
        }
    }

    /// Remembers that a child has failed with this text.
    pub(crate) fn child_failed(&mut self, text: String) {
        let failures = &mut self.rare_mut().failures;
        if failures.len() == FAILURES_KEPT {
            failures.remove(0);
        }
        failures.push(text);
    }

    /// Whether a child has failed.
    pub(crate) fn failed_below(&self) -> bool {
        self.rare().is_some_and(|rare| !rare.failures.is_empty())
    }

    /// Whether an error with these texts began further down: a child has failed with the same text, or one that is
    /// contained in one of these.
    pub(crate) fn passes_on(&self, texts: &[String]) -> bool {
        let is_told =
            |mark: &String| texts.iter().any(|text| text == mark || (!mark.is_empty() && text.contains(mark.as_str())));
        self.rare().is_some_and(|rare| rare.failures.iter().any(is_told))
    }
}

/// A link to the span in this slot.
pub(crate) fn link_to(slot: u64) -> Option<Link> {
    let ids = slots::with(slot, |record| record.ids).flatten()?;
    Some(Link { trace_id: ids.trace, span_id: ids.span })
}

/// How many late fields there have been.
pub(crate) fn late() -> u64 {
    LATE.load(Relaxed)
}
