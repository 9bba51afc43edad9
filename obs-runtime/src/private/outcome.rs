//! How a call ended, judged on the value that it returned.
//!
//! Two questions are asked of the value's type, each along a chain of `Deref`s that finds the first answer that fits.
//! `C0::of(&value).__obs_kind()`: who judges, the value itself, its error, or the rule that an `Err` is an error.
//! `W0::of(&value).__obs_words()`: how its error is told.

use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;

use tracing::Level;

use super::chain::chain;
use crate::classify::Classify;
use crate::engine::call::Failure;
use crate::engine::visit::to_text;
use crate::outcome::{Ended, Outcome};

/// What a value says of the call that returned it.
pub struct Verdict {
    pub(crate) outcome: Ended,
    pub(crate) failure: Option<Box<Failure>>,
}

impl Verdict {
    pub(crate) const OK: Verdict = Verdict { outcome: Ended::Ok, failure: None };

    /// Of a call that ended without one.
    pub(super) const fn without_value(outcome: Ended) -> Self {
        Verdict { outcome, failure: None }
    }

    fn by_outcome<T: Outcome + ?Sized>(value: &T) -> Self {
        match value.outcome() {
            Ended::Error => {
                let text = value.error_text().map_or_else(|| type_name::<T>().to_owned(), Cow::into_owned);
                let kind = value.error_type().unwrap_or(Cow::Borrowed(type_name::<T>()));
                failure(vec![text], kind, value.error_level())
            }
            outcome => Verdict { outcome, failure: None },
        }
    }

    /// The same failure, at the level and of the kind that the error itself says.
    fn classified<E: Classify>(mut self, err: &E) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.kind = err.kind();
            failure.level = err.level();
        }
        self
    }
}

#[cold]
fn failure(texts: Vec<String>, kind: Cow<'static, str>, level: Level) -> Verdict {
    Verdict { outcome: Ended::Error, failure: Some(Box::new(Failure { texts, kind, level })) }
}

/// An error's text: its `Display`, with the sources that it does not tell itself; then the texts of the sources.
fn of_error(err: &dyn Error) -> Vec<String> {
    let mut text = to_text(format_args!("{err}"));
    let mut texts = Vec::new();
    let mut next = err.source();
    while let Some(source) = next {
        let source_text = to_text(format_args!("{source}"));
        if !text.contains(&source_text) {
            text.push_str(": ");
            text.push_str(&source_text);
        }
        texts.push(source_text);
        next = source.source();
    }
    texts.insert(0, text);
    texts
}

fn of_display(err: &dyn Display) -> Vec<String> {
    let mut texts = vec![to_text(format_args!("{err}"))];
    let alternate = to_text(format_args!("{err:#}"));
    if alternate != texts[0] {
        // `anyhow` puts the chain of its sources there.
        texts.insert(0, alternate);
    }
    texts
}

/// How the error of an `R` is told, where it has one.
pub trait Words<R: ?Sized> {
    #[doc(hidden)]
    fn __obs_verdict(self, value: &R) -> Verdict;
}

/// Of any value: where the type of one is not known, the compiler says that, and nothing else.
pub trait Known {
    #[doc(hidden)]
    #[inline]
    fn __obs_known(&self) -> &Self {
        self
    }
}

impl<T: ?Sized> Known for T {}

chain! {
    /// Who judges: a value that says it itself.
    C0(C1);
    /// The value in an `Ok`, or the error.
    C1(C2);
    /// The value in an `Ok`.
    C2(C3);
    /// The error, of its level and kind. Boxed futures are refused.
    C3(C4);
    ;
    /// The rule.
    C4
}

impl<'a, T: ?Sized> C0<'a, T> {
    /// The chain for this value.
    #[inline]
    pub fn of(_: &'a T) -> Self {
        Self::START
    }
}

/// One answer of the first chain.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: impl($($generics:tt)*) $level:ident<$ty:ty>, |$value:ident, $words:ident| $judge:expr;)*) => {
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
                #[inline]
                pub fn __obs_judge<$($generics)*>(self, $value: &$ty, $words: impl Words<$ty>) -> Verdict {
                    $judge
                }
            }
        )*
    };
}

kinds! {
    /// The value itself.
    Says: impl(T: Outcome) C0<T>, |value, _words| Verdict::by_outcome(value);
    /// The value in an `Ok`, or a classified error.
    SaysOrClass: impl(T: Outcome, E: Classify) C1<Result<T, E>>, |value, words| match value {
        Ok(value) => Verdict::by_outcome(value),
        Err(err) => words.__obs_verdict(value).classified(err),
    };
    /// The value in an `Ok`, or an error.
    SaysOrError: impl(T: Outcome, E) C2<Result<T, E>>, |value, words| match value {
        Ok(value) => Verdict::by_outcome(value),
        Err(_) => words.__obs_verdict(value),
    };
    /// A classified error.
    Class: impl(T, E: Classify) C3<Result<T, E>>, |value, words| match value {
        Ok(_) => Verdict::OK,
        Err(err) => words.__obs_verdict(value).classified(err),
    };
}

/// The rule: an `Err` is an error, and all else is ok.
pub struct Anything;

impl<T: ?Sized> C4<'_, T> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_kind(&self) -> Anything {
        Anything
    }
}

impl Anything {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge<T: ?Sized>(self, value: &T, words: impl Words<T>) -> Verdict {
        words.__obs_verdict(value)
    }
}

/// A value that is no future: a future would be judged before it has run.
#[diagnostic::on_unimplemented(
    message = "this function returns a future that its signature hides",
    label = "write `#[observed(future)]`, so that the future is observed",
    note = "else the span would end before the future runs"
)]
pub trait NotAFuture {}

/// A boxed future: refused.
pub struct BoxedFuture;

macro_rules! refused {
    ($($ty:ty),*) => {
        $(impl<O> C3<'_, $ty> {
            #[doc(hidden)]
            pub fn __obs_kind(&self) -> BoxedFuture {
                BoxedFuture
            }
        })*
    };
}

refused!(
    Pin<Box<dyn Future<Output = O> + '_>>,
    Pin<Box<dyn Future<Output = O> + Send + '_>>,
    Pin<Box<dyn Future<Output = O> + Send + Sync + '_>>
);

impl BoxedFuture {
    #[doc(hidden)]
    pub fn __obs_judge<T: NotAFuture>(self, _: &T, _: impl Words<T>) -> Verdict {
        Verdict::OK
    }
}

chain! {
    /// How an error is told: with its sources.
    W0(W1);
    /// By its `Display`.
    W1(W2);
    /// By its `Debug`.
    W2(W3);
    /// By the name of its type.
    W3(W4);
    ;
    /// There is none.
    W4
}

impl<'a, T: ?Sized> W0<'a, T> {
    /// The chain for this value.
    #[inline]
    pub fn of(_: &'a T) -> Self {
        Self::START
    }
}

/// One answer of the second chain.
macro_rules! words {
    ($($(#[$doc:meta])* $words:ident: impl($($bound:tt)*) $level:ident, |$err:ident| $texts:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $words;

            impl<T, E: $($bound)*> $level<'_, Result<T, E>> {
                #[doc(hidden)]
                #[inline]
                pub fn __obs_words(&self) -> $words {
                    $words
                }
            }

            impl $words {
                #[cold]
                fn verdict<E: $($bound)*>($err: &E) -> Verdict {
                    failure($texts, Cow::Borrowed(type_name::<E>()), Level::ERROR)
                }
            }

            impl<T, E: $($bound)*> Words<Result<T, E>> for $words {
                #[inline]
                fn __obs_verdict(self, value: &Result<T, E>) -> Verdict {
                    match value {
                        Ok(_) => Verdict::OK,
                        Err(err) => Self::verdict(err),
                    }
                }
            }
        )*
    };
}

words! {
    /// With its sources.
    ByError: impl(Error) W0, |err| of_error(err);
    /// By `Display`.
    ByDisplay: impl(Display) W1, |err| of_display(err);
    /// By `Debug`.
    ByDebug: impl(Debug) W2, |err| vec![to_text(format_args!("{err:?}"))];
    /// By its type.
    ByType: impl(Sized) W3, |_err| vec![type_name::<E>().to_owned()];
}

/// `err(Debug)`: a `Result` whose error is told by its `Debug`.
#[inline]
pub fn by_debug<T, E: Debug>(value: &Result<T, E>) -> Told {
    Told(ByDebug.__obs_verdict(value))
}

/// What has been told already. It fits any value, so that an error without `Debug` is refused once and not here again.
pub struct Told(Verdict);

impl<R: ?Sized> Words<R> for Told {
    #[inline]
    fn __obs_verdict(self, _: &R) -> Verdict {
        self.0
    }
}

/// What is no `Result`, and so has no error.
pub struct NoError;

impl<T: ?Sized> W4<'_, T> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_words(&self) -> NoError {
        NoError
    }
}

impl<T: ?Sized> Words<T> for NoError {
    #[inline]
    fn __obs_verdict(self, _: &T) -> Verdict {
        Verdict::OK
    }
}
