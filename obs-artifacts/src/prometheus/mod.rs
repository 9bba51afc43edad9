//! Rules of Prometheus: alerts, recorded quantiles, objectives.
//!
//! ```
//! use obs_artifacts::prometheus::{Alert, Quantiles, RuleGroup, Rules, Severity};
//! use obs_artifacts::{Catalogue, promql, slo};
//! use obs_runtime::OPERATION_DESCRIPTORS;
//!
//! let catalogue = Catalogue::new("shop").describe(OPERATION_DESCRIPTORS)?;
//! let failing = Alert::new(
//!     "OperationsFail",
//!     r#"sum by (operation) (rate(operation_duration_seconds_count{outcome="error"}[5m])) > 1"#,
//!     Severity::Warning,
//! )
//! .after("5m")
//! .summary("{{ $labels.operation }} fails");
//! let rules = Rules::new()
//!     .with(RuleGroup::new("shop").alert(failing))
//!     .with(Quantiles::of("operation_duration_seconds").without("outcome").group("shop-quantiles", &catalogue))
//!     .objectives("shop-slo", slo![{ name: "orders", operation: "place_order", latency: 0.5, objective: 0.995 }]);
//!
//! let catalogue = rules.declare(catalogue)?; // what is recorded can be named from here on
//! promql::check(&catalogue, &rules.queries())?;
//! assert!(rules.to_yaml().contains("record: operation_duration_seconds:p99"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod quantiles;
mod rules;
mod slo;

pub use self::quantiles::Quantiles;
pub use self::rules::{Alert, Record, Rule, RuleGroup, Rules, Severity};
pub use self::slo::Slo;
