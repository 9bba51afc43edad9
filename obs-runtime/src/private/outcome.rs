//! How a call ended, judged on the value that it returned.
//!
//! Two questions are asked of the value's type, each along a chain of `Deref`s that finds the first answer that fits.
//! `returns::<R>().__obs_words()`: how its error is told. `.__obs_judge()` of that: who judges, the value itself, its error, or the
//! rule that an `Err` is an error. The answer is a [`Judge`] without a size.

use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::marker::PhantomData;
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

/// What judges the value of a call.
pub trait Judge<R: ?Sized> {
    #[doc(hidden)]
    fn __obs_verdict(&self, value: &R) -> Verdict;
}

/// What `judge` says of a value.
#[inline]
pub fn verdict<R: ?Sized>(judge: impl Judge<R>, value: &R) -> Verdict {
    judge.__obs_verdict(value)
}

/// A judge that is a closure.
#[derive(Clone, Copy)]
pub struct By<J>(pub J);

impl<R: ?Sized, J: Fn(&R) -> Verdict> Judge<R> for By<J> {
    #[inline]
    fn __obs_verdict(&self, value: &R) -> Verdict {
        (self.0)(value)
    }
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

/// The first chain, for what a function returns.
#[inline]
pub const fn returns<R>() -> W0<PhantomData<R>> {
    W0::of(PhantomData)
}

/// The same where the type of a value says it.
#[inline]
pub fn returned<R>(_: &R) -> W0<PhantomData<R>> {
    returns()
}

/// One answer of the first chain.
macro_rules! words {
    ($($(#[$doc:meta])* $words:ident: impl($($bound:tt)*) $level:ident, |$err:ident| $texts:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $words;

            impl<T, E: $($bound)*> $level<PhantomData<Result<T, E>>> {
                #[doc(hidden)]
                #[inline]
                pub fn __obs_words(self) -> C0<Asked<Result<T, E>, $words>> {
                    C0::of(Asked(PhantomData, $words))
                }
            }

            impl $words {
                #[cold]
                fn failure<E: $($bound)*>($err: &E) -> Verdict {
                    failure($texts, Cow::Borrowed(type_name::<E>()), Level::ERROR)
                }
            }

            impl<T, E: $($bound)*> Judge<Result<T, E>> for $words {
                #[inline]
                fn __obs_verdict(&self, value: &Result<T, E>) -> Verdict {
                    match value {
                        Ok(_) => Verdict::OK,
                        Err(err) => Self::failure(err),
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

/// What is no `Result`, and so has no error.
#[derive(Clone, Copy)]
pub struct NoError;

impl<T> W4<PhantomData<T>> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_words(self) -> C0<Asked<T, NoError>> {
        C0::of(Asked(PhantomData, NoError))
    }
}

impl<T: ?Sized> Judge<T> for NoError {
    #[inline]
    fn __obs_verdict(&self, _: &T) -> Verdict {
        Verdict::OK
    }
}

/// `err(Debug)`: a `Result` whose error is told by its `Debug`.
#[inline]
pub fn by_debug<T, E: Debug>(_: &Result<T, E>) -> AskedAlready<Result<T, E>> {
    C0::of(Asked(PhantomData, By(|value| ByDebug.__obs_verdict(value))))
}

/// The second chain, where the first was not asked: how the error is told fits any value, so that an error without `Debug` is
/// refused once and not here again.
type AskedAlready<R> = C0<Asked<R, By<fn(&R) -> Verdict>>>;

chain! {
    /// Who judges: a value that says it itself, or the value in an `Ok` and a classified error. Boxed futures are refused.
    C0(C1);
    /// The value in an `Ok`.
    C1(C2);
    /// The error, of its level and kind.
    C2(C3);
    ;
    /// The rule.
    C3
}

/// Who judges an `R` whose error is told by `W`.
pub struct Asked<R, W>(PhantomData<R>, W);

impl<R, W: Copy> Clone for Asked<R, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, W: Copy> Copy for Asked<R, W> {}

/// What is asked first: whether the value says more than the rule does.
pub trait Special {
    #[doc(hidden)]
    type Judge<W>;
    #[doc(hidden)]
    fn __obs_judge_by<W>(words: W) -> Self::Judge<W>;
}

macro_rules! special {
    ($([$($generics:tt)*] $ty:ty, |$words:ident| $judge:expr => $kind:ty;)*) => {
        $(impl<$($generics)*> Special for $ty {
            type Judge<W> = $kind;

            #[inline]
            fn __obs_judge_by<W>($words: W) -> $kind {
                $judge
            }
        })*
    };
}

special! {
    [T: Outcome + ?Sized] T, |_words| Says => Says;
    [T: Outcome, E: Classify] Result<T, E>, |words| SaysOrClass(words) => SaysOrClass<W>;
    [O] Pin<Box<dyn Future<Output = O> + '_>>, |_words| NoError => NoError;
    [O] Pin<Box<dyn Future<Output = O> + Send + '_>>, |_words| NoError => NoError;
    [O] Pin<Box<dyn Future<Output = O> + Send + Sync + '_>>, |_words| NoError => NoError;
}

/// A value that is no future: a future would be judged before it has run.
#[diagnostic::on_unimplemented(
    message = "this function returns a future that its signature hides",
    label = "write `#[observed(future)]`, so that the future is observed",
    note = "else the span would end before the future runs"
)]
pub trait NotAFuture {}

impl<T: Outcome + ?Sized> NotAFuture for T {}
impl<T, E> NotAFuture for Result<T, E> {}

impl<R: Special, W> C0<Asked<R, W>> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge(self) -> R::Judge<W>
    where
        R: NotAFuture,
    {
        let C0(C1(C2(C3(Asked(_, words))))) = self;
        R::__obs_judge_by(words)
    }
}

impl<T: Outcome, E, W> C1<Asked<Result<T, E>, W>> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge(self) -> SaysOrError<W> {
        let C1(C2(C3(Asked(_, words)))) = self;
        SaysOrError(words)
    }
}

impl<T, E: Classify, W> C2<Asked<Result<T, E>, W>> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge(self) -> Class<W> {
        let C2(C3(Asked(_, words))) = self;
        Class(words)
    }
}

impl<R, W> C3<Asked<R, W>> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_judge(self) -> W {
        let C3(Asked(_, words)) = self;
        words
    }
}

/// The value itself.
pub struct Says;

impl<T: Outcome + ?Sized> Judge<T> for Says {
    #[inline]
    fn __obs_verdict(&self, value: &T) -> Verdict {
        Verdict::by_outcome(value)
    }
}

/// The value in an `Ok`, or a classified error.
pub struct SaysOrClass<W>(W);

impl<T: Outcome, E: Classify, W: Judge<Result<T, E>>> Judge<Result<T, E>> for SaysOrClass<W> {
    #[inline]
    fn __obs_verdict(&self, value: &Result<T, E>) -> Verdict {
        match value {
            Ok(value) => Verdict::by_outcome(value),
            Err(err) => self.0.__obs_verdict(value).classified(err),
        }
    }
}

/// The value in an `Ok`, or an error.
pub struct SaysOrError<W>(W);

impl<T: Outcome, E, W: Judge<Result<T, E>>> Judge<Result<T, E>> for SaysOrError<W> {
    #[inline]
    fn __obs_verdict(&self, value: &Result<T, E>) -> Verdict {
        match value {
            Ok(value) => Verdict::by_outcome(value),
            Err(_) => self.0.__obs_verdict(value),
        }
    }
}

/// A classified error.
pub struct Class<W>(W);

impl<T, E: Classify, W: Judge<Result<T, E>>> Judge<Result<T, E>> for Class<W> {
    #[inline]
    fn __obs_verdict(&self, value: &Result<T, E>) -> Verdict {
        match value {
            Ok(_) => Verdict::OK,
            Err(err) => self.0.__obs_verdict(value).classified(err),
        }
    }
}
