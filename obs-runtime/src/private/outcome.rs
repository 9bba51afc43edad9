//! How a call ended, judged on the value that it returned.
//!
//! `C0::of(&value).__obs_kind()` finds, along a chain of `Deref`s, the first kind that fits; the kind's `__obs_judge` gives the
//! verdict.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use http::{Response, StatusCode};
use tracing::Level;

use crate::engine::call::Failure;
use crate::engine::visit::to_text;

/// What a value says of the call that returned it: nothing, or that it failed.
pub struct Verdict(pub(crate) Option<Box<Failure>>);

impl Verdict {
    pub(crate) const OK: Verdict = Verdict(None);

    fn failed(texts: Vec<String>, kind: impl Into<Cow<'static, str>>) -> Self {
        Verdict(Some(Box::new(Failure { texts, kind: kind.into(), level: Level::ERROR })))
    }

    /// By `Display`, with the sources that it does not tell itself.
    fn by_error<E: Error + ?Sized>(err: &E) -> Self {
        let mut text = to_text(format_args!("{err}"));
        let mut sources = Vec::new();
        let mut next = err.source();
        while let Some(source) = next {
            let source_text = to_text(format_args!("{source}"));
            if !text.contains(&source_text) {
                text.push_str(": ");
                text.push_str(&source_text);
            }
            sources.push(source_text);
            next = source.source();
        }
        sources.insert(0, text);
        Self::failed(sources, std::any::type_name::<E>())
    }

    fn by_display<E: Display + ?Sized>(err: &E) -> Self {
        let mut texts = vec![to_text(format_args!("{err}"))];
        let alternate = to_text(format_args!("{err:#}"));
        if alternate != texts[0] {
            // `anyhow` puts the chain of its sources there.
            texts.insert(0, alternate);
        }
        Self::failed(texts, std::any::type_name::<E>())
    }

    fn by_debug<E: Debug + ?Sized>(err: &E) -> Self {
        Self::failed(vec![to_text(format_args!("{err:?}"))], std::any::type_name::<E>())
    }

    fn by_status(status: StatusCode) -> Self {
        if status.is_server_error() {
            Self::failed(vec![status.to_string()], status.as_str().to_owned())
        } else {
            Verdict::OK
        }
    }
}

/// `err(Debug)`: a `Result` whose error is told by its `Debug`.
pub fn judged_by_debug<T, E: Debug>(result: &Result<T, E>) -> Verdict {
    match result {
        Ok(_) => Verdict::OK,
        Err(err) => Verdict::by_debug(err),
    }
}

/// What bears an HTTP status: one of 5xx is a failure, also inside `Ok`.
pub trait HasStatus {
    #[doc(hidden)]
    fn __obs_status(&self) -> StatusCode;
}

impl<B> HasStatus for Response<B> {
    fn __obs_status(&self) -> StatusCode {
        self.status()
    }
}

impl HasStatus for StatusCode {
    fn __obs_status(&self) -> StatusCode {
        *self
    }
}

impl<A> HasStatus for (StatusCode, A) {
    fn __obs_status(&self) -> StatusCode {
        self.0
    }
}

impl<A, B> HasStatus for (StatusCode, A, B) {
    fn __obs_status(&self) -> StatusCode {
        self.0
    }
}

/// A value that is no future: a future would be judged before it has run.
#[diagnostic::on_unimplemented(
    message = "this function returns a future that its signature hides",
    label = "write the returned type as `impl Future<Output = …>` or `Pin<Box<dyn Future<Output = …>>>`, so that the future is observed",
    note = "else the span would end before the future runs"
)]
pub trait NotAFuture {}

macro_rules! chain {
    ($($(#[$doc:meta])* $level:ident($next:ident);)* ; $(#[$last_doc:meta])* $last:ident) => {
        $(
            $(#[$doc])*
            pub struct $level<'a, T: ?Sized>($next<'a, T>);

            impl<'a, T: ?Sized> Deref for $level<'a, T> {
                type Target = $next<'a, T>;
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }

            impl<T: ?Sized> $level<'_, T> {
                const START: Self = $level($next::START);
            }
        )*
        $(#[$last_doc])*
        pub struct $last<'a, T: ?Sized>(PhantomData<&'a T>);

        impl<T: ?Sized> $last<'_, T> {
            const START: Self = $last(PhantomData);
        }
    };
}

chain! {
    /// The chain's beginning: what bears a status.
    C0(C1);
    /// A `Result` of it, with an error that has sources.
    C1(C2);
    /// A `Result` of it, with an error that has a `Display`.
    C2(C3);
    /// A `Result` with an error that has sources.
    C3(C4);
    /// A `Result` with an error that has a `Display`.
    C4(C5);
    /// A `Result` with an error that has a `Debug`.
    C5(C6);
    /// Any other `Result`, and boxed futures.
    C6(C7);
    ;
    /// All else.
    C7
}

impl<'a, T: ?Sized> C0<'a, T> {
    /// The chain for this value.
    #[inline]
    pub fn of(_: &'a T) -> Self {
        Self::START
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: impl($($generics:tt)*) $level:ident<$ty:ty>, |$value:ident| $judge:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $kind;

            impl<$($generics)*> $level<'_, $ty> {
                #[doc(hidden)]
                #[inline]
                pub fn __obs_kind(&self) -> $kind {
                    $kind
                }
            }

            impl $kind {
                #[doc(hidden)]
                pub fn __obs_judge<$($generics)*>(self, $value: &$ty) -> Verdict {
                    $judge
                }
            }
        )*
    };
}

kinds! {
    /// A status.
    Status: impl(T: HasStatus) C0<T>, |value| Verdict::by_status(value.__obs_status());
    /// A status, or an error with sources.
    StatusOrError: impl(T: HasStatus, E: Error) C1<Result<T, E>>, |value| match value {
        Ok(value) => Verdict::by_status(value.__obs_status()),
        Err(err) => Verdict::by_error(err),
    };
    /// A status, or an error with a `Display`.
    StatusOrDisplay: impl(T: HasStatus, E: Display) C2<Result<T, E>>, |value| match value {
        Ok(value) => Verdict::by_status(value.__obs_status()),
        Err(err) => Verdict::by_display(err),
    };
    /// An error with sources.
    OfError: impl(T, E: Error) C3<Result<T, E>>, |value| match value {
        Ok(_) => Verdict::OK,
        Err(err) => Verdict::by_error(err),
    };
    /// An error with a `Display`.
    OfDisplay: impl(T, E: Display) C4<Result<T, E>>, |value| match value {
        Ok(_) => Verdict::OK,
        Err(err) => Verdict::by_display(err),
    };
    /// An error with a `Debug`.
    OfDebug: impl(T, E: Debug) C5<Result<T, E>>, |value| match value {
        Ok(_) => Verdict::OK,
        Err(err) => Verdict::by_debug(err),
    };
    /// An error of which only the type is known.
    OfAny: impl(T, E) C6<Result<T, E>>, |value| match value {
        Ok(_) => Verdict::OK,
        Err(_) => Verdict::failed(vec![std::any::type_name::<E>().to_owned()], std::any::type_name::<E>()),
    };
}

/// A boxed future: refused.
pub struct BoxedFuture;

impl<O> C6<'_, Pin<Box<dyn Future<Output = O> + '_>>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> BoxedFuture {
        BoxedFuture
    }
}

impl<O> C6<'_, Pin<Box<dyn Future<Output = O> + Send + '_>>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> BoxedFuture {
        BoxedFuture
    }
}

impl BoxedFuture {
    #[doc(hidden)]
    pub fn __obs_judge<T: NotAFuture>(self, _: &T) -> Verdict {
        Verdict::OK
    }
}

/// All else: always ok.
pub struct Anything;

impl<T: ?Sized> C7<'_, T> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_kind(&self) -> Anything {
        Anything
    }
}

impl Anything {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge<T: ?Sized>(self, _: &T) -> Verdict {
        Verdict::OK
    }
}
