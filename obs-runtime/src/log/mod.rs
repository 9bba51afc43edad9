//! Log lines: their text, and the thread that writes them.

pub(crate) mod json;
mod limit;
pub(crate) mod line;
mod output;
mod pretty;
pub(crate) mod writer;

pub(crate) use self::limit::Limit;
pub(crate) use self::line::{Line, Origin, Render};
