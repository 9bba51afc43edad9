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
            if let Some(key) = &mut self.key {
                key.push(values.get(index).copied().unwrap_or(OTHER));
            }
        } else if let Some(key) = &mut self.key {
            match value.ready() {
                Some(text) => key.push(text),
                None => key.write(value),
            }
        }
    }

    /// Where these values stand in an array of all of them: mixed radix, the last label fastest.
    #[inline]
    pub(crate) fn index(labels: &impl LabelSet) -> Option<usize> {
        let mut visitor = LabelVisitor { index: 0, sound: true, key: None };
        labels.visit(&mut visitor);
        visitor.sound.then_some(visitor.index)
    }

    /// One that takes keys.
    pub(crate) const fn of_keys() -> Self {
        LabelVisitor { index: 0, sound: true, key: Some(Key { text: String::new(), ends: Vec::new() }) }
    }

    /// The key of these values, for as long as nobody asks for another: no memory is taken once it is large enough.
    #[inline]
    pub(crate) fn key_of(&mut self, labels: &impl LabelSet) -> &Key {
        self.key.get_or_insert_default().clear();
        labels.visit(self);
        self.key.get_or_insert_default()
    }

    /// The key of these values: equal for equal tuples and for no others.
    pub(crate) fn key(labels: &impl LabelSet) -> Key {
        let mut visitor = LabelVisitor::of_keys();
        labels.visit(&mut visitor);
        visitor.key.unwrap_or_default()
    }
}

/// The texts of a tuple of labels, and where each one ends: `("ab", "c")` is not `("a", "bc")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    text: String,
    ends: Vec<usize>,
}

impl Key {
    #[inline]
    fn clear(&mut self) {
        // What one huge value took is not kept for ever.
        self.text.clear();
        if self.text.capacity() > 4_096 {
            self.text = String::new();
        }
        self.ends.clear();
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    fn write<T: LabelValue>(&mut self, value: &T) {
        // A `Display` that fails leaves what it wrote until then.
        let _ = value.text(&mut self.text);
        self.ends.push(self.text.len());
    }

    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = Key::default();
        texts.into_iter().for_each(|text| key.push(text));
        key
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.ends.iter().scan(0, |start, end| {
            let text = self.text.get(*start..*end);
            *start = *end;
            text
        })
    }

    /// The same in no more memory than it takes.
    pub(crate) fn shrunk(mut self) -> Self {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self
    }

    /// Where to look for it in a table. Seeded anew in each process, so that nobody can make labels that meet.
    #[inline]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        let ends = self.ends.iter().fold(seed, |mixed, end| mixed.rotate_left(23) ^ *end as u64);
        hash(self.text.as_bytes(), ends)
    }
}

/// Folded multiplication of sixteen bytes at a time, the last sixteen as they come.
#[inline]
fn hash(bytes: &[u8], seed: u64) -> u64 {
    const ODD: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x8cb9_2ba7_2f3d_8dd7];
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ (wide >> 64) as u64
    };
    let word = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight));
    let half = |at: usize| {
        let four = bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four));
        u64::from(four)
    };
    let length = bytes.len();
    let mut state = fold(seed ^ ODD[0], ODD[1]);
    let mut at = 0;
    while at + 16 < length {
        state = fold(word(at) ^ state, word(at + 8) ^ ODD[1]);
        at += 16;
    }
    let (a, b) = match length {
        16.. => (word(length - 16), word(length - 8)),
        8.. => (word(0), word(length - 8)),
        4.. => (half(0), half(length - 4)),
        1.. => (u64::from(bytes[0]) << 8 | u64::from(bytes[length / 2]), u64::from(bytes[length - 1])),
        0 => (0, 0),
    };
    state = fold(a ^ state, b ^ ODD[2]);
    fold(state ^ length as u64, ODD[0])
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
