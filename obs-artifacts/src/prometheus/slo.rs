use obs_runtime::OPERATION_DESCRIPTORS;

use super::rules::{Alert, Record, RuleGroup, Severity};
use crate::catalogue::Label;
use crate::promql::is_bucket;

/// A service level objective of an observed operation: this share of its calls ends `ok` within a latency. Calls whose caller gave
/// up (`cancelled`) count neither way. Declared by [`slo!`](crate::slo).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// What it is called in alerts.
    pub name: &'static str,
    /// The `operation` of `operation_duration_seconds`.
    pub operation: &'static str,
    /// In seconds: one of the bounds of `operation_duration_seconds`.
    pub latency: f64,
    /// The share: `0.999`.
    pub objective: f64,
}

/// Declares objectives of observed operations: a `&'static [Slo]`.
///
/// Each says its name in alerts, the operation, the latency in seconds and the share of calls that must end well within it.
///
/// ```
/// use obs_artifacts::prometheus::Slo;
/// use obs_artifacts::slo;
///
/// const OBJECTIVES: &[Slo] = slo![
///     { name: "orders", operation: "place_order", latency: 0.5, objective: 0.995 },
///     { name: "carts", operation: "Cart::add", latency: 0.1, objective: 0.999 },
/// ];
/// ```
///
/// # Errors
///
/// A latency that is no bound of `operation_duration_seconds`, and an objective that is not between 0 and 1, do not compile.
///
/// ```compile_fail
/// # use obs_artifacts::slo;
/// let _ = slo![{ name: "orders", operation: "place_order", latency: 0.3, objective: 0.995 }];
/// ```
///
/// ```compile_fail
/// # use obs_artifacts::slo;
/// let _ = slo![{ name: "orders", operation: "place_order", latency: 0.5, objective: 99.5 }];
/// ```
#[macro_export]
macro_rules! slo {
    ($({ name: $name:expr, operation: $operation:expr, latency: $latency:expr, objective: $objective:expr $(,)? }),* $(,)?) => {
        const {
            &[$($crate::prometheus::Slo::new($name, $operation, $latency, $objective)),*] as &'static [$crate::prometheus::Slo]
        }
    };
}

/// Two windows that must both burn, how fast, for how long, and who is told. A budget of 30 days is gone after 30 / `burn` days.
struct Burn {
    long: &'static str,
    short: &'static str,
    burn: f64,
    after: &'static str,
    severity: Severity,
}

/// The windows of "Alerting on SLOs" in Google's Site Reliability Workbook.
const BURNS: [Burn; 4] = [
    Burn { long: "1h", short: "5m", burn: 14.4, after: "2m", severity: Severity::Critical },
    Burn { long: "6h", short: "30m", burn: 6.0, after: "15m", severity: Severity::Critical },
    Burn { long: "1d", short: "2h", burn: 3.0, after: "1h", severity: Severity::Warning },
    Burn { long: "3d", short: "6h", burn: 1.0, after: "3h", severity: Severity::Warning },
];

const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

impl Slo {
    /// `objective` of the calls of `operation` end well within `latency` seconds.
    ///
    /// # Panics
    ///
    /// If the latency is no bound of `operation_duration_seconds`, or the objective not between 0 and 1. In [`slo!`](crate::slo) that
    /// is an error of compilation.
    #[must_use]
    pub const fn new(name: &'static str, operation: &'static str, latency: f64, objective: f64) -> Self {
        assert!(
            is_bucket(OPERATION_DESCRIPTORS[0].buckets, latency),
            "the latency of an objective must be a bound of `operation_duration_seconds`, or nobody counts it: 0.0001, 0.0005, 0.001, \
             0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 or 10 seconds"
        );
        assert!(objective > 0.0 && objective < 1.0, "an objective is a share: write `0.995` for 99.5 %");
        Slo { name, operation, latency, objective }
    }

    /// The rules that record the share of calls that went wrong, one a window.
    pub(super) fn record(&self, group: RuleGroup) -> RuleGroup {
        let Slo { name, operation, latency, .. } = self;
        let latency = if latency.fract() == 0.0 {
            // `1` in the text format, `1.0` in OpenMetrics.
            format!("=~\"{latency}|{latency}\\\\.0\"")
        } else {
            format!("=\"{latency}\"")
        };
        WINDOWS.iter().fold(group, |group, window| {
            let expr = format!(
                "1 -\n  sum(rate(operation_duration_seconds_bucket{{operation=\"{operation}\", outcome=\"ok\", le{latency}}}[{window}]))\n\
                 /\n  sum(rate(operation_duration_seconds_count{{operation=\"{operation}\", outcome!=\"cancelled\"}}[{window}]))"
            );
            let record = Record::new(format!("slo:error_share:rate{window}"), expr, Vec::<Label>::new())
                .help(&format!("Share of calls over {window} that failed or were too slow."))
                .label("slo", name)
                .label("operation", operation);
            group.record(record)
        })
    }

    /// The alerts of an error budget that burns too fast.
    pub(super) fn alert(&self, group: RuleGroup) -> RuleGroup {
        let Slo { name, operation, latency, objective } = self;
        BURNS.iter().fold(group, |group, Burn { long, short, burn, after, severity }| {
            // Rounded, so that 1 - 0.995 is 0.005 in the file too.
            let limit = (burn * (1.0 - objective) * 1e9).round() / 1e9;
            let share = |window| format!("slo:error_share:rate{window}{{slo=\"{name}\"}} > {limit}");
            let alert = Alert::new("SloBudgetBurns", format!("{}\nand\n{}", share(long), share(short)), *severity)
                .after(after)
                .label("slo", name)
                .label("window", long)
                .summary(&format!("At this rate the error budget of {name} is gone in {:.0} days", 30.0 / burn))
                .description(&format!(
                    "{{{{ $value | humanizePercentage }}}} of the calls of `{operation}` over {long} failed or took longer than {latency} s; \
                     the objective allows {}.",
                    percent(1.0 - objective)
                ));
            group.alert(alert)
        })
    }
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e11).round() / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_lists_the_bounds_there_are() {
        let listed = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        assert_eq!(OPERATION_DESCRIPTORS[0].buckets, listed);
        assert_eq!(OPERATION_DESCRIPTORS[0].name, "operation_duration_seconds");
    }

    #[test]
    fn every_window_of_an_alert_is_recorded() {
        for Burn { long, short, .. } in BURNS {
            assert!(WINDOWS.contains(&long) && WINDOWS.contains(&short));
        }
    }

    #[test]
    #[should_panic(expected = "must be a bound")]
    fn a_latency_that_nobody_counts_is_refused() {
        let _ = Slo::new("orders", "place_order", 0.3, 0.99);
    }

    #[test]
    #[should_panic(expected = "an objective is a share")]
    fn a_percentage_is_no_share() {
        let _ = Slo::new("orders", "place_order", 0.5, 99.0);
    }
}
