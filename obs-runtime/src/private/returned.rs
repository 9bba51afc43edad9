//! How `ret` records a returned value, chosen by its type: of a `Result` what is in its `Ok`.
//!
//! `R0::of(&value).__obs_kind()` finds, along a chain of `Deref`s, the first kind that fits; for `ret(Debug)` it begins at `R3`.

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

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: impl($($generics:tt)*) $level:ident<$ty:ty>, |$value:ident, $visit:ident, $at:ident| $record:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $kind;

            impl<$($generics)*> $level<&$ty> {
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
    /// Text, a number or a bool, or nothing.
    Plain: impl(T: Scalar) R0<T>, |value, visit, at| visit.take(at, &value.__obs_given());
    /// One of them, or an error.
    PlainOk: impl(T: Scalar, E) R0<Result<T, E>>, |value, visit, at| if let Ok(value) = value {
        visit.take(at, &value.__obs_given());
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

impl<T: ?Sized> R5<&T> {
    #[doc(hidden)]
    pub fn __obs_kind(&self) -> Hidden {
        Hidden
    }
}

impl Hidden {
    #[doc(hidden)]
    pub fn __obs_returned<T: Shown + ?Sized>(self, _: &T, _: &mut Visit<'_>, _: usize) {}
}
