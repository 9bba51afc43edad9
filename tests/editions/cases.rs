//! Functions that are made twice, plain and observed: in every edition both do the same.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(what: &str) {
    SEEN.with(|seen| seen.borrow_mut().push(what.to_owned()));
}

/// Tells when it is dropped.
struct Noisy(&'static str, RefCell<Vec<u8>>);

impl Noisy {
    fn new(name: &'static str) -> Self {
        Noisy(name, RefCell::new(vec![1, 2]))
    }

    fn guard(&self) -> Guard<'_> {
        Guard(self)
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        note(self.0);
    }
}

/// A temporary that tells when it ends, before or after what it borrows from.
struct Guard<'a>(&'a Noisy);

impl Guard<'_> {
    fn size(&self) -> usize {
        (self.0).1.borrow().len()
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        note(&format!("guard of {}", (self.0).0));
    }
}

fn now<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}

/// Waits once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

macro_rules! cases {
    ($name:ident, $when:meta) => {
        mod $name {
            use super::{note, now, Guard, Noisy, Yield};
            use std::fmt::Display;
            use std::future::Future;
            use std::pin::Pin;

            #[cfg_attr($when, obs_runtime::observed)]
            fn tail(a: Noisy, _: Noisy, (b, _): (Noisy, Noisy)) -> usize {
                note("body");
                a.guard().size() + b.guard().size()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            async fn tail_async(a: Noisy, _: Noisy, (b, _): (Noisy, Noisy)) -> usize {
                Yield(false).await;
                note("body");
                a.guard().size() + b.guard().size()
            }

            #[cfg_attr($when, obs_runtime::observed(text, by))]
            fn early(text: &str, by: u32, _a: Noisy) -> Result<u32, std::num::ParseIntError> {
                if text.is_empty() {
                    return Ok(0);
                }
                let local = Noisy::new("local");
                let number: u32 = text.parse()?;
                note(local.0);
                Ok(number * by)
            }

            #[cfg_attr($when, obs_runtime::observed)]
            fn condition(a: &Noisy) -> usize {
                // In 2024 the guard ends before the else, until 2021 after it.
                if let 0 = a.guard().size() {
                    0
                } else {
                    note("else");
                    1
                }
            }

            struct Shelf(Vec<String>);

            impl Shelf {
                #[cfg_attr($when, obs_runtime::observed(key))]
                async fn find(&self, key: &str) -> Option<&str> {
                    Yield(false).await;
                    self.0.iter().map(String::as_str).find(|name| name.starts_with(key))
                }

                #[cfg_attr($when, obs_runtime::observed)]
                async fn longest<'a>(&'a self, other: &'a str, fallback: &str) -> &'a str {
                    Yield(false).await;
                    note(fallback);
                    self.0.iter().map(String::as_str).chain([other]).max_by_key(|name| name.len()).unwrap_or(other)
                }

                #[cfg_attr($when, obs_runtime::observed)]
                fn push(&mut self, name: impl Into<String>) -> &mut String {
                    self.0.push(name.into());
                    self.0.last_mut().expect("it was pushed")
                }

                #[cfg_attr($when, obs_runtime::observed)]
                fn each<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
                    self.0.iter().map(move |name| format!("{}{}", prefix, name))
                }

                #[cfg_attr($when, obs_runtime::observed)]
                fn boxed<'a>(&'a self, at: usize) -> Pin<Box<dyn Future<Output = Option<&'a str>> + Send + 'a>> {
                    note("before the box");
                    if at > 9 {
                        return Box::pin(async { None });
                    }
                    Box::pin(async move { self.0.get(at).map(String::as_str) })
                }
            }

            #[cfg_attr($when, obs_runtime::observed(r#type, größe))]
            fn named(r#type: &str, größe: u8) -> String {
                format!("{}{}", r#type, größe)
            }

            #[cfg_attr($when, obs_runtime::observed(value, n = N))]
            fn generic<T: Display, const N: usize>(value: T) -> [String; N] {
                [(); N].map(|()| value.to_string())
            }

            pub(super) fn run() {
                let made = |names: [&'static str; 4]| names.map(Noisy::new);
                let [a, b, c, d] = made(["a", "b", "c", "d"]);
                note(&tail(a, b, (c, d)).to_string());
                let [a, b, c, d] = made(["a", "b", "c", "d"]);
                note(&now(tail_async(a, b, (c, d))).to_string());
                for text in ["", "7", "x"] {
                    note(&format!("{:?}", early(text, 3, Noisy::new("a"))));
                }
                note(&condition(&Noisy::new("scrutinee")).to_string());
                let mut shelf = Shelf(vec!["one".to_owned()]);
                shelf.push("three").push('!');
                note(&format!("{:?} {}", now(shelf.find("th")), now(shelf.longest("of all of them", "none"))));
                note(&shelf.each("- ").collect::<Vec<_>>().join(","));
                note(&format!("{:?} {:?}", now(shelf.boxed(0)), now(shelf.boxed(10))));
                note(&named("t", 1));
                note(&generic::<_, 2>(7).concat());
                let _: fn(&Noisy) -> Guard<'_> = Noisy::guard;
            }
        }
    };
}

cases!(plain, any());
cases!(seen, all());

/// What the plain functions did, and what the observed ones.
#[must_use]
pub fn both() -> [Vec<String>; 2] {
    let taken = || SEEN.with(|seen| std::mem::take(&mut *seen.borrow_mut()));
    plain::run();
    let plain = taken();
    seen::run();
    [plain, taken()]
}
