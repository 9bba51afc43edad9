//! What an annotation adds to a future: a constant, and few levels of types.

use std::future::Future;

use obs_runtime::observed;
use obs_runtime::testing::capture;

/// A chain of async functions, each awaiting the one before.
macro_rules! chain {
    ($module:ident, $when:meta: $leaf:ident $($rest:ident)*) => {
        mod $module {
            #[cfg_attr($when, obs_runtime::observed(text))]
            pub(super) async fn $leaf(text: &str) -> Result<usize, String> {
                tokio::task::yield_now().await;
                Ok(text.len())
            }

            chain!(@ $when: $leaf $($rest)*);
        }
    };
    (@ $when:meta: $below:ident $name:ident $($rest:ident)*) => {
        #[cfg_attr($when, obs_runtime::observed(text))]
        pub(super) async fn $name(text: &str) -> Result<usize, String> {
            let size = $below(text).await?;
            Ok(size)
        }

        chain!(@ $when: $name $($rest)*);
    };
    (@ $when:meta: $last:ident) => {};
}

chain! { plain, any(): f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26 f27 f28 }
chain! { seen, all(): f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26 f27 f28 }

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

/// The recursion limit of the compiler is 128, and each level of a future is several types.
#[test]
fn a_chain_of_28_observed_functions_is_seen_to_be_send() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let seen = capture(|| runtime.block_on(is_send(seen::f28("text"))));
    assert_eq!(seen.value, Ok(4));
    assert_eq!(seen.spans().len(), 28);
}

/// The bytes that an annotation may add.
const GROWTH: usize = 32;

#[test]
fn a_future_grows_by_a_constant_an_annotation() {
    let (plain, seen) = (size_of_val(&plain::f28("")), size_of_val(&seen::f28("")));
    assert!(seen - plain <= 28 * GROWTH, "{plain} became {seen}");
}

#[test]
fn a_future_grows_by_a_constant_whatever_its_arguments() {
    async fn plain(bytes: [u8; 1024], _: u64) -> usize {
        tokio::task::yield_now().await;
        bytes.len()
    }
    #[observed(size = bytes.len())]
    async fn seen(bytes: [u8; 1024], _: u64) -> usize {
        tokio::task::yield_now().await;
        bytes.len()
    }
    let (plain, seen) = (size_of_val(&plain([0; 1024], 0)), size_of_val(&seen([0; 1024], 0)));
    assert!(seen - plain <= GROWTH, "{plain} became {seen}");
}
