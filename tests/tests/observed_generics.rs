//! Generics of every kind, each function beside its plain twin: both type-check alike and do the same.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use obs_runtime::testing::capture;

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// Lends its items: a generic associated type.
trait Lend {
    type Item<'a>: Display
    where
        Self: 'a;

    fn lend(&mut self) -> Option<Self::Item<'_>>;
}

struct Words(Vec<String>, usize);

impl Lend for Words {
    type Item<'a> = &'a str;

    fn lend(&mut self) -> Option<&str> {
        let word = self.0.get(self.1)?;
        self.1 += 1;
        Some(word)
    }
}

macro_rules! twins {
    ($module:ident, $when:meta) => {
        mod $module {
            use super::*;

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn lent<L: Lend>(lender: &mut L) -> Option<L::Item<'_>> {
                lender.lend();
                lender.lend()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn higher_ranked<F>(each: F, text: &str) -> usize
            where
                F: for<'a> Fn(&'a str) -> &'a str,
            {
                each(text).len()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) async fn higher_ranked_async<'t, F>(each: F, text: &'t str) -> Option<&'t str>
            where
                F: for<'a> Fn(&'a str) -> Option<&'a str> + Send,
            {
                each(text)?;
                Some(text)
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn precise<'a, T: Display>(
                text: &'a str,
                _unused: &T,
            ) -> impl Iterator<Item = char> + use<'a, T> {
                text.chars()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn captures_all(text: &str, by: &usize) -> impl Fn() -> String {
                move || text.repeat(*by)
            }

            #[cfg_attr($when, obs_runtime::observed(n = N, first = items[0]))]
            pub(super) fn array<T: Display + Copy, const N: usize>(items: [T; N]) -> [T; N] {
                let [first, ..] = items.as_slice() else { return items };
                [*first; N]
            }

            #[cfg_attr($when, obs_runtime::observed(?value))]
            pub(super) fn unsized_value<T: Debug + ?Sized>(value: &T) -> usize {
                size_of_val(value)
            }

            #[cfg_attr($when, obs_runtime::observed(%value))]
            pub(super) fn dynamic(value: &dyn Display) -> Box<dyn Display + '_> {
                Box::new(value)
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn nested(fail: bool) -> Result<Option<impl Display>, impl Debug> {
                if fail {
                    return Err("failed");
                }
                Ok(Some(1))
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn inferred(text: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
                let bytes = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
                let give = || Ok(bytes);
                give()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            pub(super) fn coerced<'a>(list: &'a Vec<u8>, fallback: &'a [u8; 2]) -> &'a [u8] {
                for _ in list {
                    return list;
                }
                fallback
            }

            #[cfg_attr($when, obs_runtime::observed(moved, len = moved.len()))]
            pub(super) fn taken(moved: String) -> String {
                let taken = move || moved;
                taken()
            }

            #[cfg_attr($when, obs_runtime::observed)]
            #[allow(unsafe_op_in_unsafe_fn)]
            pub(super) fn labelled(limit: u8) -> u8 {
                'outer: loop {
                    for n in 0.. {
                        if n == limit {
                            break 'outer n;
                        }
                        if n > 100 {
                            return 0;
                        }
                    }
                }
            }

            pub(super) fn run() -> Vec<String> {
                let mut words = Words(vec!["one".to_owned(), "two".to_owned()], 0);
                let shown = |value: &dyn Debug| format!("{value:?}");
                vec![
                    lent(&mut words).map(|word| word.to_string()).unwrap_or_default(),
                    higher_ranked(str::trim, " text ").to_string(),
                    shown(&now(higher_ranked_async(|text| text.get(1..), "text"))),
                    precise("abc", &1).skip(1).collect(),
                    captures_all("ab", &2)(),
                    shown(&array([3, 4, 5])),
                    unsized_value("text").to_string(),
                    dynamic(&7).to_string(),
                    shown(&nested(true).map(|value| value.map(|value| value.to_string()))),
                    shown(&inferred("1 2").ok()),
                    shown(&inferred("1 x").map_err(|error| error.to_string())),
                    shown(&coerced(&vec![1], &[2, 3])),
                    taken("moved".to_owned()),
                    labelled(7).to_string(),
                ]
            }
        }
    };
}

twins!(plain, any());
twins!(seen, all());

#[test]
fn functions_with_generics_do_what_their_plain_twins_do() {
    let seen = capture(seen::run);
    assert_eq!(seen.value, plain::run());
    assert_eq!(seen.spans().len(), 14);
    assert_eq!(seen.span("array").fields.get("n"), Some(&3.into()));
    assert_eq!(seen.span("taken").fields.get("moved"), Some(&"moved".into()));
    assert_eq!(seen.span("taken").fields.get("len"), Some(&5.into()));
}
