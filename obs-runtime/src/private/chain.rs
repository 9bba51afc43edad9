//! Chains of types: of the levels, each of which derefs to the next, a method call finds the first that has the method.

/// Builds a chain: each level derefs to the next.
macro_rules! chain {
    ($($(#[$doc:meta])* $level:ident($next:ident);)* ; $(#[$last_doc:meta])* $last:ident) => {
        $(
            $(#[$doc])*
            pub struct $level<'a, T: ?Sized>($next<'a, T>);

            impl<'a, T: ?Sized> ::std::ops::Deref for $level<'a, T> {
                type Target = $next<'a, T>;
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }

            impl<T: ?Sized> $level<'_, T> {
                const START: Self = $level($next::START);
            }
        )*
        $(#[$last_doc])*
        pub struct $last<'a, T: ?Sized>(::std::marker::PhantomData<&'a T>);

        impl<T: ?Sized> $last<'_, T> {
            const START: Self = $last(::std::marker::PhantomData);
        }
    };
}
pub(super) use chain;
