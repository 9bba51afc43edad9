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
    fn visit(&self, visitor: &mut LabelVisitor);

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
pub struct LabelVisitor {
    index: usize,
    sound: bool,
    key: Option<Key>,
}

impl LabelVisitor {
    /// Takes the value of the next label.
    #[inline]
    pub fn label<T: LabelValue>(&mut self, value: &T) {
        if let Values::Closed(values) = T::VALUES {
            let index = value.index();
            self.sound &= index < values.len();
            self.index = self.index.wrapping_mul(values.len()).wrapping_add(index);
        }
        if let Some(key) = &mut self.key {
            key.push(value);
        }
    }

    /// Where these values stand in an array of all of them: mixed radix, the last label fastest.
    #[inline]
    pub(crate) fn index(labels: &impl LabelSet) -> Option<usize> {
        let mut visitor = LabelVisitor { index: 0, sound: true, key: None };
        labels.visit(&mut visitor);
        visitor.sound.then_some(visitor.index)
    }

    /// The key of these values: equal for equal tuples and for no others.
    pub(crate) fn key(labels: &impl LabelSet) -> Key {
        let mut visitor = LabelVisitor { index: 0, sound: true, key: Some(Key::default()) };
        labels.visit(&mut visitor);
        visitor.key.unwrap_or_default()
    }
}

/// The texts of a tuple of labels, and where each one ends: `("ab", "c")` is not `("a", "bc")`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    text: String,
    ends: Vec<usize>,
}

impl Key {
    fn push<T: LabelValue>(&mut self, value: &T) {
        // A `Display` that fails leaves what it wrote until then.
        let _ = value.text(&mut self.text);
        self.ends.push(self.text.len());
    }

    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = Key::default();
        for text in texts {
            let _ = key.text.write_str(text);
            key.ends.push(key.text.len());
        }
        key
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.ends.iter().scan(0, |start, end| {
            let text = self.text.get(*start..*end);
            *start = *end;
            text
        })
    }
}

impl LabelSet for () {
    const LABELS: &'static [LabelDescriptor] = &[];

    #[inline]
    fn visit(&self, _visitor: &mut LabelVisitor) {}

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
