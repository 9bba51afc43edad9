//! `#[observed]` with `#[track_caller]`: the body knows who called, as far as a function can be written without a closure.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use obs_runtime::testing::capture;
use obs_runtime::{Ended, observed, record};

/// The line of the caller, or of the body where it is not known.
fn line(location: &Location<'_>) -> u32 {
    assert_eq!(location.file(), file!());
    location.line()
}

mod twins {
    use super::line;
    use std::fmt::Display;
    use std::panic::Location;

    macro_rules! twins {
        ($($(#[$attr:meta])* $vis:vis fn $name:ident $([$($generics:tt)*])? ($($arg:tt)*) -> $ret:ty $body:block)*) => {
            pub(crate) mod plain {
                use super::*;
                $(#[track_caller] $vis fn $name $(<$($generics)*>)? ($($arg)*) -> $ret $body)*
            }
            pub(crate) mod observed {
                use super::*;
                use obs_runtime::observed;
                $(#[observed] #[track_caller] $vis fn $name $(<$($generics)*>)? ($($arg)*) -> $ret $body)*
            }
        };
    }

    twins! {
        pub(crate) fn number(_n: u8) -> u32 {
            line(Location::caller())
        }
        pub(crate) fn text(early: bool) -> &'static str {
            if early {
                return "early";
            }
            Location::caller().file()
        }
        pub(crate) fn fallible(fail: bool) -> Result<u32, String> {
            if fail {
                Err("failed".to_owned())?;
            }
            Ok(line(Location::caller()))
        }
        pub(crate) fn generic[T: Default + Into<u32>, const N: u32]((a, _): (u32, u8), mut shown: impl Display) -> Option<u32> {
            let zero: u32 = T::default().into();
            shown = std::convert::identity(shown);
            assert_eq!((a, N, shown.to_string().len()), (1, 2, 1));
            Some(zero + line(Location::caller()))
        }
        pub(crate) fn borrowed['a](texts: &'a [String], _unused: Option<&str>) -> Option<&'a str> {
            assert!(line(Location::caller()) > 0);
            texts.first().map(|text| text.trim())
        }
        pub(crate) fn unnamed(n: u32) -> impl Display {
            n + line(Location::caller())
        }
        pub(crate) fn unwraps(value: Option<u32>) -> u32 {
            value.unwrap()
        }
    }
}

/// What each twin gives, all called from the same lines.
macro_rules! given {
    ($twin:ident) => {{
        let texts = vec![" a ".to_owned()];
        (
            twins::$twin::number(1),
            twins::$twin::text(false),
            twins::$twin::text(true),
            twins::$twin::fallible(false),
            twins::$twin::fallible(true),
            twins::$twin::generic::<u8, 2>((1, 2), 'x'),
            twins::$twin::borrowed(&texts, None).map(str::to_owned),
            twins::$twin::unnamed(1000).to_string(),
        )
    }};
}

#[test]
fn the_body_sees_the_same_caller_as_its_plain_twin() {
    let both = || [given!(plain), given!(observed)]; // Both on one line.
    let [plain, observed] = both();
    assert_eq!(plain, observed, "nobody listens");
    let seen = capture(both);
    let [plain, observed] = seen.value.clone();
    assert_eq!(plain, observed);
    let count = |outcome| seen.metric("operation_duration_seconds_count", &[("outcome", outcome)]);
    assert_eq!((count("ok"), count("error"), count("panicked")), (Some(7.0), Some(1.0), None));
    assert_eq!(seen.span("generic").outcome, Some(Ended::Ok));
}

#[test]
fn a_panic_is_blamed_on_the_caller_and_is_the_outcome() {
    for mut call in
        [twins::plain::unwraps as fn(Option<u32>) -> u32, twins::observed::unwraps].map(|call| move || call(None))
    {
        assert!(catch_unwind(AssertUnwindSafe(&mut call)).is_err());
    }
    let seen = capture(|| catch_unwind(|| twins::observed::unwraps(None)).is_err());
    assert!(seen.value);
    assert_eq!(seen.span("unwraps").outcome, Some(Ended::Panicked));

    #[observed]
    #[track_caller]
    fn in_a_function_of_its_own() -> Result<(), String> {
        panic!("broken")
    }
    let seen = capture(|| catch_unwind(in_a_function_of_its_own).is_err());
    assert_eq!(seen.span("in_a_function_of_its_own").outcome, Some(Ended::Panicked));
}

#[test]
fn a_call_from_a_destructor_that_runs_while_its_thread_unwinds_is_ok() {
    #[observed]
    #[track_caller]
    fn cleaned() -> u32 {
        line(Location::caller())
    }
    struct Cleans;
    impl Drop for Cleans {
        fn drop(&mut self) {
            assert!(cleaned() > 0);
        }
    }
    let seen = capture(|| {
        catch_unwind(|| {
            let _cleans = Cleans;
            panic!("broken");
        })
        .is_err()
    });
    assert_eq!(seen.span("cleaned").outcome, Some(Ended::Ok));
}

struct Store(u32);

#[observed]
impl Store {
    /// What it returns cannot fail: its body stays where it is.
    #[track_caller]
    fn called_from(&self) -> u32 {
        self.0 + line(Location::caller())
    }

    /// It may fail and knows `self`, so its body is in a closure: the documented limit.
    #[track_caller]
    fn checked(&self) -> Result<u32, String> {
        Ok(self.0 + line(Location::caller()))
    }

    #[track_caller]
    fn with_generics<T>(value: T) -> Option<(T, Self)> {
        Some((value, Self(0)))
    }
}

struct Pair<T>(T);

impl<T: Copy> Pair<T> {
    #[observed]
    #[track_caller]
    fn of(value: T) -> Option<T> {
        Some(Pair(value).0)
    }
}

#[test]
fn methods_know_their_caller_where_what_they_return_cannot_fail() {
    let seen = capture(|| {
        assert_eq!(Store(0).called_from(), line!());
        let body = Store(0).checked().unwrap();
        assert!((1..line!()).contains(&body), "a line of the body");
        assert!(Store::with_generics(1).is_some());
        assert_eq!(Pair::of(7), Some(7));
    });
    assert_eq!(seen.spans().len(), 4);
}

#[observed(user_id, late(seen))]
#[track_caller]
fn records(user_id: &str, unused: u8) -> Result<u32, String> {
    record!(seen = Location::caller().line());
    let _ = unused;
    Ok(Location::caller().line())
}

#[test]
fn fields_are_recorded_and_outcomes_judged_as_ever() {
    let seen = capture(|| records("u1", 0));
    assert_eq!(seen.value, Ok(line!() - 1));
    let span = seen.span("records");
    assert_eq!(span.fields.get("user_id"), Some(&"u1".into()));
    assert_eq!(span.fields.get("seen"), Some(&(line!() - 4).into()));
}
