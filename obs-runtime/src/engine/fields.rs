use std::borrow::Cow;

/// Fields, rendered once as they stand on a log line: `,"key":value` for each.
#[derive(Clone, Default)]
pub struct Fields(pub(crate) Vec<u8>);

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Text.
    Str(Cow<'a, str>),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer beyond the signed ones.
    U64(u64),
    /// A number with a fraction.
    F64(f64),
    /// True or false.
    Bool(bool),
}

impl Fields {
    /// Each key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, FieldValue<'_>)> {
        std::iter::empty()
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
