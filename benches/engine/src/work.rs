//! What is done in every dress: a call with two texts of 36 characters, and a future that is polled often.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

/// An id that is shown by its `Display`, as ids are.
pub struct Id(pub String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub static IDS: LazyLock<Vec<(Id, Id)>> = LazyLock::new(|| {
    let id = |number: u32, end: u32| {
        Id(format!("3f2b8c1e-9d4a-4e7b-8a61-{:08x}{end:04x}", number.wrapping_mul(2_654_435_761)))
    };
    (0..256).map(|number| (id(number, 1), id(number, 2))).collect()
});

pub const STATUSES: [&str; 4] = ["provisioning", "running", "stopped", "failed"];

/// What the call itself does.
#[inline(always)]
pub fn body(agent_id: &Id, user_id: &Id) -> usize {
    black_box(agent_id.0.len() + user_id.0.len())
}

#[inline(always)]
pub fn each(calls: u32, call: impl Fn(&'static Id, &'static Id) -> usize) {
    let ids: &'static [(Id, Id)] = &IDS;
    for (agent_id, user_id) in ids.iter().cycle().take(calls as usize) {
        black_box(call(black_box(agent_id), black_box(user_id)));
    }
}

#[inline(always)]
pub fn each_status(calls: u32, call: impl Fn(&'static str)) {
    for status in STATUSES.into_iter().cycle().take(calls as usize) {
        call(black_box(status));
    }
}

/// Is pending so often.
pub struct Pending(pub u32);

impl Future for Pending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        black_box(&mut self.0);
        Poll::Pending
    }
}

/// Polls a future until it is ready.
pub fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
