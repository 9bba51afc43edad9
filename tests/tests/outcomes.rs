//! How a call ends, judged on the value, in every shape of return type.

use std::borrow::Cow;
use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Response, StatusCode};
use obs_runtime::testing::{Captured, CapturedSpan, capture};
use obs_runtime::{Ended, Level, Outcome, observed};

/// Polls a future once.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// `outcome`, and for an error its text and type.
fn told<T>(seen: &Captured<T>) -> String {
    let [span]: &[CapturedSpan] = seen.spans() else { panic!("one span, not {:?}", seen.spans()) };
    let field = |name| span.fields.get(name).map(|value| value.as_str().unwrap_or_default().replace("outcomes::", ""));
    match (field("outcome"), field("error"), field("error.type")) {
        (Some(outcome), None, None) => outcome,
        (Some(outcome), Some(error), Some(kind)) => format!("{outcome}: {error} ({kind})"),
        other => panic!("{other:?}"),
    }
}

/// What an observed function that returns this value is seen to end with.
macro_rules! ends {
    ($ty:ty = $value:expr) => {{
        #[observed]
        fn sync() -> $ty {
            $value
        }

        #[observed]
        async fn asynchronous() -> $ty {
            $value
        }

        #[observed]
        fn future() -> impl Future<Output = $ty> {
            async { $value }
        }

        #[observed]
        fn boxed() -> Pin<Box<dyn Future<Output = $ty>>> {
            Box::pin(async { $value })
        }

        let by_sync = told(&capture(sync));
        assert_eq!(told(&capture(|| once(asynchronous()))), by_sync);
        assert_eq!(told(&capture(|| once(future()))), by_sync);
        assert_eq!(told(&capture(|| once(boxed()))), by_sync);
        by_sync
    }};
}

struct Opaque;

#[derive(Debug)]
struct Shown;

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

#[derive(Debug)]
struct Source;

impl Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk is full")
    }
}

impl std::error::Error for Source {}

#[derive(Debug)]
struct Sourced(Source);

impl Display for Sourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not stored")
    }
}

impl std::error::Error for Sourced {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// An alias, whose name says nothing.
type Answer<T> = Result<T, Shown>;

/// A value that says for itself how the call ended.
#[derive(Clone, Copy)]
struct Reply(Ended);

impl Outcome for Reply {
    fn outcome(&self) -> Ended {
        self.0
    }

    fn error_text(&self) -> Option<Cow<'_, str>> {
        Some("the device is deaf".into())
    }

    fn error_type(&self) -> Option<Cow<'static, str>> {
        Some("deaf".into())
    }

    fn error_level(&self) -> Level {
        Level::WARN
    }
}

/// One that says no more than that.
struct Terse;

impl Outcome for Terse {
    fn outcome(&self) -> Ended {
        Ended::Error
    }
}

mod own {
    /// Called like that of the prelude, and nothing more.
    pub(super) enum Result<T, E> {
        #[allow(dead_code)]
        Ok(T),
        Err(E),
    }
}

#[test]
fn an_err_is_an_error_under_any_name() {
    assert_eq!(ends!(Result<u8, Shown> = Ok(1)), "ok");
    assert_eq!(ends!(Result<u8, Shown> = Err(Shown)), "error: shown (Shown)");
    assert_eq!(ends!(Answer<u8> = Err(Shown)), "error: shown (Shown)");
    assert_eq!(
        ends!(std::io::Result<()> = Err(std::io::Error::other("broken"))),
        "error: broken (std::io::error::Error)"
    );
    assert_eq!(
        ends!(fmt::Result = Err(fmt::Error)).split(" (").next(),
        Some("error: an error occurred when formatting an argument")
    );
    assert_eq!(
        ends!(anyhow::Result<u8> = Err(anyhow::anyhow!("no").context("outer"))),
        "error: outer: no (anyhow::Error)"
    );
    assert_eq!(
        ends!(Result<u8, Box<dyn std::error::Error>> = Err("boxed".into())).split(" (").next(),
        Some("error: boxed")
    );
    assert_eq!(ends!(Result<u8, String> = Err("text".to_owned())), "error: text (alloc::string::String)");
}

#[test]
fn an_error_is_told_with_its_sources_else_by_debug_else_by_its_type() {
    assert_eq!(ends!(Result<(), Sourced> = Err(Sourced(Source))), "error: not stored: the disk is full (Sourced)");
    assert_eq!(ends!(Result<(), (u8, u8)> = Err((1, 2))), "error: (1, 2) ((u8, u8))");
    assert_eq!(ends!(Result<(), Opaque> = Err(Opaque)), "error: Opaque (Opaque)");
}

#[test]
fn a_status_of_5xx_is_an_error_also_inside_ok() {
    let response = |status: u16| Response::builder().status(status).body(()).expect("a response");
    assert_eq!(ends!(StatusCode = StatusCode::NOT_FOUND), "ok");
    assert_eq!(ends!(StatusCode = StatusCode::BAD_GATEWAY), "error: 502 Bad Gateway (502)");
    assert_eq!(ends!((StatusCode, &'static str) = (StatusCode::BAD_GATEWAY, "")), "error: 502 Bad Gateway (502)");
    assert_eq!(capture_status(&response(500)), "error: 500 Internal Server Error (500)");
    assert_eq!(ends!(Result<StatusCode, Shown> = Ok(StatusCode::BAD_GATEWAY)), "error: 502 Bad Gateway (502)");
    assert_eq!(ends!(Result<StatusCode, (u8, u8)> = Ok(StatusCode::BAD_GATEWAY)), "error: 502 Bad Gateway (502)");
    assert_eq!(ends!(Result<StatusCode, Opaque> = Ok(StatusCode::BAD_GATEWAY)), "error: 502 Bad Gateway (502)");
    assert_eq!(ends!(Result<StatusCode, Opaque> = Err(Opaque)), "error: Opaque (Opaque)");
    assert_eq!(ends!(Result<StatusCode, Sourced> = Ok(StatusCode::OK)), "ok");
}

fn capture_status(response: &Response<()>) -> String {
    #[observed]
    fn answer(status: StatusCode) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = status;
        response
    }
    told(&capture(|| answer(response.status())))
}

#[test]
fn a_value_may_say_itself_how_the_call_ended() {
    assert_eq!(ends!(Reply = Reply(Ended::Ok)), "ok");
    assert_eq!(ends!(Reply = Reply(Ended::Error)), "error: the device is deaf (deaf)");
    assert_eq!(ends!(Result<Reply, Opaque> = Ok(Reply(Ended::Error))), "error: the device is deaf (deaf)");
    assert_eq!(ends!(Terse = Terse), "error: Terse (Terse)");

    #[observed]
    fn warns() -> Reply {
        Reply(Ended::Error)
    }
    let seen = capture(warns);
    assert_eq!(seen.logs()[0]["level"], "warn");
}

#[test]
fn all_else_is_ok() {
    assert_eq!(ends!(() = ()), "ok");
    assert_eq!(ends!(Option<u8> = None), "ok");
    assert_eq!(ends!(ControlFlow<u8, u8> = ControlFlow::Break(1)), "ok");
    assert_eq!(ends!(Poll<Result<u8, Shown>> = Poll::Pending), "ok");
    assert_eq!(ends!(Result<Result<u8, Shown>, Shown> = Ok(Err(Shown))), "ok");
    assert_eq!(ends!(own::Result<u8, Shown> = own::Result::Err(Shown)), "ok");
    assert_eq!(ends!(impl Display = "text"), "ok");
}

#[test]
fn an_unnamed_type_is_judged_by_the_type_beneath() {
    #[observed]
    fn unnamed() -> Result<impl Display, impl Debug> {
        Err::<u8, _>(Shown)
    }
    #[observed]
    async fn unnamed_async() -> Result<impl Display, impl Debug> {
        Err::<u8, _>(Shown)
    }
    assert_eq!(told(&capture(|| unnamed().is_err())), "error: shown (Shown)");
    assert_eq!(told(&capture(|| once(unnamed_async()).map(|result| result.is_err()))), "error: shown (Shown)");
}

#[test]
fn a_generic_function_is_judged_where_it_is_defined() {
    #[observed]
    fn bare<T>(value: T) -> T {
        value
    }
    #[observed]
    fn in_result<T, E>(value: Result<T, E>) -> Result<T, E> {
        value
    }
    #[observed]
    fn bound<T, E: Display>(value: Result<T, E>) -> Result<T, E> {
        value
    }
    trait Store {
        type Error: std::error::Error;
        #[observed]
        fn store(&self, fail: Self::Error) -> Result<(), Self::Error> {
            Err(fail)
        }
    }
    impl Store for u8 {
        type Error = Sourced;
    }
    // It is any `T` there: a `Result` that a caller chooses is not seen.
    assert_eq!(told(&capture(|| bare(Err::<(), _>(Shown)))), "ok");
    assert_eq!(told(&capture(|| in_result(Err::<(), _>(Shown)))), "error: Shown (Shown)");
    assert_eq!(told(&capture(|| bound(Err::<(), _>(Shown)))), "error: shown (Shown)");
    assert_eq!(told(&capture(|| 1_u8.store(Sourced(Source)))), "error: not stored: the disk is full (Sourced)");
}
