//! Log lines: their text, and the thread that writes them.

pub(crate) mod json;
mod line;
mod pretty;
pub(crate) mod writer;

pub(crate) use self::line::{Line, Origin, Render};
