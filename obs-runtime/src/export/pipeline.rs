//! The bounded queue before an exporter, and the thread that empties it.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::subscriber::NoSubscriber;

use crate::engine::FinishedSpan;
use crate::export::{Delivery, Exporter};
use crate::loss::{Reason, Signal, lost};
use crate::metrics::own;

/// The most spans that an exporter gets at once.
const BATCH: usize = 512;
/// The longest that a span waits for others to go with.
const DELAY: Duration = Duration::from_secs(1);

/// Takes finished spans without ever waiting, and hands them to an exporter in batches. Dropped, it takes no more, and its
/// thread ends by itself once the exporter has what was taken.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    room: usize,
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

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is work for the thread: a first span, a full batch, or a wish to see the queue empty.
    filled: Condvar,
    /// The exporter is done with a batch.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    spans: Vec<FinishedSpan>,
    /// About how much memory the spans need.
    bytes: usize,
    /// How many spans the exporter is busy with.
    exporting: usize,
    /// Somebody waits for an empty queue: batches are not filled up first.
    hurry: bool,
    closed: bool,
    /// Nobody waits any more: what the exporter still holds is counted already.
    abandoned: bool,
    exported: Exported,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn lose(&mut self, reason: Reason, spans: usize) {
        if spans > 0 {
            self.exported.lost += spans as u64;
            lost(Signal::Spans, reason, spans as u64);
        }
    }

    fn is_idle(&self) -> bool {
        self.spans.is_empty() && self.exporting == 0
    }
}

impl Pipeline {
    /// Starts the exporter's thread. `room` is the most memory, in bytes, that waiting spans may take.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(mut exporter: impl Exporter, room: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::Builder::new().name("obs-export".to_owned()).spawn(move || {
            tracing::subscriber::with_default(NoSubscriber::new(), || run(&own, &mut exporter));
        })?;
        Ok(Pipeline { shared, room })
    }

    /// Hands a span over. Never waits: without room the span is dropped and counted.
    pub fn offer(&self, span: FinishedSpan) {
        let bytes = size(&span);
        let mut queue = self.shared.queue();
        if queue.closed {
            return queue.lose(Reason::Shutdown, 1);
        }
        if queue.bytes + bytes > self.room {
            return queue.lose(Reason::QueueFull, 1);
        }
        queue.bytes += bytes;
        own::holds(own::Queue::Spans, queue.bytes);
        queue.spans.push(span);
        if queue.spans.len() == 1 || queue.spans.len() == BATCH {
            self.shared.filled.notify_one();
        }
    }

    /// Waits until the exporter is done with everything offered so far, at most until `deadline`; whether it is.
    pub fn flush(&self, deadline: Instant) -> bool {
        let mut queue = self.shared.queue();
        queue.hurry = true;
        self.shared.filled.notify_one();
        while !queue.is_idle() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            queue = self.shared.done.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.is_idle()
    }

    /// Takes no more spans, and waits until the exporter is done with those it has, at most until `deadline`. What is not
    /// delivered by then is lost, and the thread is left to itself.
    pub fn shutdown(&self, deadline: Instant) -> Exported {
        self.shared.queue().closed = true;
        self.flush(deadline);
        let mut queue = self.shared.queue();
        let left = std::mem::take(&mut queue.spans);
        if !queue.abandoned {
            queue.abandoned = true;
            let busy = queue.exporting;
            queue.lose(Reason::Shutdown, left.len() + busy);
        }
        queue.exported.clone()
    }

    /// What became of the spans so far.
    #[must_use]
    pub fn exported(&self) -> Exported {
        self.shared.queue().exported.clone()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
    }
}

fn run(shared: &Shared, exporter: &mut impl Exporter) {
    while let Some(batch) = next(shared) {
        let offered = batch.len();
        let Delivery { accepted, problem } = catch_unwind(AssertUnwindSafe(|| exporter.export(batch)))
            .unwrap_or_else(|_| Delivery::none("the exporter panicked"));
        let accepted = accepted.min(offered);
        let mut queue = shared.queue();
        queue.exporting = 0;
        if !queue.abandoned {
            queue.exported.sent += accepted as u64;
            queue.lose(Reason::ExportFailed, offered - accepted);
        }
        if problem.is_some() {
            own::export_failed();
            queue.exported.problem = problem;
        }
        shared.done.notify_all();
    }
}

/// The next batch: full, or as old as may be. None once the queue is closed and empty.
fn next(shared: &Shared) -> Option<Vec<FinishedSpan>> {
    let mut queue = shared.queue();
    while queue.spans.is_empty() {
        queue.hurry = false;
        if queue.closed {
            return None;
        }
        queue = shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    let due = Instant::now() + DELAY;
    while queue.spans.len() < BATCH && !queue.hurry && !queue.closed {
        let Some(left) = due.checked_duration_since(Instant::now()) else { break };
        queue = shared.filled.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    let count = queue.spans.len().min(BATCH);
    let batch: Vec<FinishedSpan> = queue.spans.drain(..count).collect();
    queue.bytes = queue.bytes.saturating_sub(batch.iter().map(size).sum());
    own::holds(own::Queue::Spans, queue.bytes);
    queue.exporting = batch.len();
    Some(batch)
}

/// About how much memory a span needs.
fn size(span: &FinishedSpan) -> usize {
    let name = match &span.name {
        Cow::Borrowed(_) => 0,
        Cow::Owned(name) => name.len(),
    };
    let texts = name + span.error.as_ref().map_or(0, |error| error.len()) + span.fields.text().len();
    size_of::<FinishedSpan>() + texts + size_of_val(&*span.links)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::{Fields, SpanKind};
    use crate::{SpanId, TraceId};

    fn span() -> FinishedSpan {
        FinishedSpan {
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            parent_id: None,
            parent_is_remote: false,
            flags: 1,
            trace_state: None,
            name: "work".into(),
            target: "tests",
            location: None,
            level: tracing::Level::INFO,
            kind: SpanKind::Internal,
            start_unix_nanos: 1,
            duration_nanos: 1,
            fields: Fields::default(),
            outcome: None,
            error: None,
            links: Vec::new(),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    impl<F: FnMut(Vec<FinishedSpan>) -> Delivery + Send + 'static> Exporter for F {
        fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
            self(spans)
        }
    }

    #[test]
    fn shutdown_delivers_what_was_offered_in_bounded_batches() {
        let (sender, receiver) = mpsc::channel();
        let pipeline = Pipeline::start(
            move |spans: Vec<FinishedSpan>| {
                sender.send(spans.len()).expect("the test waits");
                Delivery::all(&spans)
            },
            usize::MAX,
        )
        .expect("a thread");
        for _ in 0..BATCH * 2 + 1 {
            pipeline.offer(span());
        }
        assert_eq!(pipeline.shutdown(soon()), Exported { sent: BATCH as u64 * 2 + 1, lost: 0, problem: None });
        let batches: Vec<usize> = receiver.try_iter().collect();
        assert!(batches.iter().all(|batch| *batch <= BATCH), "{batches:?}");
        pipeline.offer(span());
        assert_eq!(pipeline.shutdown(soon()).lost, 1, "it takes no more");
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
            10 * size(&span()),
        )
        .expect("a thread");
        pipeline.offer(span());
        begins.recv().expect("the exporter begins");
        for _ in 0..12 {
            pipeline.offer(span());
        }
        assert_eq!(pipeline.exported().lost, 2);
        drop(release);
        assert_eq!(pipeline.shutdown(soon()), Exported { sent: 11, lost: 2, problem: None });
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
