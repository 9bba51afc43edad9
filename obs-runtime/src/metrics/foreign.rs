//! What collectors of the `prometheus` crate have, in the text of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

use crate::loss::{Reason, Signal, lost};
use crate::metrics::text::{self, Encoder, Format};

/// The registries that joined besides the default one.
static JOINED: Mutex<Vec<Registry>> = Mutex::new(Vec::new());

/// Takes what is in `registry` into the text of the process.
pub(crate) fn join(registry: Registry) {
    JOINED.lock().unwrap_or_else(PoisonError::into_inner).push(registry);
}

/// Adds what foreign collectors have. A family whose name is taken is left out and counted: written twice, it would cost
/// the whole scrape.
pub(crate) fn write(encoder: &mut Encoder<'_>, taken: impl Fn(&str) -> bool) {
    let joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut written: Vec<String> = Vec::new();
    for registry in [prometheus::default_registry()].into_iter().chain(&joined) {
        // A collector is anybody's code.
        let Ok(families) = catch_unwind(AssertUnwindSafe(|| registry.gather())) else {
            lost(Signal::Metrics, Reason::Malformed, 1);
            continue;
        };
        for family in families {
            // The encoder of the crate panics at a family of no type.
            if family.get_field_type() == MetricType::UNTYPED
                || taken(family.name())
                || written.iter().any(|name| name == family.name())
            {
                lost(Signal::Metrics, Reason::Malformed, 1);
                continue;
            }
            match encoder.format() {
                Format::Text => {
                    if TextEncoder::new().encode_utf8(std::slice::from_ref(&family), &mut encoder.out).is_err() {
                        lost(Signal::Metrics, Reason::Malformed, 1);
                    }
                }
                Format::OpenMetrics => openmetrics(encoder, &family),
            }
            written.push(family.name().to_owned());
            encoder.pause();
            if !encoder.wanted() {
                return;
            }
        }
    }
}

/// A family as OpenMetrics has it.
fn openmetrics(encoder: &mut Encoder<'_>, family: &MetricFamily) {
    let whole = family.name();
    let base = whole.strip_suffix("_total");
    let (name, kind, suffix) = match (family.get_field_type(), base) {
        (MetricType::COUNTER, Some(base)) => (base, "counter", "_total"),
        (MetricType::GAUGE, _) => (whole, "gauge", ""),
        (MetricType::HISTOGRAM, _) => (whole, "histogram", ""),
        (MetricType::SUMMARY, _) => (whole, "summary", ""),
        _ => (whole, "unknown", ""),
    };
    encoder.header(name, kind, None, family.help());
    for metric in family.get_metric() {
        let mut labels = String::new();
        for label in metric.get_label() {
            if !labels.is_empty() {
                labels.push(',');
            }
            text::pair(&mut labels, label.name(), label.value());
        }
        match family.get_field_type() {
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let infinite = histogram.get_bucket().iter().any(|bucket| bucket.upper_bound().is_infinite());
                let last = (!infinite).then_some((f64::INFINITY, histogram.get_sample_count()));
                let buckets = histogram.get_bucket().iter();
                for (bound, count) in
                    buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).chain(last)
                {
                    encoder.name(name, "_bucket", &and(&labels, "le", bound));
                    encoder.whole(count);
                }
                encoder.name(name, "_sum", &labels);
                encoder.number(histogram.get_sample_sum());
                encoder.name(name, "_count", &labels);
                encoder.whole(histogram.get_sample_count());
            }
            MetricType::SUMMARY => {
                let summary = metric.get_summary();
                for quantile in summary.get_quantile() {
                    encoder.name(name, "", &and(&labels, "quantile", quantile.quantile()));
                    encoder.number(quantile.value());
                }
                encoder.name(name, "_sum", &labels);
                encoder.number(summary.sample_sum());
                encoder.name(name, "_count", &labels);
                encoder.whole(summary.sample_count());
            }
            MetricType::COUNTER => {
                encoder.name(name, suffix, &labels);
                encoder.number(metric.get_counter().get_value());
            }
            MetricType::GAUGE => {
                encoder.name(name, suffix, &labels);
                encoder.number(metric.get_gauge().get_value());
            }
            MetricType::UNTYPED => {}
        }
    }
}

/// The labels with one more, whose value is a number.
fn and(labels: &str, name: &str, number: f64) -> String {
    let mut all = labels.to_owned();
    if !all.is_empty() {
        all.push(',');
    }
    text::pair(&mut all, name, &text::le(number, Format::OpenMetrics));
    all
}
