//! Dashboards of Grafana, and the data sources that lead from a panel through an exemplar to a trace and to its log lines.
//!
//! ```
//! use obs_artifacts::grafana::{Dashboard, Panel, Unit, Variable};
//! use obs_artifacts::{Catalogue, promql};
//! use obs_runtime::OPERATION_DESCRIPTORS;
//!
//! let dashboard = Dashboard::new("shop-operations", "Operations")
//!     .variable(Variable::values_of("operation", "operations_in_flight"))
//!     .row(
//!         "Load",
//!         [
//!             Panel::lines("Running", Unit::Count)
//!                 .query(r#"sum by (operation) (operations_in_flight{operation=~"$operation"})"#, "{{operation}}"),
//!             Panel::lines("Ended", Unit::PerSecond)
//!                 .query("sum by (outcome) (rate(operation_duration_seconds_count[$__rate_interval]))", "{{outcome}}"),
//!         ],
//!     );
//!
//! let catalogue = Catalogue::new("shop").describe(OPERATION_DESCRIPTORS)?;
//! promql::check(&catalogue, &dashboard.queries())?;
//! assert!(dashboard.to_json().contains("${datasource}")); // no data source is named by more than a variable
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dashboard;
mod panel;
mod sources;

pub use self::dashboard::{Dashboard, Variable};
pub use self::panel::{Panel, Unit};
pub use self::sources::{dashboard_provider, data_sources};
