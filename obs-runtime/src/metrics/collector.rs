//! Our sets in a registry of the `prometheus` crate.

use std::sync::{Arc, OnceLock};

pub use prometheus::core::{Collector, Desc};
pub use prometheus::proto::MetricFamily;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricType};

use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::family::AnyFamily;
use crate::metrics::lanes::Reading;
use crate::metrics::set::{Families, MetricSet};
use crate::metrics::snapshot::{Sample, Snapshot};
use crate::metrics::text::{self, Value};

/// The metrics of `set` as a collector for any registry of the `prometheus` crate, for those who keep the set itself. A set
/// is a collector, too, for those who give it away.
#[must_use]
pub fn collector<T: MetricSet>(set: &T) -> impl Collector + use<T> {
    Joined { families: Families::of(set).0, descs: Descs::new(), descriptors: T::DESCRIPTORS }
}

struct Joined {
    families: Vec<Arc<dyn AnyFamily>>,
    descs: Descs,
    descriptors: &'static [Descriptor],
}

impl Collector for Joined {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.of(self.descriptors)
    }

    fn collect(&self) -> Vec<MetricFamily> {
        gather(&self.families)
    }
}

/// What the metrics of a set are called, as the `prometheus` crate wants to know it.
pub struct Descs(OnceLock<Vec<Desc>>);

impl Descs {
    /// Not asked for yet.
    #[must_use]
    pub const fn new() -> Self {
        Descs(OnceLock::new())
    }

    /// Those of `descriptors`.
    pub fn of(&self, descriptors: &'static [Descriptor]) -> Vec<&Desc> {
        let desc = |descriptor: &Descriptor| {
            let labels = descriptor.labels.iter().map(|label| label.name.to_owned()).collect();
            let (name, help) = (descriptor.name.to_owned(), descriptor.help.to_owned());
            Desc::new(name, help, labels, Default::default()).ok()
        };
        self.0.get_or_init(|| descriptors.iter().filter_map(desc).collect()).iter().collect()
    }
}

impl Default for Descs {
    fn default() -> Self {
        Self::new()
    }
}

/// The metrics of `set` at this moment.
pub fn collect<T: MetricSet>(set: &T) -> Vec<MetricFamily> {
    gather(&Families::of(set).0)
}

fn gather(families: &[Arc<dyn AnyFamily>]) -> Vec<MetricFamily> {
    let reading = Reading::now();
    let each = families.iter().map(|family| {
        family.expire(&reading);
        Snapshot::of(&**family, &reading)
    });
    // A family without series is no metric there.
    each.filter(|snapshot| !snapshot.series.is_empty()).map(|snapshot| family(&snapshot)).collect()
}

fn family(snapshot: &Snapshot) -> MetricFamily {
    let descriptor = snapshot.descriptor;
    let mut family = MetricFamily::default();
    family.set_name(descriptor.name.to_owned());
    family.set_help(descriptor.help.to_owned());
    family.set_field_type(match descriptor.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge | Kind::Info => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(snapshot.series.iter().map(|sample| metric(descriptor, sample)).collect());
    family
}

fn metric(descriptor: &Descriptor, sample: &Sample) -> Metric {
    let labels = descriptor.labels.iter().zip(text::values(&sample.labels)).map(|(label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.name.to_owned());
        pair.set_value(value);
        pair
    });
    let mut metric = Metric::from_label(labels.collect());
    match (&sample.value, descriptor.kind) {
        (Value::Histogram { bounds, counts, sum }, _) => metric.set_histogram(histogram(bounds, counts, *sum)),
        (Value::Whole(value), Kind::Counter) => {
            let mut counter = Counter::default();
            // The crate has floating point only: beyond 2^53 it is the nearest.
            counter.set_value(*value as f64);
            metric.set_counter(counter);
        }
        (Value::Whole(value), _) => metric.set_gauge(gauge(*value as f64)),
        (Value::Number(value), _) => metric.set_gauge(gauge(*value)),
    }
    metric
}

fn gauge(value: f64) -> Gauge {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    gauge
}

fn histogram(bounds: &[f64], counts: &[u64], sum: f64) -> Histogram {
    let mut total = 0;
    let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
        total += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(total);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(sum);
    histogram
}
