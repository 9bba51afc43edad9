//! When a request is sent again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::{Attempt, delivery};
use crate::export::Delivery;
use crate::ids;
use crate::metrics::own;

/// The first pause before a retry; each next one is half as long again, as the OpenTelemetry Collector has it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const GROWTH: f64 = 1.5;

/// Sends a request with so many spans until it is answered for good, or `timeout` is over.
pub(super) async fn until_answered<S, F>(spans: usize, timeout: Duration, mut send: S) -> Delivery
where
    S: FnMut(Duration) -> F,
    F: Future<Output = Attempt>,
{
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    let mut before = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let attempt = timeout_at(deadline, send(left)).await;
        if !matches!(attempt, Ok(Attempt::Taken { rejected: 0, .. })) {
            own::export_failed();
        }
        let (problem, after) = match attempt {
            Ok(Attempt::Taken { rejected, message }) => return delivery(spans, rejected, &message),
            Ok(Attempt::Refused(problem)) => return Delivery::none(problem),
            Ok(Attempt::Later { problem, after }) => (problem, after),
            // What an earlier attempt has said is more than that the last one had no time left.
            Err(_) => return Delivery::none(before.unwrap_or_else(|| format!("no answer within {timeout:?}"))),
        };
        let next = Instant::now() + after.unwrap_or_else(|| jittered(pause));
        if next >= deadline {
            return Delivery::none(problem);
        }
        sleep_until(next).await;
        pause = pause.mul_f64(GROWTH).min(LONGEST_PAUSE);
        before = Some(problem);
    }
}

/// Half to one and a half of the pause, so that many services do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let share = f64::from((ids::random() >> 32) as u32) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + share)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn later(after: Option<Duration>) -> Attempt {
        Attempt::Later { problem: "full".to_owned(), after }
    }

    fn taken() -> Attempt {
        Attempt::Taken { rejected: 0, message: String::new() }
    }

    #[test]
    fn pauses_differ_within_their_bounds() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_millis(100));
            assert!((50..=150).contains(&pause.as_millis()), "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_is_the_one_that_the_collector_asks_for() {
        let calls = Cell::new(0);
        let begin = Instant::now();
        let found = until_answered(3, Duration::from_secs(60), |_| {
            calls.set(calls.get() + 1);
            std::future::ready(if calls.get() == 1 { later(Some(Duration::from_secs(20))) } else { taken() })
        })
        .await;
        assert_eq!((found.accepted, calls.get()), (3, 2));
        assert_eq!(begin.elapsed(), Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_timeout_is_not_waited_for() {
        let begin = Instant::now();
        let send = |_| std::future::ready(later(Some(Duration::from_secs(20))));
        let found = until_answered(3, Duration::from_secs(10), send).await;
        assert_eq!(found, Delivery::none("full"));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_the_timeout_and_the_reason_is_kept() {
        let calls = Cell::new(0);
        let begin = Instant::now();
        let found = until_answered(3, Duration::from_secs(10), |left| {
            calls.set(calls.get() + 1);
            assert!(left <= Duration::from_secs(10));
            std::future::ready(later(None))
        })
        .await;
        assert_eq!(found, Delivery::none("full"));
        assert!(begin.elapsed() <= Duration::from_secs(10));
        assert!((4..=16).contains(&calls.get()), "{} calls in ten seconds", calls.get());
    }
}
