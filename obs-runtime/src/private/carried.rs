//! What `#[derive(Carrier)]` calls: the field that carries, in whose type a mistake is told once.

use std::iter;

use super::chain::chain;
use crate::propagation::{Carrier, CarrierMut};

/// Says where a type that does not carry stands.
pub const fn carries<C: Carrier + ?Sized>() {}

chain! {
    /// A field that can be written.
    M0(M1);
    /// One that can only be read: writing is refused.
    M1(M2);
    ;
    /// One that does not carry: [`carries`] says so, and here it is passed over.
    M2
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: impl($($bound:tt)*) $level:ident;)*) => {
        $(
            $(#[$doc])*
            pub struct $kind;

            impl<C: ?Sized $($bound)*> $level<&C> {
                #[doc(hidden)]
                #[inline]
                pub fn __obs_kind(&self) -> $kind {
                    $kind
                }
            }
        )*
    };
}

kinds! {
    /// It is read and written.
    Writes: impl(+ CarrierMut) M0;
    /// It can only be read.
    Reads: impl(+ Carrier) M1;
    /// It does not carry.
    Neither: impl() M2;
}

macro_rules! reads_and_writes {
    ($($kind:ident),*) => {
        $(impl $kind {
            #[doc(hidden)]
            #[inline]
            pub fn __obs_values<'c, C: Carrier + ?Sized>(
                self,
                field: &'c C,
                key: &'c str,
            ) -> impl Iterator<Item = &'c [u8]> {
                field.values(key)
            }

            #[doc(hidden)]
            #[inline]
            pub fn __obs_set<C: CarrierMut + ?Sized>(self, field: &mut C, key: &'static str, value: &str) {
                field.set(key, value);
            }
        })*
    };
}

reads_and_writes!(Writes, Reads);

impl Writes {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_remove<C: CarrierMut + ?Sized>(self, field: &mut C, key: &'static str) {
        field.remove(key);
    }
}

impl Reads {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_remove<C: ?Sized>(self, _: &mut C, _: &'static str) {}
}

impl Neither {
    #[doc(hidden)]
    #[inline]
    pub fn __obs_values<'c, C: ?Sized>(self, _: &'c C, _: &'c str) -> impl Iterator<Item = &'c [u8]> {
        iter::empty()
    }

    #[doc(hidden)]
    #[inline]
    pub fn __obs_set<C: ?Sized>(self, _: &mut C, _: &'static str, _: &str) {}

    #[doc(hidden)]
    #[inline]
    pub fn __obs_remove<C: ?Sized>(self, _: &mut C, _: &'static str) {}
}
