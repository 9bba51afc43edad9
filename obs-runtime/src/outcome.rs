//! How a call ended, and what a value can say of that.

use std::borrow::Cow;

use http::{Response, StatusCode};
use tracing::Level;

/// How an observed operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ended {
    /// It returned, and the value is not a failure.
    Ok = 0,
    /// It returned a failure.
    Error = 1,
    /// Its future was dropped before it was done.
    Cancelled = 2,
    /// It unwound.
    Panicked = 3,
}

impl Ended {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Ended; 4] = [Ended::Ok, Ended::Error, Ended::Cancelled, Ended::Panicked];

    /// The text that spans, log lines and labels bear.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ended::Ok => "ok",
            Ended::Error => "error",
            Ended::Cancelled => "cancelled",
            Ended::Panicked => "panicked",
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a value says of the call that returned it.
///
/// `#[observed]` asks it before anything else, also of the value within an `Ok`. Without it an `Err` is an error and all
/// else is ok. HTTP responses and status codes have it: those of 5xx are errors.
///
/// ```
/// use std::borrow::Cow;
///
/// use obs_runtime::{Ended, Outcome, observed};
///
/// struct Reply {
///     code: u16,
/// }
///
/// impl Outcome for Reply {
///     fn outcome(&self) -> Ended {
///         if self.code == 0 { Ended::Ok } else { Ended::Error }
///     }
///
///     fn error_text(&self) -> Option<Cow<'_, str>> {
///         Some(format!("the device answers {}", self.code).into())
///     }
/// }
///
/// #[observed]
/// fn ask() -> Reply {
///     Reply { code: 7 }
/// }
/// # ask();
/// ```
pub trait Outcome {
    /// How the call ended.
    fn outcome(&self) -> Ended;

    /// The text of a failure, as span and error event bear it. `None`: the name of the type.
    ///
    /// It is asked only when the call ended in an error.
    fn error_text(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// The `error.type` of a failure, one of few. `None`: the name of the type.
    fn error_type(&self) -> Option<Cow<'static, str>> {
        None
    }

    /// The level of the error event, where the attribute does not say another.
    fn error_level(&self) -> Level {
        Level::ERROR
    }
}

impl Outcome for StatusCode {
    fn outcome(&self) -> Ended {
        if self.is_server_error() { Ended::Error } else { Ended::Ok }
    }

    fn error_text(&self) -> Option<Cow<'_, str>> {
        Some(self.to_string().into())
    }

    fn error_type(&self) -> Option<Cow<'static, str>> {
        Some(self.as_str().to_owned().into())
    }
}

/// Asks a part of the value.
macro_rules! by_part {
    ($([$($generics:ident),*] $ty:ty, |$value:ident| $part:expr;)*) => {
        $(impl<$($generics),*> Outcome for $ty {
            fn outcome(&self) -> Ended {
                let $value = self;
                Outcome::outcome($part)
            }

            fn error_text(&self) -> Option<Cow<'_, str>> {
                let $value = self;
                Outcome::error_text($part)
            }

            fn error_type(&self) -> Option<Cow<'static, str>> {
                let $value = self;
                Outcome::error_type($part)
            }

            fn error_level(&self) -> Level {
                let $value = self;
                Outcome::error_level($part)
            }
        })*
    };
}

by_part! {
    [A] (StatusCode, A), |value| &value.0;
    [A, B] (StatusCode, A, B), |value| &value.0;
}

impl<B> Outcome for Response<B> {
    fn outcome(&self) -> Ended {
        self.status().outcome()
    }

    fn error_text(&self) -> Option<Cow<'_, str>> {
        Some(self.status().to_string().into())
    }

    fn error_type(&self) -> Option<Cow<'static, str>> {
        self.status().error_type()
    }
}
