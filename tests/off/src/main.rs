//! Runs annotated functions beside plain ones. Built with `--cfg obs_off`, nothing is left of the annotations.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use obs_runtime::tracing::span::{Attributes, Id, Record};
use obs_runtime::tracing::{Event, Metadata, Subscriber, subscriber};
use obs_runtime::{correlated, observe, observed, record};

/// Counts spans and events.
struct Counting;

static SEEN: AtomicU64 = AtomicU64::new(0);

impl Subscriber for Counting {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(SEEN.fetch_add(1, Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        SEEN.fetch_add(1, Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn poll_next<S: Stream>(stream: Pin<&mut S>) -> Poll<Option<S::Item>> {
    stream.poll_next(&mut Context::from_waker(Waker::noop()))
}

fn asked() -> u8 {
    SEEN.fetch_add(1, Relaxed);
    1
}

#[observed(n, asked = asked(), late(half), ret, slow = "1ms", audit, kind = "client", level = "warn", target = "t")]
fn sync(n: u32) -> Result<u32, String> {
    record!(half = n / 2);
    if n == 0 { Err("zero".to_owned()) } else { Ok(observe!("twice", n; { n * 2 })) }
}

#[observed(err = off, metrics = off, root)]
async fn asynchronous(bytes: [u8; 64]) -> usize {
    std::future::ready(()).await;
    bytes.len()
}

async fn plain(bytes: [u8; 64]) -> usize {
    std::future::ready(()).await;
    bytes.len()
}

#[observed]
fn boxed(n: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { n })
}

type Alias = Pin<Box<dyn Future<Output = u8>>>;

#[observed(future)]
fn hidden(n: u8) -> Alias {
    Box::pin(async move { n })
}

#[correlated]
#[observed]
fn inbound(headers: &BTreeMap<String, String>) -> usize {
    headers.len()
}

#[correlated(outbound)]
fn outbound(headers: &mut BTreeMap<String, String>) -> usize {
    headers.len()
}

/// Returns what cannot fail: its body stays where it is.
#[track_caller]
#[observed(n)]
fn called_from(n: u32) -> u32 {
    n + std::panic::Location::caller().line()
}

/// Returns what can: its body goes into a function of its own.
#[track_caller]
#[observed(n)]
fn tried_from(n: u32) -> Result<u32, String> {
    Ok(n + std::panic::Location::caller().line())
}

struct Countdown(u8);

impl Stream for Countdown {
    type Item = u8;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        self.0 = match self.0.checked_sub(1) {
            Some(left) => left,
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(self.0))
    }
}

#[observed(stream)]
fn countdown(from: u8) -> impl Stream<Item = u8> {
    Countdown(from)
}

fn main() {
    subscriber::with_default(Counting, || {
        assert_eq!(sync(4), Ok(8));
        assert!(sync(0).is_err());
        assert_eq!(now(asynchronous([0; 64])), 64);
        assert_eq!((now(boxed(1)), now(hidden(2))), (1, 2));
        assert_eq!((called_from(0), tried_from(0)), (line!(), Ok(line!())));
        assert!(matches!(poll_next(pin!(countdown(2))), Poll::Ready(Some(1))));
        assert_eq!(inbound(&BTreeMap::new()) + outbound(&mut BTreeMap::new()), 0);
    });
    let (observed, twin) = (size_of_val(&asynchronous([0; 64])), size_of_val(&plain([0; 64])));
    let callsite = size_of::<obs_runtime::__private::Callsite>();
    if cfg!(obs_off) {
        assert_eq!(SEEN.load(Relaxed), 0, "something was seen");
        assert_eq!(observed, twin, "the future has grown");
        assert_eq!(callsite, 0, "a static is left");
    } else {
        assert!(SEEN.load(Relaxed) > 0 && observed > twin && callsite > 0);
    }
    println!("off: {}", cfg!(obs_off));
}
