//! The bounded queue before an exporter, and the thread that empties it.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::shards::{Offered, Shards};
use super::tail::{Hurry, Tail};
use super::{Delivery, Exporter, Owning, Receive};
use crate::config::ObservabilityConfig;
use crate::engine::{Closed, FinishedSpan};
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;
use crate::muted;

/// The most bytes in one request, about: well below the 4 MiB that collectors take.
const REQUEST: usize = 1 << 20;
/// The exporter looks for spans as often as about so many bytes of them come, but not more often than after this time.
const ROUND: usize = 256 << 10;
const REST: Duration = Duration::from_millis(1);

/// Takes finished spans without ever waiting, and hands them to an exporter in batches. Dropped, it takes no more, and its
/// thread ends by itself once the exporter has what was taken.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    thread: Thread,
    /// The process that has the thread: not the one that a fork makes of it.
    process: u32,
}

/// How a [`Pipeline`] behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The most memory that spans may take which are not exported, in bytes.
    pub(crate) room: usize,
    /// The most spans that an exporter gets at once.
    pub(crate) batch: usize,
    /// The longest that a span waits for others to go with.
    pub(crate) delay: Duration,
    /// The memory for tail sampling, in bytes; without it what is offered goes out.
    pub(crate) tail: Option<usize>,
}

impl Settings {
    pub(crate) fn of(config: &ObservabilityConfig) -> Self {
        Settings {
            room: config.otlp_queue_bytes,
            batch: config.otlp_batch,
            delay: config.otlp_delay,
            tail: config.tail_sampling.then_some(config.tail_budget_bytes),
        }
    }

    /// For one of so many pipelines that see the same spans.
    pub(crate) fn shared_by(self, pipelines: usize) -> Self {
        Settings { tail: self.tail.map(|room| room / pipelines.max(1)), ..self }
    }

    /// How many of these spans go out whatever comes.
    fn owed(&self, batch: &Batch) -> usize {
        match self.tail {
            None => batch.len(),
            Some(_) => (0..batch.len()).filter(|number| batch.get(*number).is_owed()).count(),
        }
    }
}

/// What became of the spans that a [`Pipeline`] was offered since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many the exporter has delivered.
    pub sent: u64,
    /// How many were dropped: no room, refused, or not delivered in time.
    pub lost: u64,
    /// The exporter's last problem.
    pub problem: Option<String>,
}

#[derive(Debug)]
struct Shared {
    shards: Shards,
    settings: Settings,
    state: Mutex<State>,
    /// The exporter is done with a round.
    done: Condvar,
}

/// The exporter's thread goes round: it takes all spans that wait, and exports them in requests.
#[derive(Debug, Default)]
struct State {
    begun: u64,
    ended: u64,
    /// How many spans of this round the exporter has not done with.
    exporting: usize,
    /// How many spans wait for the rest of their traces that will go out.
    owed: usize,
    /// Somebody waits for the next round.
    hurry: bool,
    /// Nobody waits any more: what the exporter still holds is counted already.
    abandoned: bool,
    /// The thread has ended.
    over: bool,
    exported: Exported,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, spans: usize, Delivery { accepted, problem }: Delivery) {
        let mut state = self.state();
        let accepted = accepted.min(spans);
        state.exporting = state.exporting.saturating_sub(spans);
        if !state.abandoned {
            state.exported.sent += accepted as u64;
            state.lose(Reason::ExportFailed, spans - accepted);
        }
        if problem.is_some() {
            state.exported.problem = problem;
        }
    }
}

impl State {
    fn lose(&mut self, reason: Reason, spans: usize) {
        if spans > 0 {
            self.exported.lost += spans as u64;
            lost(Signal::Spans, reason, spans as u64);
        }
    }
}

impl Pipeline {
    /// Starts the exporter's thread. `room` is the most memory, in bytes, that spans may take which are not exported.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(exporter: impl Exporter, room: usize) -> std::io::Result<Self> {
        Self::begin(Owning(exporter), Settings { room, ..Settings::of(&ObservabilityConfig::default()) })
    }

    pub(crate) fn begin(mut receiver: impl Receive, settings: Settings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            shards: Shards::new(settings.room),
            settings,
            state: Mutex::default(),
            done: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let handle = thread::Builder::new().name("obs-export".to_owned()).spawn(move || {
            muted::mute();
            run(&own, &mut receiver);
        })?;
        Ok(Pipeline { shared, thread: handle.thread().clone(), process: std::process::id() })
    }

    /// Hands a span over. Never waits: without room the span is dropped and counted.
    pub fn offer(&self, span: FinishedSpan) {
        let bytes = Batch::needed_for_finished(&span);
        self.woken(self.shared.shards.offer(bytes, |batch| batch.push_finished(&span)));
    }

    /// The same with a span whose record is still at hand.
    #[inline]
    pub(crate) fn close_span(&self, span: &Closed<'_>) {
        let bytes = Batch::needed(span);
        self.woken(self.shared.shards.offer(bytes, |batch| batch.push(span)));
    }

    #[inline]
    fn woken(&self, offered: Offered) {
        if offered == Offered::Wake {
            self.thread.unpark();
        }
    }

    /// Waits until the exporter is done with everything offered so far, at most until `deadline`; whether it is.
    pub fn flush(&self, deadline: Instant) -> bool {
        if self.is_left_behind() {
            return false;
        }
        let mut state = self.shared.state();
        // A round that has begun may have missed the last spans; the next one has not.
        let wanted = state.begun + 1;
        state.hurry = true;
        self.thread.unpark();
        while state.ended < wanted && !state.over {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.shared.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether this process was made by a fork, which leaves the exporter's thread in the other one.
    pub(crate) fn is_left_behind(&self) -> bool {
        std::process::id() != self.process
    }

    /// Takes no more spans: what is offered from now on is lost.
    pub fn close(&self) {
        self.shared.shards.close();
        self.thread.unpark();
    }

    /// Takes no more spans, and waits until the exporter is done with those it has, at most until `deadline`. What is not
    /// delivered by then is lost, and the thread is left to itself.
    pub fn shutdown(&self, deadline: Instant) -> Exported {
        self.close();
        if self.is_left_behind() {
            // Its locks may be held by threads that this process does not have.
            return Exported::default();
        }
        if self.shared.state().abandoned {
            return self.exported();
        }
        if !self.flush(deadline) {
            let mut state = self.shared.state();
            let mut left = Batch::default();
            let room = self.shared.shards.drain(&mut left, &mut Vec::new());
            let in_hand = if state.abandoned { 0 } else { state.exporting + state.owed };
            let count = self.shared.settings.owed(&left) + in_hand;
            state.abandoned = true;
            state.lose(Reason::Shutdown, count);
            drop(state);
            self.shared.shards.give_back(room, &mut left);
        }
        self.exported()
    }

    /// What became of the spans so far.
    #[must_use]
    pub fn exported(&self) -> Exported {
        let mut exported = self.shared.state().exported.clone();
        exported.lost += self.shared.shards.refused();
        exported
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(shared: &Shared, receiver: &mut impl Receive) {
    let (mut batch, mut spare) = (Batch::default(), Vec::new());
    let mut tail = shared.settings.tail.map(Tail::new);
    let (mut rest, mut looked) = (shared.settings.delay, Instant::now());
    loop {
        pause(shared, rest);
        let closed = shared.shards.is_closed();
        let mut state = shared.state();
        state.begun += 1;
        let hurry = std::mem::take(&mut state.hurry);
        // Inside the lock, so that who gives up waiting finds every span either there or here.
        let mut room = shared.shards.drain(&mut batch, &mut spare);
        let since = std::mem::replace(&mut looked, Instant::now()).elapsed();
        rest = next_rest(since, batch.bytes(), shared.settings.delay);
        if let Some(tail) = &mut tail {
            let hurry = match (closed, hurry) {
                (true, _) => Hurry::All,
                (false, true) => Hurry::Ended,
                (false, false) => Hurry::None,
            };
            let mut out = spare.pop().unwrap_or_default();
            let held = tail.held();
            let lost = tail.sort(&batch, &mut out, Instant::now(), hurry);
            state.lose(Reason::TailBudget, lost);
            state.owed = tail.owed();
            own::moved(own::Queue::Tail, held, tail.held());
            // What waits has a budget of its own.
            room = shared.shards.keep(room, out.bytes(), &mut batch);
            spare.push(std::mem::replace(&mut batch, out));
        }
        state.exporting = batch.len();
        drop(state);

        let mut next = 0;
        let mut requests = iter::from_fn(|| {
            let begin = next;
            next = batch.end_of_request(begin, shared.settings.batch, REQUEST);
            (begin < next && !shared.state().abandoned).then_some(begin..next)
        });
        let mut settle = |spans, delivery| shared.settle(spans, delivery);
        let whole = catch_unwind(AssertUnwindSafe(|| receiver.receive(&batch, &mut requests, &mut settle)));
        let unsettled = shared.state().exporting;
        shared.settle(unsettled, whole.map_or_else(|_| Delivery::panicked(), |()| Delivery::default()));
        shared.shards.give_back(room, &mut batch);
        let mut state = shared.state();
        state.ended = state.begun;
        // What came before it was closed is seen by a round that began after that.
        state.over = closed;
        shared.done.notify_all();
        if closed {
            return;
        }
    }
}

/// Waits until there is enough to do, or the oldest span has waited long enough.
fn pause(shared: &Shared, rest: Duration) {
    let due = Instant::now() + rest;
    while !shared.shards.is_due() && !shared.state().hurry {
        let Some(left) = due.checked_duration_since(Instant::now()) else { return };
        thread::park_timeout(left);
    }
}

/// How long a round takes to come together, by what has come since the last one: so nobody who ends a span has to wake the exporter,
/// which is a call of the system, and what waits stays in the caches of processors.
fn next_rest(since: Duration, bytes: usize, longest: Duration) -> Duration {
    let rest = since.as_secs_f64() * ROUND as f64 / bytes.max(1) as f64;
    Duration::try_from_secs_f64(rest).unwrap_or(Duration::MAX).max(REST).min(longest)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::Link;
    use crate::{SpanId, TraceId};

    fn span() -> FinishedSpan {
        FinishedSpan { flags: 1, ..FinishedSpan::of(TraceId::random(), SpanId::random(), None) }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    impl<F: FnMut(Vec<FinishedSpan>) -> Delivery + Send + 'static> Exporter for F {
        fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
            self(spans)
        }
    }

    /// A pipeline with so much room whose exporter takes everything, and how many spans each of its batches has.
    fn taking(room: usize) -> (Pipeline, mpsc::Receiver<usize>) {
        let (sender, receiver) = mpsc::channel();
        let exporter = move |spans: Vec<FinishedSpan>| {
            sender.send(spans.len()).expect("the test waits");
            Delivery::all(&spans)
        };
        (Pipeline::start(exporter, room).expect("a thread"), receiver)
    }

    #[test]
    fn shutdown_delivers_what_was_offered_in_bounded_batches() {
        let batch = ObservabilityConfig::default().otlp_batch;
        let (pipeline, receiver) = taking(usize::MAX);
        for _ in 0..batch * 2 + 1 {
            pipeline.offer(span());
        }
        assert_eq!(pipeline.shutdown(soon()), Exported { sent: batch as u64 * 2 + 1, lost: 0, problem: None });
        let batches: Vec<usize> = receiver.try_iter().collect();
        assert!(batches.iter().all(|size| *size <= batch), "{batches:?}");
        pipeline.offer(span());
        assert_eq!(pipeline.shutdown(soon()).lost, 1, "it takes no more");
    }

    #[test]
    fn the_exporter_looks_as_often_as_enough_has_come() {
        let (second, rest) = (Duration::from_secs(1), |since, bytes| next_rest(since, bytes, Duration::from_secs(1)));
        assert_eq!(rest(second, 0), second);
        assert_eq!(rest(second, ROUND / 10), second, "no longer than a span may wait");
        assert_eq!(rest(second, ROUND * 100), Duration::from_millis(10));
        assert_eq!(rest(Duration::from_millis(10), ROUND), Duration::from_millis(10));
        assert_eq!(rest(Duration::ZERO, 0), REST);
    }

    #[test]
    fn a_request_is_bounded_in_bytes_whatever_its_spans_are_made_of() {
        let link = Link { trace_id: TraceId::random(), span_id: SpanId::random() };
        let (pipeline, receiver) = taking(usize::MAX);
        for _ in 0..1_000 {
            pipeline.offer(FinishedSpan { links: vec![link; 128], ..span() });
        }
        assert_eq!(pipeline.shutdown(soon()).sent, 1_000);
        let batches: Vec<usize> = receiver.try_iter().collect();
        assert!(batches.iter().all(|spans| spans * 128 * 28 <= REQUEST), "{batches:?}");
    }

    #[test]
    fn every_span_of_every_thread_is_delivered_or_counted() {
        let (pipeline, receiver) = taking(200 * Batch::needed_for_finished(&span()));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| pipeline.offer(span())));
            }
            scope.spawn(|| (0..50).for_each(|_| assert!(pipeline.flush(soon()))));
        });
        let exported = pipeline.shutdown(soon());
        assert_eq!(exported.sent + exported.lost, 20_000);
        assert_eq!(receiver.try_iter().sum::<usize>() as u64, exported.sent);
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let (release, wait) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let pipeline = Pipeline::start(
            move |spans: Vec<FinishedSpan>| {
                begun.send(()).expect("the test waits");
                let _ = wait.recv();
                Delivery::all(&spans)
            },
            10 * Batch::needed_for_finished(&span()),
        )
        .expect("a thread");
        pipeline.offer(span());
        assert!(!pipeline.flush(Instant::now()));
        begins.recv().expect("the exporter begins");
        for _ in 0..12 {
            pipeline.offer(span());
        }
        let lost = pipeline.exported().lost;
        assert!(lost >= 3, "what is being exported still takes its room: {lost}");
        drop(release);
        assert_eq!(pipeline.shutdown(soon()), Exported { sent: 13 - lost, lost, problem: None });
    }

    #[test]
    fn an_exporter_that_never_returns_does_not_hold_up_the_shutdown() {
        let (release, wait) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let pipeline = Pipeline::start(
            move |spans: Vec<FinishedSpan>| {
                begun.send(()).expect("the test waits");
                let _ = wait.recv();
                Delivery::all(&spans)
            },
            usize::MAX,
        )
        .expect("a thread");
        pipeline.offer(span());
        assert!(!pipeline.flush(Instant::now()));
        begins.recv().expect("the exporter begins");
        pipeline.offer(span());
        let begin = Instant::now();
        let exported = pipeline.shutdown(begin + Duration::from_millis(50));
        assert!(begin.elapsed() < Duration::from_millis(150), "{:?}", begin.elapsed());
        assert_eq!((exported.sent, exported.lost), (0, 2));
        drop(release);
        assert_eq!(pipeline.shutdown(soon()).lost, 2, "nothing is counted twice");
    }

    #[test]
    fn an_exporter_that_panics_loses_its_batch_only() {
        let mut calls = 0;
        let pipeline = Pipeline::start(
            move |spans: Vec<FinishedSpan>| {
                calls += 1;
                assert!(calls > 1, "the first batch is too much");
                Delivery::all(&spans)
            },
            usize::MAX,
        )
        .expect("a thread");
        pipeline.offer(span());
        assert!(pipeline.flush(soon()));
        pipeline.offer(span());
        let exported = pipeline.shutdown(soon());
        assert_eq!((exported.sent, exported.lost), (1, 1));
        assert_eq!(exported.problem.as_deref(), Some("the exporter panicked"));
    }

    #[test]
    fn what_an_exporter_refuses_is_lost_and_it_says_why() {
        let pipeline = Pipeline::start(|_: Vec<FinishedSpan>| Delivery::none("no room"), usize::MAX).expect("a thread");
        pipeline.offer(span());
        let exported = pipeline.shutdown(soon());
        assert_eq!(exported, Exported { sent: 0, lost: 1, problem: Some("no room".to_owned()) });
    }
}
