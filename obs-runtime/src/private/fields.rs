//! How a field's value is recorded, chosen by its type.
//!
//! `field(&value).__obs_given()` finds, along a chain of `Deref`s, the first kind that fits; that of the last level carries the
//! bound whose message the user sees. `.__obs_field(…)` of the same is for values that are made only where somebody wants them.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::rc::Rc;
use std::sync::Arc;

use super::chain::chain;
use crate::engine::Link;
use crate::engine::fields::Key;
use crate::engine::recorder::{Recorded, Recorder};

/// Takes the values of a span's fields.
pub struct Visit<'a> {
    pub(crate) recorder: Recorder<'a>,
    pub(crate) keys: &'static [Key],
    /// Where links go, while the span is being opened.
    pub(crate) links: Option<&'a mut Vec<Link>>,
}

impl Visit<'_> {
    #[inline]
    fn record(&mut self, at: usize, value: &Recorded<'_>) {
        if let Some(key) = self.keys.get(at) {
            self.recorder.record(key, value);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, at: usize, given: &Given<'_>) {
        if let Given(Some(value)) = given {
            self.record(at, value);
        }
    }
}

/// The value of a field, before it is known whether anybody wants it: nothing is written yet.
pub struct Given<'a>(Option<Recorded<'a>>);

/// Of a field that has no value when the span opens.
pub const NOTHING: Given<'static> = Given(None);

/// `%value`
pub fn display<T: Display + ?Sized>(visit: &mut Visit<'_>, at: usize, value: &T) {
    visit.record(at, &Recorded::Display(&value));
}

/// `?value`
pub fn debug<T: Debug + ?Sized>(visit: &mut Visit<'_>, at: usize, value: &T) {
    visit.record(at, &Recorded::Debug(&value));
}

/// `%value`, given.
#[inline]
pub fn displayed<T: Display>(value: &T) -> Given<'_> {
    Given(Some(Recorded::Display(value)))
}

/// `?value`, given.
#[inline]
pub fn debugged<T: Debug>(value: &T) -> Given<'_> {
    Given(Some(Recorded::Debug(value)))
}

/// A value that keeps its type: text, number or bool, or nothing.
pub trait Scalar {
    #[doc(hidden)]
    fn __obs_given(&self) -> Given<'_>;
}

macro_rules! scalar {
    ($($ty:ty: |$value:ident| $recorded:expr;)*) => {
        $(impl Scalar for $ty {
            #[inline]
            fn __obs_given(&self) -> Given<'_> {
                let $value = self;
                Given(Some($recorded))
            }
        })*
    };
}

macro_rules! scalars {
    ($variant:ident: $($ty:ty as $as:ty),*) => {
        scalar! { $($ty: |value| Recorded::$variant(<$as>::from(*value));)* }
    };
}

scalars!(I64: i8 as i64, i16 as i64, i32 as i64, i64 as i64);
scalars!(U64: u8 as u64, u16 as u64, u32 as u64, u64 as u64);
scalars!(I128: i128 as i128);
scalars!(U128: u128 as u128);
scalars!(F64: f32 as f64, f64 as f64);
scalars!(Bool: bool as bool);

scalar! {
    usize: |value| Recorded::U64(*value as u64);
    isize: |value| Recorded::I64(*value as i64);
    str: |value| Recorded::Str(value);
    String: |value| Recorded::Str(value);
    Cow<'_, str>: |value| Recorded::Str(value);
    Arc<str>: |value| Recorded::Str(value);
    Rc<str>: |value| Recorded::Str(value);
    Box<str>: |value| Recorded::Str(value);
}

impl<T: Scalar + ?Sized> Scalar for &T {
    #[inline]
    fn __obs_given(&self) -> Given<'_> {
        T::__obs_given(self)
    }
}

impl<T: Scalar + ?Sized> Scalar for &mut T {
    #[inline]
    fn __obs_given(&self) -> Given<'_> {
        T::__obs_given(self)
    }
}

impl<T: Scalar> Scalar for Option<T> {
    #[inline]
    fn __obs_given(&self) -> Given<'_> {
        self.as_ref().map_or(NOTHING, T::__obs_given)
    }
}

/// What is recorded by its `Display`; `By` says whose, so that there can be an `Option` around it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as a field: it has no `Display`",
    label = "write `?` before the name to record it by `Debug`, or implement `Display` for it",
    note = "an `Option` is recorded by the `Display` of what is in it",
    note = "only the arguments that `#[observed(…)]` names are recorded"
)]
pub trait Shown<By> {
    #[doc(hidden)]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize);

    #[doc(hidden)]
    fn __obs_given(&self) -> Given<'_>
    where
        Self: Sized;
}

/// Its own `Display`.
pub struct Own;
/// That of what is in it.
pub struct Within;

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Shown<Own> for T {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        display(visit, at, self);
    }

    #[inline]
    fn __obs_given(&self) -> Given<'_>
    where
        Self: Sized,
    {
        displayed(self)
    }
}

macro_rules! shown_within {
    ($($option:ty),*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<T: Display> Shown<Within> for $option {
                #[inline]
                fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
                    visit.take(at, &Shown::<Within>::__obs_given(self));
                }

                #[inline]
                fn __obs_given(&self) -> Given<'_> {
                    self.as_ref().map_or(NOTHING, displayed)
                }
            }
        )*
    };
}

shown_within!(Option<T>, &Option<T>);

chain! {
    /// The chain's beginning: values that keep their type, and `Option`s of them.
    K0(K1);
    ;
    /// Then all else.
    K1
}

/// The chain for this value.
#[inline]
pub fn field<T: ?Sized>(value: &T) -> K0<&T> {
    K0::of(value)
}

impl<'a, T: Scalar + ?Sized> K0<&'a T> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_field(self, visit: &mut Visit<'_>, at: usize) {
        visit.take(at, &self.__obs_given());
    }

    #[doc(hidden)]
    #[inline]
    pub fn __obs_given(self) -> Given<'a> {
        let K1(value) = *self;
        value.__obs_given()
    }
}

impl<'a, T: ?Sized> K1<&'a T> {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_field<By>(self, visit: &mut Visit<'_>, at: usize)
    where
        T: Shown<By>,
    {
        let K1(value) = self;
        value.__obs_record(visit, at);
    }

    #[doc(hidden)]
    #[inline]
    pub fn __obs_given<By>(self) -> Given<'a>
    where
        T: Shown<By> + Sized,
    {
        let K1(value) = self;
        value.__obs_given()
    }
}
