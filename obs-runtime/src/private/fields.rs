//! How a field's value is recorded, chosen by its type.
//!
//! `K0::of(&value).__obs_kind()` finds, along a chain of `Deref`s, the first kind that fits; the kind's `__obs_field` does the
//! work, and carries the bound whose message the user sees.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
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
}

/// `%value`
pub fn display<T: Display + ?Sized>(visit: &mut Visit<'_>, at: usize, value: &T) {
    visit.record(at, &Recorded::Display(&value));
}

/// `?value`
pub fn debug<T: Debug + ?Sized>(visit: &mut Visit<'_>, at: usize, value: &T) {
    visit.record(at, &Recorded::Debug(&value));
}

/// A value that keeps its type: text, number or bool.
pub trait Scalar {
    #[doc(hidden)]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize);
}

macro_rules! scalar {
    ($variant:ident: $($ty:ty as $as:ty),*) => {
        $(impl Scalar for $ty {
            #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
                visit.record(at, &Recorded::$variant(<$as>::from(*self)));
            }
        })*
    };
}

scalar!(I64: i8 as i64, i16 as i64, i32 as i64, i64 as i64);
scalar!(U64: u8 as u64, u16 as u64, u32 as u64, u64 as u64);
scalar!(I128: i128 as i128);
scalar!(U128: u128 as u128);
scalar!(F64: f32 as f64, f64 as f64);
scalar!(Bool: bool as bool);

impl Scalar for usize {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        visit.record(at, &Recorded::U64(*self as u64));
    }
}

impl Scalar for isize {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        visit.record(at, &Recorded::I64(*self as i64));
    }
}

impl Scalar for str {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        visit.record(at, &Recorded::Str(self));
    }
}

macro_rules! scalar_text {
    ($($ty:ty),*) => {
        $(impl Scalar for $ty {
            #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
                visit.record(at, &Recorded::Str(self));
            }
        })*
    };
}

scalar_text!(String, Cow<'_, str>, Arc<str>, std::rc::Rc<str>, Box<str>);

impl<T: Scalar + ?Sized> Scalar for &T {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        T::__obs_record(self, visit, at);
    }
}

impl<T: Scalar + ?Sized> Scalar for &mut T {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        T::__obs_record(self, visit, at);
    }
}

/// What is recorded by its `Display`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as a field: it has no `Display`",
    label = "write `?` before the name to record it by `Debug`, or implement `Display` for it",
    note = "only the arguments that `#[observed(…)]` names are recorded"
)]
pub trait Shown {
    #[doc(hidden)]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize);
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Shown for T {
    #[inline]
    fn __obs_record(&self, visit: &mut Visit<'_>, at: usize) {
        display(visit, at, self);
    }
}

chain! {
    /// The chain's beginning: values that keep their type.
    K0(K1);
    /// Then `Option`s of them.
    K1(K2);
    /// Then any `Option`.
    K2(K3);
    ;
    /// Then all else.
    K3
}

impl<'a, T: ?Sized> K0<'a, T> {
    /// The chain for this value.
    #[inline]
    pub fn of(_: &'a T) -> Self {
        Self::START
    }
}

impl<T: Scalar + ?Sized> K0<'_, T> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> ScalarKind {
        ScalarKind
    }
}

impl<T: Scalar> K1<'_, Option<T>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> OptionalScalar {
        OptionalScalar
    }
}

impl<T: Scalar> K1<'_, &Option<T>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> OptionalScalar {
        OptionalScalar
    }
}

impl<T> K2<'_, Option<T>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> OptionalShown {
        OptionalShown
    }
}

impl<T> K2<'_, &Option<T>> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> OptionalShown {
        OptionalShown
    }
}

impl<T: ?Sized> K3<'_, T> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> ShownKind {
        ShownKind
    }
}

/// Text, a number or a bool.
pub struct ScalarKind;
/// One of them, or nothing.
pub struct OptionalScalar;
/// Something with a `Display`, or nothing.
pub struct OptionalShown;
/// Something with a `Display`.
pub struct ShownKind;

impl ScalarKind {
    #[doc(hidden)]
    pub fn __obs_field<T: Scalar + ?Sized>(self, value: &T, visit: &mut Visit<'_>, at: usize) {
        T::__obs_record(value, visit, at);
    }
}

impl OptionalScalar {
    #[doc(hidden)]
    pub fn __obs_field<T: Scalar>(self, value: &Option<T>, visit: &mut Visit<'_>, at: usize) {
        if let Some(value) = value {
            T::__obs_record(value, visit, at);
        }
    }
}

impl OptionalShown {
    #[doc(hidden)]
    pub fn __obs_field<T: Shown>(self, value: &Option<T>, visit: &mut Visit<'_>, at: usize) {
        if let Some(value) = value {
            T::__obs_record(value, visit, at);
        }
    }
}

impl ShownKind {
    #[doc(hidden)]
    pub fn __obs_field<T: Shown + ?Sized>(self, value: &T, visit: &mut Visit<'_>, at: usize) {
        T::__obs_record(value, visit, at);
    }
}
