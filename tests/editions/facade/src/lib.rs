//! Hands the toolkit on under names of its own.
#![deny(warnings, missing_docs)]

/// The toolkit.
pub use obs_runtime as telemetry;
/// What most services need of it.
pub use obs_runtime::{observe, observed, record};

/// Makes an observed function that doubles its argument: the macro alone knows where the toolkit is.
#[macro_export]
macro_rules! doubling {
    ($name:ident) => {
        #[$crate::observed(n, crate = $crate::telemetry)]
        fn $name(n: u32) -> u32 {
            n * 2
        }
    };
}
