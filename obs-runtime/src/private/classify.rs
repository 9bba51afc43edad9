//! What `#[derive(Classify)]` asks of the source of a transparent error.

use std::any::type_name;
use std::borrow::Cow;

use tracing::Level;

use super::chain::chain;
use crate::classify::Classify;

chain! {
    /// A source that is classified.
    L0(L1);
    ;
    /// Any other.
    L1
}

/// It says itself.
pub struct Classified;

impl<T: Classify + ?Sized> L0<&T> {
    #[doc(hidden)]
    pub fn __obs_class(&self) -> Classified {
        Classified
    }
}

impl Classified {
    #[doc(hidden)]
    pub fn __obs_level<T: Classify + ?Sized>(self, source: &T) -> Level {
        source.level()
    }

    #[doc(hidden)]
    pub fn __obs_name<T: Classify + ?Sized>(self, source: &T) -> Cow<'static, str> {
        source.kind()
    }
}

/// It says nothing.
pub struct Unclassified;

impl<T: ?Sized> L1<&T> {
    #[doc(hidden)]
    pub fn __obs_class(&self) -> Unclassified {
        Unclassified
    }
}

impl Unclassified {
    #[doc(hidden)]
    pub fn __obs_level<T: ?Sized>(self, _: &T) -> Level {
        Level::ERROR
    }

    #[doc(hidden)]
    pub fn __obs_name<T: ?Sized>(self, _: &T) -> Cow<'static, str> {
        Cow::Borrowed(type_name::<T>())
    }
}
