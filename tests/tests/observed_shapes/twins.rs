//! What a function does to its arguments, beside what the same function does unobserved.

use std::cell::RefCell;

use super::*;

thread_local! {
    static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Noisy(&'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
    }
}

impl Noisy {
    fn name(&self) -> &'static str {
        self.0
    }
}

fn dropped(run: impl FnOnce()) -> Vec<&'static str> {
    DROPPED.take();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    DROPPED.take()
}

#[derive(Clone, Copy, Debug)]
enum End {
    Return,
    Early,
    Fail,
    Panic,
}

const ENDS: [End; 4] = [End::Return, End::Early, End::Fail, End::Panic];

fn fail(end: End) -> Result<(), Failure> {
    if let End::Fail = end { Err(Failure("no")) } else { Ok(()) }
}

macro_rules! twins {
    ($($item:tt)*) => {
        mod plain {
            use super::*;
            $($item)*
        }
        mod seen {
            use super::*;
            #[observed]
            $($item)*
        }
        mod seen_with_fields {
            use super::*;
            #[observed(?end)]
            $($item)*
        }
    };
}

mod sync {
    use super::*;

    twins! {
        pub(super) fn arguments(
            used: Noisy,
            end: End,
            _unused: Noisy,
            _: Noisy,
            (part, _): (Noisy, Noisy),
            (ref by_ref, mut mutable): (Noisy, Noisy),
        ) -> Result<&'static str, Failure> {
            let _local = Noisy("local");
            mutable.0 = "mutable";
            drop((part, mutable.name()));
            if let End::Early = end {
                return Ok(by_ref.name());
            }
            fail(end)?;
            if let End::Panic = end {
                panic!("as it should");
            }
            Ok(used.name())
        }
    }

    #[test]
    fn arguments_are_dropped_in_their_order() {
        type Arguments = fn(Noisy, End, Noisy, Noisy, (Noisy, Noisy), (Noisy, Noisy)) -> Result<&'static str, Failure>;
        let run = |function: Arguments, end: End| {
            dropped(|| {
                let pair = |a, b| (Noisy(a), Noisy(b));
                drop(function(Noisy("a"), end, Noisy("b"), Noisy("c"), pair("d", "e"), pair("f", "g")));
            })
        };
        for end in ENDS {
            let expected = run(plain::arguments, end);
            assert_eq!(expected.len(), 8);
            assert_eq!(run(seen::arguments, end), expected);
            assert_eq!(run(seen_with_fields::arguments, end), expected);
            capture(|| assert_eq!(run(seen_with_fields::arguments, end), expected));
        }
    }
}

mod methods {
    use super::*;

    struct Owner(#[expect(dead_code, reason = "only dropped")] Noisy, RefCell<Vec<u8>>);

    impl Owner {
        fn new() -> Self {
            Self(Noisy("self"), RefCell::default())
        }

        fn plain(self, a: Noisy, _: Noisy) -> usize {
            let _local = Noisy("local");
            self.1.borrow().len() + a.name().len()
        }

        #[observed]
        fn seen(self, a: Noisy, _: Noisy) -> usize {
            let _local = Noisy("local");
            self.1.borrow().len() + a.name().len()
        }

        async fn plain_async(self, a: Noisy, _: Noisy) -> usize {
            let _local = Noisy("local");
            std::future::ready(()).await;
            self.1.borrow().len() + a.name().len()
        }

        #[observed]
        async fn seen_async(self, a: Noisy, _: Noisy) -> usize {
            let _local = Noisy("local");
            std::future::ready(()).await;
            self.1.borrow().len() + a.name().len()
        }
    }

    #[test]
    fn the_receiver_is_dropped_last() {
        let expected = dropped(|| _ = Owner::new().plain(Noisy("a"), Noisy("b")));
        assert_eq!(expected.len(), 4);
        assert_eq!(dropped(|| _ = Owner::new().seen(Noisy("a"), Noisy("b"))), expected);
        let expected = dropped(|| _ = now(Owner::new().plain_async(Noisy("a"), Noisy("b"))));
        assert_eq!(expected.len(), 4);
        assert_eq!(dropped(|| _ = now(Owner::new().seen_async(Noisy("a"), Noisy("b")))), expected);
    }
}

mod asynchronous {
    use super::*;

    twins! {
        pub(super) async fn arguments(
            used: Noisy,
            end: End,
            _unused: Noisy,
            _: Noisy,
            (part, _): (Noisy, Noisy),
            (ref by_ref, mut mutable): (Noisy, Noisy),
        ) -> Result<&'static str, Failure> {
            let _local = Noisy("local");
            mutable.0 = "mutable";
            once_pending().await;
            drop((part, mutable.name()));
            if let End::Early = end {
                return Ok(by_ref.name());
            }
            fail(end)?;
            if let End::Panic = end {
                panic!("as it should");
            }
            Ok(used.name())
        }
    }

    async fn once_pending() {
        let mut waited = false;
        std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    fn run<F: Future>(
        function: impl FnOnce(Noisy, End, Noisy, Noisy, (Noisy, Noisy), (Noisy, Noisy)) -> F,
        end: End,
        polls: usize,
    ) -> Vec<&'static str> {
        dropped(|| {
            let pair = |a, b| (Noisy(a), Noisy(b));
            let mut future =
                Box::pin(function(Noisy("a"), end, Noisy("b"), Noisy("c"), pair("d", "e"), pair("f", "g")));
            for _ in 0..polls {
                let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        })
    }

    #[test]
    fn arguments_are_dropped_in_their_order_however_often_polled() {
        for end in ENDS {
            for polls in 0..3 {
                let expected = run(plain::arguments, end, polls);
                assert!(expected.len() >= 7);
                assert_eq!(run(seen::arguments, end, polls), expected);
                assert_eq!(run(seen_with_fields::arguments, end, polls), expected);
                capture(|| assert_eq!(run(seen_with_fields::arguments, end, polls), expected));
            }
        }
    }
}
