//! Tail sampling: whole traces wait until it is known whether they are worth keeping.
//!
//! A trace with a span that failed, panicked, was cancelled or was slow is kept: at once, with all that waits of it, and with
//! what comes later. Any other waits until a while after its root in this process has ended, so that late children count. Then
//! the head's decision holds: it goes out if it was sampled, and is dropped otherwise. What was kept bears the threshold 0 in
//! `tracestate` (`ot=th:0`), as every such trace is kept; the rest bears the one that it was sampled by.
//!
//! Without room for more, the trace that has waited longest is decided early: one whose root has ended first.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::batch::span::Span;
use crate::TraceId;
use crate::engine::sampling::SAMPLED;
use crate::propagation::tracestate;

/// How long a trace whose root has ended waits for late children.
const LINGER: Duration = Duration::from_secs(10);
/// How many decisions are remembered at least: for children that come after them.
const FEWEST_REMEMBERED: usize = 1024;
/// What a trace takes besides its spans, and a remembered decision: their share of the maps, about.
const TRACE: usize = 256;
const DECISION: usize = 64;

pub(super) struct Tail {
    /// Those that wait.
    traces: HashMap<TraceId, Trace>,
    /// Who is decided next.
    order: BTreeMap<Rank, TraceId>,
    next: u64,
    decided: Decided,
    /// The most memory that they may take, and how much they take, in bytes.
    room: usize,
    taken: usize,
    /// How many of those that wait are sampled.
    owed: usize,
}

struct Trace {
    spans: Batch,
    rank: Rank,
    ended: Option<Instant>,
}

/// Traces whose root has ended come before those that are open, and older ones before younger ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    open: bool,
    number: u64,
}

/// Which traces that wait are decided although they might wait longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hurry {
    None,
    /// Those whose root has ended.
    Ended,
    /// All: it is over.
    All,
}

impl Tail {
    /// `room` is the most memory that traces may take which are not decided, in bytes.
    pub(super) fn new(room: usize) -> Self {
        let remembered = (room / 8 / DECISION).max(FEWEST_REMEMBERED);
        Tail {
            traces: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
            decided: Decided { most: remembered, kept: HashMap::new(), order: VecDeque::new() },
            room: room.saturating_sub(remembered * DECISION),
            taken: 0,
            owed: 0,
        }
    }

    /// How many spans wait that will go out.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// How much memory those take that wait, in bytes.
    pub(super) fn held(&self) -> usize {
        self.taken
    }

    /// Takes spans in, and puts those that are to go out in `out`. How many were dropped without a decision.
    pub(super) fn sort(&mut self, arrived: &Batch, out: &mut Batch, now: Instant, hurry: Hurry) -> usize {
        for number in 0..arrived.len() {
            self.take(&arrived.get(number), out, now);
        }
        let mut lost = 0;
        while let Some((rank, id)) = self.order.first_key_value() {
            let (rank, id) = (*rank, *id);
            let full = self.taken > self.room;
            let over = match hurry {
                Hurry::All => true,
                Hurry::Ended => !rank.open,
                Hurry::None => self.traces.get(&id).is_none_or(|trace| trace.is_over(now)),
            };
            if !over && !full {
                break;
            }
            let dropped = self.decide(id, out);
            if rank.open && hurry != Hurry::All {
                lost += dropped;
            }
        }
        lost
    }

    fn take(&mut self, span: &Span<'_>, out: &mut Batch, now: Instant) {
        let id = span.fixed.trace_id;
        let sampled = span.fixed.flags & SAMPLED != 0;
        // One of which all are sampled: there is nothing to wait for.
        if sampled && threshold(span).is_none_or(|threshold| threshold == 0) {
            return out.push_span(span);
        }
        let decision = self.decided.get(id);
        if decision == Some(true) {
            push_kept(out, span);
        } else if span.is_notable() {
            if let Some(trace) = self.remove(id) {
                (0..trace.spans.len()).for_each(|number| push_kept(out, &trace.spans.get(number)));
            }
            push_kept(out, span);
            self.decided.put(id, true);
        } else if decision.is_none() {
            self.hold(span, now);
        } else if sampled {
            out.push_span(span);
        }
    }

    fn hold(&mut self, span: &Span<'_>, now: Instant) {
        let id = span.fixed.trace_id;
        let ends = span.is_local_root();
        self.next += 1;
        let fresh = Rank { open: !ends, number: self.next };
        let (trace, before) = match self.traces.entry(id) {
            Entry::Occupied(known) => {
                let before = known.get().bytes();
                (known.into_mut(), before)
            }
            Entry::Vacant(new) => {
                self.order.insert(fresh, id);
                (new.insert(Trace { spans: Batch::default(), rank: fresh, ended: None }), 0)
            }
        };
        trace.spans.reserve_like(span);
        trace.spans.push_span(span);
        self.taken = self.taken + trace.bytes() - before;
        self.owed += usize::from(span.fixed.flags & SAMPLED != 0);
        if ends {
            trace.ended = Some(now);
            self.order.remove(&trace.rank);
            trace.rank = fresh;
            self.order.insert(fresh, id);
        }
    }

    /// Leaves it to the head: what is sampled goes out. How many spans were not.
    fn decide(&mut self, id: TraceId, out: &mut Batch) -> usize {
        let Some(trace) = self.remove(id) else { return 0 };
        self.decided.put(id, false);
        let mut dropped = 0;
        for number in 0..trace.spans.len() {
            let span = trace.spans.get(number);
            match span.fixed.flags & SAMPLED {
                0 => dropped += 1,
                _ => out.push_span(&span),
            }
        }
        dropped
    }

    fn remove(&mut self, id: TraceId) -> Option<Trace> {
        let trace = self.traces.remove(&id)?;
        self.order.remove(&trace.rank);
        self.taken -= trace.bytes();
        self.owed -= (0..trace.spans.len()).filter(|at| trace.spans.get(*at).fixed.flags & SAMPLED != 0).count();
        Some(trace)
    }
}

impl Trace {
    fn bytes(&self) -> usize {
        TRACE + self.spans.reserved()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.ended.is_some_and(|ended| now.saturating_duration_since(ended) >= LINGER)
    }
}

/// By which threshold it was sampled, where that is said.
fn threshold(span: &Span<'_>) -> Option<u64> {
    std::str::from_utf8(span.trace_state).ok().filter(|state| !state.is_empty()).and_then(tracestate::threshold)
}

/// A span of a trace that is kept whatever its randomness: it counts for itself alone.
fn push_kept(out: &mut Batch, span: &Span<'_>) {
    let state = tracestate::with_threshold(std::str::from_utf8(span.trace_state).unwrap_or_default(), 0);
    out.push_span_as(span, span.fixed.flags | SAMPLED, state.as_bytes());
}

/// The last decisions: whether a trace was kept, or left to the head.
struct Decided {
    most: usize,
    kept: HashMap<TraceId, bool>,
    order: VecDeque<TraceId>,
}

impl Decided {
    fn get(&self, id: TraceId) -> Option<bool> {
        self.kept.get(&id).copied()
    }

    fn put(&mut self, id: TraceId, kept: bool) {
        if self.kept.insert(id, kept).is_none() {
            self.order.push_back(id);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FinishedSpan;
    use crate::{Ended, SpanId};

    /// A span of the trace with this number; `parent` 0 for a root.
    fn span(trace: u128, id: u64, parent: u64) -> FinishedSpan {
        let span_id = SpanId::from_u64(id).expect("not zero");
        let span = FinishedSpan::of(TraceId::from_u128(trace).expect("not zero"), span_id, SpanId::from_u64(parent));
        FinishedSpan { outcome: Some(Ended::Ok), ..span }
    }

    fn failed(span: FinishedSpan) -> FinishedSpan {
        FinishedSpan { outcome: Some(Ended::Error), error: Some("no room".into()), ..span }
    }

    fn sampled(span: FinishedSpan, state: &str) -> FinishedSpan {
        FinishedSpan { flags: SAMPLED, trace_state: Some(state.into()), ..span }
    }

    struct Bench {
        tail: Tail,
        begin: Instant,
        lost: usize,
    }

    impl Bench {
        fn new(room: usize) -> Self {
            Bench { tail: Tail::new(room), begin: Instant::now(), lost: 0 }
        }

        fn at(&mut self, seconds: u64, hurry: Hurry, spans: &[FinishedSpan]) -> Vec<FinishedSpan> {
            let (mut arrived, mut out) = (Batch::default(), Batch::default());
            spans.iter().for_each(|span| arrived.push_finished(span));
            self.lost += self.tail.sort(&arrived, &mut out, self.begin + Duration::from_secs(seconds), hurry);
            out.to_finished(0..out.len())
        }

        /// The ids of what goes out.
        fn ids(&mut self, seconds: u64, spans: &[FinishedSpan]) -> Vec<u64> {
            self.at(seconds, Hurry::None, spans).iter().map(|span| span.span_id.to_u64()).collect()
        }

        #[track_caller]
        fn holds_nothing(&self) {
            assert_eq!((self.tail.traces.len(), self.tail.order.len(), self.tail.taken, self.tail.owed), (0, 0, 0, 0));
        }
    }

    const ROOM: usize = 32 << 20;

    #[test]
    fn a_trace_that_failed_goes_out_whole_with_its_late_children() {
        let mut bench = Bench::new(ROOM);
        assert_eq!(bench.ids(0, &[span(1, 3, 2), span(2, 9, 0)]), [0; 0]);
        assert_eq!(bench.ids(1, &[failed(span(1, 2, 1))]), [3, 2]);
        assert_eq!(bench.ids(2, &[span(1, 1, 0)]), [1]);
        assert_eq!(bench.ids(30, &[span(1, 4, 1)]), [4], "and the other one is dropped");
        bench.holds_nothing();
        assert_eq!(bench.lost, 0);
    }

    #[test]
    fn a_child_that_fails_after_its_root_has_ended_brings_the_whole_trace() {
        let mut bench = Bench::new(ROOM);
        assert_eq!(bench.ids(0, &[span(1, 2, 1), span(1, 1, 0)]), [0; 0]);
        assert_eq!(bench.ids(9, &[failed(span(1, 3, 1))]), [2, 1, 3]);
        bench.holds_nothing();
    }

    #[test]
    fn every_way_not_to_end_well_keeps() {
        for outcome in [Ended::Error, Ended::Panicked, Ended::Cancelled] {
            let span = FinishedSpan { outcome: Some(outcome), ..span(1, 1, 0) };
            assert_eq!(Bench::new(ROOM).ids(0, &[span]), [1], "{outcome:?}");
        }
        assert_eq!(Bench::new(ROOM).ids(0, &[FinishedSpan { slow: true, ..span(1, 1, 0) }]), [1]);
        assert_eq!(Bench::new(ROOM).ids(0, &[FinishedSpan { outcome: None, ..span(1, 1, 0) }]), [0; 0]);
    }

    #[test]
    fn what_is_kept_says_that_all_such_are_and_the_rest_by_which_rate() {
        let mut bench = Bench::new(ROOM);
        let out = bench.at(0, Hurry::None, &[failed(span(1, 1, 0)), failed(sampled(span(2, 1, 0), "ot=th:c,a=1"))]);
        let said: Vec<_> =
            out.iter().map(|span| (span.flags, span.trace_state.as_deref().unwrap_or_default())).collect();
        assert_eq!(said, [(1, "ot=th:0"), (1, "ot=th:0,a=1")]);
        assert_eq!(bench.at(0, Hurry::None, &[sampled(span(3, 1, 0), "ot=th:c")]).len(), 0);
        let out = bench.at(10, Hurry::None, &[]);
        assert_eq!(out[0].trace_state.as_deref(), Some("ot=th:c"));
        bench.holds_nothing();
    }

    #[test]
    fn what_is_sampled_whatever_comes_does_not_wait() {
        let sampled = FinishedSpan { flags: SAMPLED, ..span(1, 2, 1) };
        assert_eq!(Bench::new(ROOM).ids(0, &[sampled]), [2]);
    }

    #[test]
    fn a_flush_decides_what_has_ended_and_the_end_all() {
        let mut bench = Bench::new(ROOM);
        let ended = sampled(span(1, 1, 0), "ot=th:c");
        let open = sampled(span(2, 2, 1), "ot=th:c");
        assert_eq!(bench.at(0, Hurry::Ended, &[ended, open, span(3, 2, 1)]).len(), 1);
        assert_eq!(bench.tail.owed(), 1);
        assert_eq!(bench.at(0, Hurry::All, &[]).len(), 1);
        bench.holds_nothing();
        assert_eq!(bench.lost, 0, "what was not sampled and ended well is not lost");
    }

    #[test]
    fn without_room_those_that_ended_go_first_and_open_ones_are_counted() {
        let mut bench = Bench::new(0);
        // What there is room for.
        bench.tail.room = 4 * (TRACE + 300);
        assert_eq!(bench.ids(0, &[span(1, 2, 1), sampled(span(2, 2, 1), "ot=th:c"), span(3, 1, 0)]), [0; 0]);
        assert_eq!(bench.tail.traces.len(), 3);
        let many: Vec<_> = (10..14).map(|trace| span(trace, 1, 0)).collect();
        assert_eq!(bench.ids(0, &many), [0; 0]);
        assert!(bench.tail.traces.contains_key(&TraceId::from_u128(1).expect("not zero")));
        assert_eq!(bench.lost, 0, "ended well");
        let open: Vec<_> = (20..30).map(|trace| span(trace, 2, 1)).collect();
        assert_eq!(bench.ids(0, &open), [2], "the sampled one goes out when its time is over");
        assert!(bench.lost > 0);
        assert!(bench.tail.taken <= bench.tail.room);
    }

    #[test]
    fn many_traces_take_no_more_than_the_budget() {
        let mut bench = Bench::new(1 << 18);
        for trace in 1..5_000 {
            bench.ids(0, &[span(trace, 2, 1), span(trace, 1, 0)]);
        }
        let decided = bench.tail.decided.order.len() * DECISION;
        assert!(bench.tail.taken + decided <= 1 << 18, "{} and {decided}", bench.tail.taken);
        assert_eq!(bench.tail.decided.order.len(), bench.tail.decided.kept.len());
    }
}
