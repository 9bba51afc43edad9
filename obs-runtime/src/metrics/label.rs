//! Labels are types: what a value of a label is, and what a set of them is.

use std::fmt::{self, Write};

use crate::metrics::descriptor::LabelDescriptor;

/// The values that a label can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// These only. Such labels cost an array index.
    Closed(&'static [&'static str]),
    /// Whatever comes, but so many at most.
    Open {
        /// How many different values are kept; those that come after are counted as `_other`.
        max: usize,
    },
}

/// A value of a label, with a bound on how many there are: `#[derive(LabelValue)]`.
///
/// ```
/// use std::sync::Arc;
///
/// use obs_runtime::LabelValue;
///
/// #[derive(LabelValue)]
/// enum Direction {
///     Inbound,
///     Outbound,
/// }
///
/// #[derive(LabelValue)]
/// #[label(max = 10_000)]
/// struct UserId(Arc<str>);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a label: its values are not bounded",
    label = "an enum with `#[derive(LabelValue)]`, or a newtype that says how many: `#[label(max = 1_000)]`"
)]
pub trait LabelValue: Send + Sync + 'static {
    /// What values there can be.
    const VALUES: Values;

    /// Where a closed value stands in [`Values::Closed`]. Open ones are not asked.
    fn index(&self) -> usize {
        0
    }

    /// The text of the value, where it need not be written first.
    #[doc(hidden)]
    fn ready(&self) -> Option<&str> {
        None
    }

    /// The text of the value, where it stays where it is for as long as the program runs.
    #[doc(hidden)]
    fn lasting(&self) -> Option<&'static str> {
        None
    }

    /// Writes the text of the value.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn text(&self, out: &mut dyn Write) -> fmt::Result {
        match Self::VALUES {
            Values::Closed(values) => out.write_str(values.get(self.index()).copied().unwrap_or(OTHER)),
            Values::Open { .. } => Ok(()),
        }
    }
}

/// The labels of a metric: `#[derive(LabelSet)]` on a struct with a field for each. `()` is no label at all.
///
/// ```
/// use obs_runtime::{LabelSet, Method, Route, Status};
///
/// #[derive(LabelSet)]
/// struct HttpLabels {
///     method: Method,
///     path: Route,
///     status: Status,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of labels",
    label = "a struct with `#[derive(LabelSet)]`, whose fields are the labels"
)]
pub trait LabelSet: Send + Sync + 'static {
    /// The labels, in the order in which they are written.
    const LABELS: &'static [LabelDescriptor];

    /// Shows every value to `visitor`, in the order of [`LABELS`](Self::LABELS).
    fn visit<'a>(&'a self, visitor: &mut LabelVisitor<'a>);

    /// Where the values stand in an array of all that there can be: mixed radix, the last label fastest. Of use where no label
    /// is open.
    #[doc(hidden)]
    #[inline]
    fn index(&self) -> Option<usize> {
        LabelVisitor::index(self)
    }

    /// The value, where there is but one: a metric without labels is shown from the start.
    #[doc(hidden)]
    #[must_use]
    fn only() -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// What a value becomes that came after the last one there was room for.
pub(crate) const OTHER: &str = "_other";

/// Reads the values of a [`LabelSet`] one after the other.
#[derive(Debug)]
pub struct LabelVisitor<'a> {
    want: Want<'a>,
    /// Nothing was there that this visitor cannot take.
    sound: bool,
}

#[derive(Debug)]
enum Want<'a> {
    /// Where the values stand in an array of all of them: mixed radix, the last label fastest.
    Index(usize),
    /// Their texts, where they are there already.
    Texts([&'a str; MOST], usize),
    /// Their texts, where all of them stay where they are.
    Lasting([&'static str; MOST], usize),
    /// Their texts, written. It is lent, so that a visitor has nothing to drop.
    Key(&'a mut Key),
}

/// So many texts are taken without memory from the heap.
pub(crate) const MOST: usize = 8;

impl<'a> LabelVisitor<'a> {
    /// Takes the value of the next label.
    #[inline(always)]
    pub fn label<T: LabelValue>(&mut self, value: &'a T) {
        match &mut self.want {
            Want::Index(index) => {
                if let Values::Closed(values) = T::VALUES {
                    let at = value.index();
                    self.sound &= at < values.len();
                    *index = index.wrapping_mul(values.len()).wrapping_add(at);
                }
            }
            Want::Texts(texts, count) => match (ready(value), texts.get_mut(*count)) {
                (Some(text), Some(slot)) => {
                    *slot = text;
                    *count += 1;
                }
                _ => self.sound = false,
            },
            Want::Lasting(texts, count) => match (lasting(value), texts.get_mut(*count)) {
                (Some(text), Some(slot)) => {
                    *slot = text;
                    *count += 1;
                }
                _ => self.sound = false,
            },
            Want::Key(key) => key.take(value),
        }
    }

    /// Where these values stand in an array of all that there can be.
    fn index(labels: &'a (impl LabelSet + ?Sized)) -> Option<usize> {
        let mut visitor = LabelVisitor { want: Want::Index(0), sound: true };
        labels.visit(&mut visitor);
        match visitor.want {
            Want::Index(index) if visitor.sound => Some(index),
            _ => None,
        }
    }

    /// Shows the texts of the values, if they need not be written first and are few enough.
    #[inline(always)]
    pub(crate) fn texts<R>(labels: &'a impl LabelSet, show: impl FnOnce(&[&str]) -> Option<R>) -> Option<R> {
        let mut visitor = LabelVisitor { want: Want::Texts([""; MOST], 0), sound: true };
        labels.visit(&mut visitor);
        match &visitor.want {
            Want::Texts(texts, count) if visitor.sound => show(texts.get(..*count)?),
            _ => None,
        }
    }

    /// Shows the texts of the values, if all of them stay where they are and they are few enough.
    #[inline(always)]
    pub(crate) fn lasting<R>(labels: &'a impl LabelSet, show: impl FnOnce(&[&'static str]) -> Option<R>) -> Option<R> {
        let mut visitor = LabelVisitor { want: Want::Lasting([""; MOST], 0), sound: true };
        labels.visit(&mut visitor);
        match &visitor.want {
            Want::Lasting(texts, count) if visitor.sound => show(texts.get(..*count)?),
            _ => None,
        }
    }

    /// The key of these values: equal for equal tuples and for no others.
    pub(crate) fn key(labels: &impl LabelSet) -> Key {
        let mut key = Key::default();
        labels.visit(&mut LabelVisitor { want: Want::Key(&mut key), sound: true });
        key
    }
}

/// The text of a value that need not be written first.
#[inline(always)]
fn ready<T: LabelValue>(value: &T) -> Option<&str> {
    match T::VALUES {
        Values::Closed(values) => Some(values.get(value.index()).copied().unwrap_or(OTHER)),
        Values::Open { .. } => value.ready(),
    }
}

/// The text of a value that stays where it is.
#[inline(always)]
fn lasting<T: LabelValue>(value: &T) -> Option<&'static str> {
    match T::VALUES {
        Values::Closed(values) => Some(values.get(value.index()).copied().unwrap_or(OTHER)),
        Values::Open { .. } => value.lasting(),
    }
}

/// The texts of a tuple of labels, and where each one ends: `("ab", "c")` is not `("a", "bc")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    text: String,
    ends: Vec<usize>,
    /// Those of the texts that stay where they are.
    lasting: Vec<&'static str>,
}

impl Key {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    #[cold]
    #[inline(never)]
    fn take<T: LabelValue>(&mut self, value: &T) {
        self.lasting.extend(lasting(value));
        match ready(value) {
            Some(text) => self.push(text),
            None => {
                // A `Display` that fails leaves what it wrote until then.
                let _ = value.text(&mut self.text);
                self.ends.push(self.text.len());
            }
        }
    }

    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = Key::default();
        texts.into_iter().for_each(|text| key.push(text));
        key
    }

    /// The texts, if all of them stay where they are and they are few enough.
    pub(crate) fn lasting(&self) -> Option<&[&'static str]> {
        Some(&*self.lasting).filter(|texts| texts.len() == self.ends.len() && texts.len() <= MOST)
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.ends.iter().scan(0, |start, end| {
            let text = self.text.get(*start..*end);
            *start = *end;
            text
        })
    }
}

/// Goes on from the index of the labels before `value`.
#[inline]
pub(crate) fn index<T: LabelValue>(before: usize, value: &T) -> Option<usize> {
    let Values::Closed(values) = T::VALUES else { return Some(before) };
    let at = value.index();
    if at < values.len() { Some(before * values.len() + at) } else { None }
}

impl LabelSet for () {
    const LABELS: &'static [LabelDescriptor] = &[];

    #[inline]
    fn index(&self) -> Option<usize> {
        Some(0)
    }

    #[inline]
    fn visit<'a>(&'a self, _visitor: &mut LabelVisitor<'a>) {}

    fn only() -> Option<Self> {
        Some(())
    }
}

impl LabelValue for bool {
    const VALUES: Values = Values::Closed(&["false", "true"]);

    #[inline]
    fn index(&self) -> usize {
        usize::from(*self)
    }
}
