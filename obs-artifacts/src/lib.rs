//! From the descriptors of metrics to the files of those who watch a service: alert rules, dashboards, pipelines, a catalogue.
//!
//! Every query that is written is checked before against the types that publish the metrics: a name, a label, a value or a bucket that
//! does not exist, and a function that does not fit what it is asked of, is an error that says what there is.
//!
//! ```
//! use obs_artifacts::alertmanager::Channels;
//! use obs_artifacts::grafana::{Dashboard, Panel, Unit};
//! use obs_artifacts::prometheus::{Alert, RuleGroup, Rules, Severity};
//! use obs_artifacts::{Catalogue, Files, promql};
//! use obs_runtime::{Gauge, MetricSet};
//!
//! #[derive(MetricSet)]
//! #[metric_set(prefix = "shop")]
//! struct ShopMetrics {
//!     /// Carts that wait for their owners.
//!     carts: Gauge,
//! }
//!
//! let rules = Rules::new().with(RuleGroup::new("shop").alert(
//!     Alert::new("Abandoned", "sum by (job) (shop_carts) > 1000", Severity::Warning)
//!         .after("10m")
//!         .summary("Carts pile up in {{ $labels.job }}"),
//! ));
//! let dashboard = Dashboard::new("shop", "Shop").row("Carts", [Panel::lines("Waiting", Unit::Count).query("sum(shop_carts)", "carts")]);
//!
//! let catalogue = rules.declare(Catalogue::new("shop").describe(ShopMetrics::DESCRIPTORS)?)?;
//! promql::check(&catalogue, &[rules.queries(), dashboard.queries()].concat())?; // all mistakes at once
//!
//! let files = Files::new()
//!     .with("rules.yaml", rules.to_yaml())
//!     .with("alertmanager.yaml", Channels::of("shop").to_yaml())
//!     .with("dashboards/shop.json", dashboard.to_json())
//!     .with("METRICS.md", catalogue.to_markdown());
//! assert!(files.get("METRICS.md").is_some_and(|page| page.contains("Carts that wait for their owners.")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `files.write(directory)` writes them; in a test, `files.differences(directory)` says whether what is committed is what would be written now.
//!
//! | To | See |
//! |---|---|
//! | say what can be named, metrics of others among it | [`Catalogue`], [`catalogue::External`] |
//! | check queries of your own | [`promql::check`]; [`promql::judge`], which is `const` |
//! | write alerts, recorded quantiles, objectives | [`prometheus`], [`slo!`] |
//! | say who is told | [`alertmanager::Channels`] |
//! | draw dashboards | [`grafana`] |
//! | say where logs, metrics and traces go, and how long they stay | [`pipeline::Pipeline`] |
//! | publish the catalogue: for people, for OpenTelemetry's tools, for a later version to be compared with | [`Catalogue::to_markdown`], [`Catalogue::to_semantic_conventions`], [`catalogue::Published`] |
//! | know what it costs | [`estimate`](mod@estimate) |
//!
//! # The program
//!
//! `obs-artifacts diff OLD NEW` compares two versions of `catalogue.json` and ends with 1 if something breaks: a metric that is gone, renamed or of
//! another kind, a lost label, and whatever else an alert or panel of the old version stumbles over, which it names.
//! `obs-artifacts estimate --from http://…/metrics` says what the telemetry of running services weighs a day and costs a month, beside what was planned.
//!
//! # Features
//!
//! | Feature | What it adds |
//! |---|---|
//! | `cli` (default) | the program; the library alone does without clap and an HTTP client |
#![deny(missing_docs)]

pub mod catalogue;
pub mod promql;

pub mod alertmanager;
pub mod grafana;
pub mod pipeline;
pub mod prometheus;

pub mod estimate;

mod files;
mod template;
mod yaml;

pub use crate::catalogue::{Catalogue, CatalogueError, Metric};
pub use crate::files::{Difference, Files};
pub use crate::promql::{Mistake, Mistakes, Query};
