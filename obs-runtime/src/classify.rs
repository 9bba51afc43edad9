//! What an error says of itself: how bad it is, and of which kind.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use tracing::Level;

/// How bad an error is, and of which kind. `#[derive(Classify)]` writes it.
///
/// The event that tells the error has its level, and span and event its kind as `error.type`.
///
/// ```
/// use obs_runtime::{Classify, Level, observed};
///
/// #[derive(Debug, Classify)]
/// enum FindError {
///     #[classify(level = "warn", kind = "not_found")]
///     NotFound,
///     Broken,
/// }
///
/// #[observed]
/// fn find() -> Result<(), FindError> {
///     Err(FindError::NotFound)
/// }
///
/// # find().unwrap_err();
/// assert_eq!(FindError::NotFound.level(), Level::WARN);
/// assert_eq!(FindError::NotFound.kind(), "not_found");
/// ```
pub trait Classify {
    /// The level of the error event, where the attribute does not say another.
    fn level(&self) -> Level {
        Level::ERROR
    }

    /// `error.type`: one of few texts.
    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(std::any::type_name::<Self>())
    }
}

macro_rules! by_pointer {
    ($($pointer:ty),*) => {
        $(impl<T: Classify + ?Sized> Classify for $pointer {
            fn level(&self) -> Level {
                T::level(self)
            }

            fn kind(&self) -> Cow<'static, str> {
                T::kind(self)
            }
        })*
    };
}

by_pointer!(&T, Box<T>, Rc<T>, Arc<T>);
