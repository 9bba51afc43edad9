//! `#[observed]` and `record!` among names that would mislead a careless expansion.
#![deny(warnings)]
// The names here are those that an expansion might use by mistake.
#![allow(non_camel_case_types, clippy::new_ret_no_self, clippy::wrong_self_convention)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::capture;
use serde_json::json;

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

#[no_implicit_prelude]
#[allow(dead_code, unused_macros)]
mod hostile {
    enum Result {
        Ok,
        Err,
    }
    enum Option {
        Some,
        None,
    }
    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Box;
    struct String;
    struct Vec;
    struct Default;
    struct str;
    struct usize;
    struct bool;
    trait Into {}
    trait Drop {}
    trait Future {}
    fn drop() {}
    mod core {}
    mod std {}
    mod alloc {}
    mod tracing {}
    mod obs_runtime {}
    mod obs_macros {}

    macro_rules! panic {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }
    macro_rules! module_path {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }
    macro_rules! file {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }
    macro_rules! line {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }
    macro_rules! format {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }
    macro_rules! matches {
        ($($t:tt)*) => {
            ::core::compile_error!("the user's macro")
        };
    }

    /// Methods on everything, that win over any method called by dot.
    trait Blanket {
        fn judge(&self) {}
        fn of(&self) {}
        fn new(&self) {}
        fn display(&self) {}
        fn record(&self) {}
        fn poll(&self) {}
        fn deref(&self) {}
        fn level(&self) {}
        fn kind(&self) {}
        fn err(&self) {}
        fn target(&self) {}
        fn as_str(&self) {}
    }
    impl<T: ?::core::marker::Sized> Blanket for T {}

    #[::obs_runtime::observed(agent_id, text, n = text.len(), late(size), level = "info", err = "warn", kind = "server", target = "here")]
    pub(super) fn sync(text: &::core::primitive::str) -> ::core::result::Result<u8, ::std::num::ParseIntError> {
        ::obs_runtime::record!(agent_id = 1, size = n_of(text));
        let value: u8 = text.parse()?;
        ::core::result::Result::Ok(value)
    }

    #[::obs_runtime::observed(agent_id, ?text, late(size))]
    pub(super) async fn asynchronous(text: &::core::primitive::str) -> ::core::option::Option<u8> {
        ::obs_runtime::record!(agent_id = 1, %size = n_of(text));
        text.parse().ok()
    }

    #[::obs_runtime::observed]
    pub(super) fn boxed() -> ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = u8>>> {
        ::std::boxed::Box::pin(async { 1 })
    }

    fn n_of(text: &::core::primitive::str) -> ::core::primitive::usize {
        text.len()
    }
}

#[test]
fn hostile_names_mislead_nothing() {
    let seen = capture(|| (hostile::sync("7"), now(hostile::asynchronous("7")), now(hostile::boxed())));
    assert_eq!(seen.value, (Ok(7), Some(7), 1));
    let sync = seen.span("sync");
    assert_eq!(sync.fields.get("agent_id"), Some(&json!(1)));
    assert_eq!(sync.fields.get("n"), Some(&json!(1)));
    assert_eq!(sync.target, "here");
    assert_eq!(seen.span("asynchronous").fields.get("size"), Some(&json!("1")));
}

mod locals {
    use obs_runtime::{observed, record};

    #[observed(__obs_span, __obs_ret, value = __obs_visit + __obs_value, late(late))]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn sync(
        __obs_span: u8,
        __obs_ret: u8,
        __obs_visit: u8,
        __obs_value: u8,
        __obs_arg4: u8,
        (__obs_future, rt): (u8, u8),
        result: u8,
        span: u8,
    ) -> u8 {
        record!(late = __obs_value);
        __obs_span + __obs_ret + __obs_visit + __obs_value + __obs_arg4 + __obs_future + rt + result + span
    }

    #[observed(__obs_span, __obs_ret, value = __obs_visit + __obs_value)]
    pub(super) async fn asynchronous(__obs_span: u8, __obs_ret: u8, __obs_visit: u8, __obs_value: u8) -> u8 {
        let __obs_span = __obs_span + 1;
        __obs_span + __obs_ret + __obs_visit + __obs_value
    }
}

#[test]
fn locals_of_the_expansion_are_not_the_users() {
    let seen = capture(|| (locals::sync(1, 2, 3, 4, 5, (6, 7), 8, 9), now(locals::asynchronous(1, 2, 3, 4))));
    assert_eq!(seen.value, (45, 11));
    assert_eq!(seen.span("sync").fields.get("__obs_ret"), Some(&json!(2)));
    assert_eq!(seen.span("sync").fields.get("value"), Some(&json!(7)));
    assert_eq!(seen.span("sync").fields.get("late"), Some(&json!(4)));
    assert_eq!(seen.span("asynchronous").fields.get("value"), Some(&json!(7)));
}

mod facade {
    pub(crate) use ::obs_runtime as observability;

    /// A facade's own macro, for users that know no other crate.
    macro_rules! service {
        ($($function:tt)*) => {
            #[crate::facade::observability::observed(crate = crate::facade::observability, agent_id)]
            $($function)*
        };
    }

    service! {
        pub(super) fn create(agent_id: u8) -> u8 {
            agent_id
        }
    }
}

#[test]
fn a_facade_says_where_the_runtime_is() {
    let seen = capture(|| facade::create(3));
    assert_eq!(seen.span("create").fields.get("agent_id"), Some(&json!(3)));
}

#[deny(clippy::pedantic)]
mod quiet {
    //! Nothing here gives a lint a reason to speak; the test is that this file is accepted with all warnings denied.

    use obs_runtime::observed;

    #[observed]
    pub(super) fn ends_in_a_panic(_flag: bool) -> u8 {
        panic!("as it should")
    }

    #[observed]
    pub(super) async fn ends_in_a_panic_async(_flag: bool, _other: u8) -> u8 {
        panic!("as it should")
    }

    #[observed]
    pub(super) fn gives_a_reference(text: &str) -> Option<&str> {
        text.get(1..)
    }

    #[observed]
    pub(super) fn gives_nothing(text: &mut String) {
        text.push('a');
    }
}

#[test]
fn observed_functions_give_no_lint_a_reason() {
    let seen = capture(|| {
        let mut text = String::from("a");
        quiet::gives_nothing(&mut text);
        assert_eq!(quiet::gives_a_reference(&text), Some("a"));
        assert!(std::panic::catch_unwind(|| quiet::ends_in_a_panic(true)).is_err());
        assert!(std::panic::catch_unwind(|| now(quiet::ends_in_a_panic_async(true, 1))).is_err());
    });
    assert_eq!(seen.spans().len(), 4);
}
