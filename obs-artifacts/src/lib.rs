//! From the descriptors of metrics to the files of those who watch a service: alert rules, dashboards, pipelines, a catalogue.
#![deny(missing_docs)]

pub mod catalogue;
pub mod promql;

pub mod alertmanager;
pub mod grafana;
pub mod pipeline;
pub mod prometheus;

mod files;
mod template;
mod yaml;

pub use crate::catalogue::{Catalogue, CatalogueError, Metric};
pub use crate::files::{Difference, Files};
pub use crate::promql::{Mistake, Mistakes, Query};
