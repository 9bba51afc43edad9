//! Metric cells, sets, registries and their text.

pub(crate) mod operations;
pub(crate) mod scope;
