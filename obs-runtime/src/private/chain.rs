//! Chains of types: of the levels, each of which derefs to the next, a method call finds the first that has the method.
//!
//! What a level costs the compiler, each use of the chain pays: every method of the chain is looked at on every level that is
//! passed, and each of those is a call of `deref` to be checked. So the chains that nearly every annotated function asks, those of
//! fields and of outcomes, are short and take `self` by value.

/// Builds a chain over what is asked about: each level derefs to the next.
macro_rules! chain {
    ($($(#[$doc:meta])* $level:ident($next:ident);)* ; $(#[$last_doc:meta])* $last:ident) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $level<P>($next<P>);

            impl<P> ::std::ops::Deref for $level<P> {
                type Target = $next<P>;

                #[inline]
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }

            impl<P> $level<P> {
                /// The chain from here on.
                #[inline]
                pub const fn of(asked: P) -> Self {
                    $level($next::of(asked))
                }
            }
        )*
        $(#[$last_doc])*
        #[derive(Clone, Copy)]
        pub struct $last<P>(P);

        impl<P> $last<P> {
            /// The chain's end.
            #[inline]
            pub const fn of(asked: P) -> Self {
                $last(asked)
            }
        }
    };
}
pub(super) use chain;
