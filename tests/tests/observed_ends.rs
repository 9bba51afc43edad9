//! Every way in which a call can end is seen as what it is, and nothing stays in flight; errors are told once.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::{Captured, capture, capture_async};
use obs_runtime::{Ended, observed};

/// What was seen of the only call of this name.
fn ended<T>(seen: &Captured<T>, name: &str) -> Ended {
    let outcome = seen.span(name).outcome.expect("an outcome");
    assert_eq!(in_flight(seen), 0.0, "something is in flight");
    let labels = [("operation", name), ("outcome", outcome.as_str())];
    assert_eq!(seen.metric("operation_duration_seconds_count", &labels), Some(1.0));
    outcome
}

fn in_flight<T>(seen: &Captured<T>) -> f64 {
    seen.metric("operations_in_flight", &[]).unwrap_or_default()
}

/// The `error`s that were told by events, in order.
fn told<T>(seen: &Captured<T>) -> Vec<&str> {
    seen.logs()
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.ends_with(" failed")))
        .map(|line| line["error"].as_str().unwrap_or_default())
        .collect()
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs what panics, without the report of the panic.
fn unwinds(code: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(code)).is_err()
}

/// Panics, unless the thread does so already, when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic::resume_unwind(Box::new("dropped"));
        }
    }
}

fn explode() {
    panic::resume_unwind(Box::new("exploded"));
}

mod panics {
    use super::*;

    #[observed]
    fn body() {
        explode();
    }

    #[observed]
    async fn first_poll() {
        explode();
    }

    #[observed]
    async fn second_poll() {
        tokio::task::yield_now().await;
        explode();
    }

    #[observed]
    fn destructor() {
        let _bomb = Bomb;
    }

    #[observed]
    fn destructor_of_an_argument(_bomb: Bomb) {}

    #[observed]
    async fn destructor_async() {
        let _bomb = Bomb;
        tokio::task::yield_now().await;
    }

    #[observed]
    fn before_the_future(fail: bool) -> Pin<Box<dyn Future<Output = ()>>> {
        if fail {
            explode();
        }
        Box::pin(std::future::ready(()))
    }

    fn run<F: Future>(future: F) {
        let mut future = pin!(future);
        while poll(future.as_mut()).is_pending() {}
    }

    #[test]
    fn a_panic_is_seen_as_one_wherever_it_begins() {
        assert_eq!(ended(&capture(|| unwinds(body)), "body"), Ended::Panicked);
        assert_eq!(ended(&capture(|| unwinds(|| run(first_poll()))), "first_poll"), Ended::Panicked);
        assert_eq!(ended(&capture(|| unwinds(|| run(second_poll()))), "second_poll"), Ended::Panicked);
        assert_eq!(ended(&capture(|| unwinds(destructor)), "destructor"), Ended::Panicked);
        let seen = capture(|| unwinds(|| destructor_of_an_argument(Bomb)));
        assert_eq!(ended(&seen, "destructor_of_an_argument"), Ended::Panicked);
        assert_eq!(ended(&capture(|| unwinds(|| run(destructor_async()))), "destructor_async"), Ended::Panicked);
        let seen = capture(|| unwinds(|| drop(before_the_future(true))));
        assert_eq!(ended(&seen, "before_the_future"), Ended::Panicked);
    }

    #[test]
    fn a_destructor_that_panics_while_its_future_is_cancelled_leaves_nothing_behind() {
        let seen = capture(|| {
            unwinds(|| {
                let mut future = Box::pin(destructor_async());
                assert!(poll(future.as_mut()).is_pending());
                drop(future);
            });
            obs_runtime::info!("after");
        });
        assert_eq!(in_flight(&seen), 0.0);
        assert_eq!(seen.spans().len(), 1);
        // The span is left: what comes after is in none.
        let after = seen.logs().iter().find(|line| line["message"] == "after").expect("the line");
        assert!(after["span_id"].is_null());
    }

    #[test]
    fn a_poll_that_panics_and_is_caught_by_the_executor_has_panicked_and_was_not_cancelled() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seen = capture(|| {
            runtime.block_on(async { obs_runtime::spawn(second_poll()).await.expect_err("it panics").is_panic() })
        });
        assert!(seen.value);
        assert_eq!(ended(&seen, "second_poll"), Ended::Panicked);
    }
}

mod drops {
    use super::*;

    #[observed]
    async fn waits() {
        std::future::pending::<()>().await;
    }

    #[observed]
    async fn around() {
        waits().await;
    }

    #[observed]
    fn boxed() -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(std::future::pending())
    }

    #[test]
    fn a_future_that_is_dropped_was_cancelled_if_it_had_begun() {
        let never = capture(|| drop(waits()));
        assert_eq!((never.spans().len(), in_flight(&never)), (0, 0.0));
        let between = capture(|| assert!(poll(pin!(waits())).is_pending()));
        assert_eq!(ended(&between, "waits"), Ended::Cancelled);
        // One that its function returns has begun with the call.
        assert_eq!(ended(&capture(|| drop(boxed())), "boxed"), Ended::Cancelled);
        let nested = capture(|| assert!(poll(pin!(around())).is_pending()));
        assert_eq!((ended(&nested, "around"), ended(&nested, "waits")), (Ended::Cancelled, Ended::Cancelled));
    }

    #[test]
    fn one_that_is_dropped_because_its_sibling_panics_was_cancelled() {
        let seen = capture(|| {
            unwinds(|| {
                let mut waiting = Box::pin(waits());
                assert!(poll(waiting.as_mut()).is_pending());
                explode();
            })
        });
        assert_eq!(ended(&seen, "waits"), Ended::Cancelled);
    }

    #[tokio::test]
    async fn aborted_and_unselected_futures_were_cancelled() {
        let aborted = capture_async(async {
            let task = obs_runtime::spawn(waits());
            tokio::task::yield_now().await;
            task.abort();
            task.await.expect_err("it is aborted").is_cancelled()
        });
        let aborted = aborted.await;
        assert!(aborted.value);
        assert_eq!(ended(&aborted, "waits"), Ended::Cancelled);

        #[observed]
        async fn wins() -> u8 {
            tokio::task::yield_now().await;
            1
        }
        let selected = capture_async(async {
            tokio::select! {
                biased;
                () = waits() => 0,
                value = wins() => value,
            }
        });
        let selected = selected.await;
        assert_eq!(selected.value, 1);
        assert_eq!((ended(&selected, "waits"), ended(&selected, "wins")), (Ended::Cancelled, Ended::Ok));
    }
}

mod errors {
    use super::*;

    #[observed]
    async fn fails(text: &str, after: u32) -> Result<u8, String> {
        for _ in 0..after {
            tokio::task::yield_now().await;
        }
        Err(text.to_owned())
    }

    #[observed]
    async fn succeeds(after: u32) -> Result<u8, String> {
        for _ in 0..after {
            tokio::task::yield_now().await;
        }
        Ok(1)
    }

    fn run<F: Future>(future: F) -> Captured<F::Output> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        capture(|| runtime.block_on(future))
    }

    #[test]
    fn an_error_that_is_mapped_on_its_way_is_told_where_it_began() {
        #[observed]
        async fn mapped() -> Result<u8, String> {
            fails("no disk", 1).await.map_err(|error| format!("create: {error}"))
        }
        #[observed]
        async fn mapped_again() -> Result<u8, String> {
            mapped().await.map_err(|error| format!("request: {error}"))
        }
        let seen = run(mapped_again());
        assert_eq!(told(&seen), ["no disk"]);
        assert_eq!(seen.span("mapped_again").fields.get("error"), Some(&"request: create: no disk".into()));
    }

    #[test]
    fn one_that_is_mapped_to_something_else_is_told_as_well() {
        #[observed]
        async fn replaced() -> Result<u8, String> {
            fails("no disk", 0).await.map_err(|_| "unavailable".to_owned())
        }
        assert_eq!(told(&run(replaced())), ["no disk", "unavailable"]);
    }

    #[test]
    fn one_that_is_handled_is_told_once_and_what_handles_it_is_ok() {
        #[observed]
        async fn handles() -> Result<u8, String> {
            Ok(fails("no disk", 1).await.unwrap_or(7))
        }
        let seen = run(handles());
        assert_eq!((told(&seen), seen.span("handles").outcome), (vec!["no disk"], Some(Ended::Ok)));
    }

    #[test]
    fn a_failure_of_ones_own_after_a_retry_that_succeeded_is_told() {
        #[observed]
        async fn retries() -> Result<u8, String> {
            if fails("no disk", 0).await.is_err() {
                succeeds(1).await?;
            }
            Err("no memory".to_owned())
        }
        assert_eq!(told(&run(retries())), ["no disk", "no memory"]);
    }

    #[test]
    fn the_same_failure_again_in_another_call_is_told_again() {
        #[observed]
        async fn twice() -> Result<u8, String> {
            let _ = fails("no disk", 0).await;
            fails("no disk", 0).await
        }
        assert_eq!(told(&run(twice())), ["no disk", "no disk"]);
    }

    #[test]
    fn of_joined_calls_each_failure_is_told_once_whoever_ends_last() {
        #[observed]
        async fn joined(left: u32, right: u32) -> Result<u8, String> {
            let (left, right) = tokio::join!(fails("left", left), fails("right", right));
            left.or(right)
        }
        #[observed]
        async fn joined_with_success() -> Result<u8, String> {
            let (failed, _) = tokio::join!(fails("left", 0), succeeds(3));
            failed
        }
        assert_eq!(told(&run(joined(0, 2))), ["left", "right"]);
        assert_eq!(told(&run(joined(2, 0))), ["right", "left"]);
        assert_eq!(told(&run(joined_with_success())), ["left"]);
    }

    #[test]
    fn through_tasks_and_plain_functions_an_error_is_told_once() {
        async fn plain() -> Result<u8, String> {
            obs_runtime::spawn(fails("no disk", 2)).await.expect("no panic")
        }
        #[observed]
        async fn spawns() -> Result<u8, String> {
            plain().await
        }
        #[observed]
        async fn outermost() -> Result<u8, String> {
            obs_runtime::spawn(spawns()).await.expect("no panic")
        }
        assert_eq!(told(&run(outermost())), ["no disk"]);
    }

    #[test]
    fn a_sync_call_within_an_async_one_passes_its_error_on() {
        #[observed]
        fn parses(text: &str) -> Result<u8, std::num::ParseIntError> {
            text.parse()
        }
        #[observed]
        async fn reads() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
            tokio::task::yield_now().await;
            Ok(parses("x")?)
        }
        assert_eq!(told(&run(reads())), ["invalid digit found in string"]);
    }
}
