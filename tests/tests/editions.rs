//! Crates of every edition, with the toolkit renamed, and behind a facade: small crates in `tests/editions`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use obs_runtime::Ended;
use obs_runtime::testing::capture;

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// The twins do the same, and of the observed ones as many calls are seen as were made.
macro_rules! alike {
    ($($edition:ident),*) => {
        $(
            #[test]
            fn $edition() {
                let seen = capture($edition::both);
                let [plain, observed] = &seen.value;
                assert_eq!(plain, observed);
                assert!(plain.len() > 20, "{plain:?}");
                assert_eq!(seen.metric("operation_duration_seconds_count", &[]), Some(14.0));
                assert_eq!(seen.metric("operation_duration_seconds_count", &[("outcome", "error")]), Some(1.0));
                // The plain ones did it with nobody looking as well.
                let [_, observed] = $edition::both();
                assert_eq!(plain, &observed);
            }
        )*
    };
}

alike!(edition_2018, edition_2021, edition_2024);

#[test]
fn the_toolkit_may_have_another_name() {
    let seen = capture(|| (renamed::by_path(4), now(renamed::by_alias(1))));
    assert_eq!(seen.value, (5, 2));
    assert_eq!(seen.span("by_path").fields.get("half"), Some(&2.into()));
    assert_eq!(seen.span("inner").parent_id, Some(seen.span("by_path").span_id));
    assert_eq!(seen.span("by_alias").target, "renamed");
}

#[test]
fn the_toolkit_may_stand_behind_a_facade() {
    let seen = capture(|| (now(beside::divide(7, 2)).ok(), now(beside::divide(1, 0)).is_err(), beside::double(4)));
    assert_eq!(seen.value, (Some(3), true, 8));
    let divisions: Vec<_> = seen.spans().iter().filter(|span| span.name == "divide").collect();
    assert_eq!(divisions[0].fields.get("remainder"), Some(&1.into()));
    assert_eq!(
        (divisions[1].outcome, divisions[1].fields.get("error.type")),
        (Some(Ended::Error), Some(&"zero".into()))
    );
    assert_eq!(seen.span("quotient").fields.get("by"), Some(&2.into()));
    assert_eq!(seen.metric("beside_divisions_total", &[("went", "well")]), Some(1.0));
    assert_eq!(seen.span("double_of").fields.get("n"), Some(&4.into()));
    assert_eq!(seen.logs().iter().filter(|line| line["level"] == "warn").count(), 1);
}
