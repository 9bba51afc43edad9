//! From what a running service counts to what its telemetry weighs and costs.
//!
//! ```
//! use obs_artifacts::estimate::{Prices, Reading, Source, estimate};
//!
//! let page = "obs_log_lines_total{level=\"info\"} 1000\nprocess_start_time_seconds 1700000000\n";
//! let reading = Reading::of_page(page, 1_700_000_100.0); // it has run for 100 seconds
//! let estimate = estimate(&[(Source::Service, reading)], &Prices::default());
//! assert_eq!(estimate.lines[0].each_second, 10.0);
//! assert_eq!(estimate.lines[0].megabytes_a_day, 345.6); // 10 lines of 400 bytes a second
//! ```

use std::fmt;

use serde::Deserialize;

/// What is reckoned with: sizes, prices, and what was planned. A file of them is `templates/estimate.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// How often Prometheus scrapes, in seconds.
    pub scrape_interval_seconds: f64,
    /// Lines of the platform's services.
    pub platform_logs: Price,
    /// Lines of agents.
    pub agent_logs: Price,
    /// Samples.
    pub metrics: Price,
    /// Spans.
    pub traces: Price,
}

/// What one signal weighs and costs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Bytes of a line, a sample or a span, as they are kept.
    pub bytes_each: f64,
    /// Dollars for 1,000,000,000 bytes, for as long as they are kept.
    pub dollars_per_gigabyte: f64,
    /// What was planned, in 1,000,000 bytes a day.
    pub planned_megabytes_a_day: f64,
    /// What was planned, in dollars for 30 days.
    pub planned_dollars_a_month: f64,
}

impl Default for Prices {
    fn default() -> Self {
        let price = |bytes_each, dollars_per_gigabyte, planned_megabytes_a_day, planned_dollars_a_month| Price {
            bytes_each,
            dollars_per_gigabyte,
            planned_megabytes_a_day,
            planned_dollars_a_month,
        };
        Prices {
            scrape_interval_seconds: 15.0,
            platform_logs: price(400.0, 0.10, 1_000.0, 3.0),
            agent_logs: price(400.0, 0.10, 10_000.0, 30.0),
            metrics: price(2.0, 0.3333, 500.0, 5.0),
            traces: price(600.0, 0.1667, 2_000.0, 10.0),
        }
    }
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A service of the platform.
    Service,
    /// An agent.
    Agent,
}

/// What a process does, as its `/metrics` says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Log lines, a second.
    pub lines: f64,
    /// Spans, a second.
    pub spans: f64,
    /// Samples, a scrape.
    pub samples: f64,
}

/// The volume and cost of each signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Platform logs, agent logs, metrics, traces.
    pub lines: [Line; 4],
}

/// The volume and cost of one signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The signal.
    pub signal: &'static str,
    /// What is counted.
    pub of: &'static str,
    /// How many a second.
    pub each_second: f64,
    /// 1,000,000 bytes a day.
    pub megabytes_a_day: f64,
    /// Dollars for 30 days.
    pub dollars_a_month: f64,
    /// What was planned of both.
    pub planned: (f64, f64),
}

/// The counters that are summed up.
struct Totals {
    lines: f64,
    spans: f64,
    samples: f64,
    began: Option<f64>,
}

impl Reading {
    /// From one page, read at `now` (seconds since the Unix epoch): averages since the process began.
    #[must_use]
    pub fn of_page(page: &str, now: f64) -> Self {
        let totals = Totals::of(page);
        let seconds = totals.began.map_or(0.0, |began| now - began);
        totals.over(seconds, None)
    }

    /// From two pages, `seconds` apart: what happened between them.
    #[must_use]
    pub fn between(first: &str, second: &str, seconds: f64) -> Self {
        Totals::of(second).over(seconds, Some(&Totals::of(first)))
    }
}

impl Totals {
    fn of(page: &str) -> Self {
        let mut totals = Totals { lines: 0.0, spans: 0.0, samples: 0.0, began: None };
        for (name, value) in page.lines().filter_map(sample) {
            totals.samples += 1.0;
            match name {
                "obs_log_lines_total" => totals.lines += value,
                // Every observed call is a span, and so is every request and message that a server takes.
                "operation_duration_seconds_count" | "http_requests_total" | "websocket_messages_total" => {
                    totals.spans += value;
                }
                "process_start_time_seconds" => totals.began = Some(value),
                _ => {}
            }
        }
        totals
    }

    fn over(&self, seconds: f64, since: Option<&Totals>) -> Reading {
        // A counter that fell has begun anew.
        let rate = |now: f64, before: f64| {
            let grown = if now >= before { now - before } else { now };
            if seconds > 0.0 { grown / seconds } else { 0.0 }
        };
        Reading {
            lines: rate(self.lines, since.map_or(0.0, |since| since.lines)),
            spans: rate(self.spans, since.map_or(0.0, |since| since.spans)),
            samples: self.samples,
        }
    }
}

/// The name and value of a sample in the text format.
fn sample(line: &str) -> Option<(&str, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let name = line.split(['{', ' ']).next().filter(|name| !name.is_empty())?;
    // Values of labels may have spaces and braces in them; what follows the last brace has none.
    let rest = line.rfind('}').map_or(&line[name.len()..], |end| &line[end + 1..]);
    Some((name, rest.split_whitespace().next()?.parse().ok()?))
}

/// What the processes that were read weigh and cost together.
#[must_use]
pub fn estimate(readings: &[(Source, Reading)], prices: &Prices) -> Estimate {
    let sum = |of: Option<Source>, what: fn(&Reading) -> f64| -> f64 {
        readings.iter().filter(|(source, _)| of.is_none_or(|of| of == *source)).map(|(_, reading)| what(reading)).sum()
    };
    let line = |signal, of, each_second: f64, price: Price| {
        let megabytes_a_day = each_second * price.bytes_each * 86_400.0 / 1e6;
        Line {
            signal,
            of,
            each_second,
            megabytes_a_day,
            dollars_a_month: megabytes_a_day * 30.0 / 1e3 * price.dollars_per_gigabyte,
            planned: (price.planned_megabytes_a_day, price.planned_dollars_a_month),
        }
    };
    let samples = sum(None, |reading| reading.samples) / prices.scrape_interval_seconds;
    Estimate {
        lines: [
            line("platform logs", "lines", sum(Some(Source::Service), |reading| reading.lines), prices.platform_logs),
            line("agent logs", "lines", sum(Some(Source::Agent), |reading| reading.lines), prices.agent_logs),
            line("metrics", "samples", samples, prices.metrics),
            line("traces", "spans", sum(None, |reading| reading.spans), prices.traces),
        ],
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>20} {:>14} {:>12} {:>22}",
            "signal", "measured", "a day", "a month", "planned a day, month"
        )?;
        let mut total = (0.0, 0.0);
        for Line { signal, of, each_second, megabytes_a_day, dollars_a_month, planned: (megabytes, dollars) } in
            self.lines
        {
            let (measured, volume) = (format!("{each_second:.1} {of}/s"), format!("{megabytes_a_day:.1} MB"));
            let planned = format!("{megabytes:.0} MB, ${dollars:.2}");
            writeln!(
                f,
                "{signal:<14} {measured:>20} {volume:>14} {:>12} {planned:>22}",
                format!("${dollars_a_month:.2}")
            )?;
            total = (total.0 + dollars_a_month, total.1 + dollars);
        }
        write!(
            f,
            "{:<14} {:>20} {:>14} {:>12} {:>22}",
            "together",
            "",
            "",
            format!("${:.2}", total.0),
            format!("${:.2}", total.1)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planned_is_what_the_prices_make_of_the_planned_volume() {
        let Prices { platform_logs, agent_logs, metrics, traces, .. } = Prices::default();
        for price in [platform_logs, agent_logs, metrics, traces] {
            let dollars = price.planned_megabytes_a_day * 30.0 / 1e3 * price.dollars_per_gigabyte;
            assert!((dollars - price.planned_dollars_a_month).abs() < 0.01, "{price:?} is {dollars}");
        }
    }

    #[test]
    fn samples_are_read_whatever_stands_in_their_labels() {
        for (line, read) in [
            ("a 1", Some(("a", 1.0))),
            ("a{b=\"x } y\",c=\"# {\"} 2.5", Some(("a", 2.5))),
            ("a{b=\"c\"} 3 1700000000", Some(("a", 3.0))),
            ("# HELP a 1", None),
            ("", None),
        ] {
            assert_eq!(sample(line), read, "{line}");
        }
    }

    #[test]
    fn between_two_pages_only_what_happened_counts_and_a_process_that_began_anew_counts_from_its_beginning() {
        let page = |lines| format!("obs_log_lines_total{{level=\"info\"}} {lines}\nup 1\n");
        assert_eq!(Reading::between(&page(100), &page(160), 30.0), Reading { lines: 2.0, spans: 0.0, samples: 2.0 });
        assert_eq!(Reading::between(&page(100), &page(60), 30.0).lines, 2.0);
    }

    #[test]
    fn a_page_without_its_beginning_has_no_rates() {
        assert_eq!(
            Reading::of_page("obs_log_lines_total 5\n", 100.0),
            Reading { lines: 0.0, spans: 0.0, samples: 1.0 }
        );
    }

    #[test]
    fn lines_of_agents_are_their_own_signal() {
        let reading = Reading { lines: 1.0, spans: 1.0, samples: 30.0 };
        let estimate = estimate(&[(Source::Service, reading), (Source::Agent, reading)], &Prices::default());
        let each: Vec<f64> = estimate.lines.iter().map(|line| line.each_second).collect();
        assert_eq!(each, [1.0, 1.0, 4.0, 2.0]);
    }
}
