//! How `ret` records a returned value, chosen by its type: of a `Result` what is in its `Ok`.
//!
//! `R0::of(&value).__obs_kind()` finds, along a chain of `Deref`s, the first kind that fits.

use std::fmt::{Debug, Display};

use super::chain::chain;
use super::fields::{Scalar, Visit, debug, display};

chain! {
    /// Values that keep their type.
    R0(R1);
    /// A `Result` of what has a `Display`.
    R1(R2);
    /// What has a `Display`.
    R2(R3);
    /// A `Result` of what has a `Debug`.
    R3(R4);
    /// What has a `Debug`.
    R4(R5);
    ;
    /// All else: refused.
    R5
}

macro_rules! begins {
    ($($level:ident),*) => {
        $(impl<'a, T: ?Sized> $level<'a, T> {
            /// The chain for this value.
            #[inline]
            pub fn of(_: &'a T) -> Self {
                Self::START
            }
        })*
    };
}

// `ret(Debug)` begins further down.
begins!(R0, R3);

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: impl($($generics:tt)*) $level:ident<$ty:ty>, |$value:ident, $visit:ident, $at:ident| $record:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $kind;

            impl<$($generics)*> $level<'_, $ty> {
                #[doc(hidden)]
                pub fn __obs_kind(&self) -> $kind {
                    $kind
                }
            }

            impl $kind {
                #[doc(hidden)]
                pub fn __obs_returned<$($generics)*>(self, $value: &$ty, $visit: &mut Visit<'_>, $at: usize) {
                    $record
                }
            }
        )*
    };
}

kinds! {
    /// Text, a number or a bool.
    Plain: impl(T: Scalar) R0<T>, |value, visit, at| T::__obs_record(value, visit, at);
    /// One of them, or nothing.
    PlainOption: impl(T: Scalar) R0<Option<T>>, |value, visit, at| if let Some(value) = value {
        T::__obs_record(value, visit, at);
    };
    /// One of them, or an error.
    PlainOk: impl(T: Scalar, E) R0<Result<T, E>>, |value, visit, at| if let Ok(value) = value {
        T::__obs_record(value, visit, at);
    };
    /// By `Display`, or an error.
    DisplayOk: impl(T: Display, E) R1<Result<T, E>>, |value, visit, at| if let Ok(value) = value {
        display(visit, at, value);
    };
    /// By `Display`.
    ByDisplay: impl(T: Display) R2<T>, |value, visit, at| display(visit, at, value);
    /// By `Debug`, or an error.
    DebugOk: impl(T: Debug, E) R3<Result<T, E>>, |value, visit, at| if let Ok(value) = value {
        debug(visit, at, value);
    };
    /// By `Debug`.
    ByDebug: impl(T: Debug) R4<T>, |value, visit, at| debug(visit, at, value);
}

/// A value that `ret` can record.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded by `ret`: it has neither `Display` nor `Debug`",
    label = "implement one of them for it, or take `ret` away"
)]
pub trait Shown {}

/// What cannot be shown.
pub struct Hidden;

impl<T: ?Sized> R5<'_, T> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> Hidden {
        Hidden
    }
}

impl Hidden {
    #[doc(hidden)]
    pub fn __obs_returned<T: Shown + ?Sized>(self, _: &T, _: &mut Visit<'_>, _: usize) {}
}
