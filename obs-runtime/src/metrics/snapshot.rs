//! What a metric is at one moment, for those who want all of it at once: tests, other registries, the few of the runtime.

use crate::metrics::descriptor::Descriptor;
use crate::metrics::exemplar::Exemplar;
use crate::metrics::family::AnyFamily;
use crate::metrics::lanes::Reading;
use crate::metrics::series::{Cursor, Shown, Viewer};
use crate::metrics::text::{self, Encoder, Format, Head, Value};

/// A metric at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) series: Vec<Sample>,
}

/// One series at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    /// As they are written.
    pub(crate) labels: String,
    /// Milliseconds since the Unix epoch; 0 if that is not known.
    pub(crate) created: u64,
    pub(crate) value: Value,
    /// By bucket.
    pub(crate) exemplars: Vec<(usize, Exemplar)>,
}

impl Snapshot {
    pub(crate) fn of(family: &dyn AnyFamily, reading: &Reading) -> Self {
        let mut series = Vec::new();
        let mut cursor = Cursor::default();
        let mut show = |shown: &Shown<'_>| {
            let Shown { labels, created, value, .. } = shown;
            let (labels, value) = ((*labels).to_owned(), value.clone());
            series.push(Sample { labels, created: *created, value, exemplars: Vec::new() });
        };
        let mut viewer = Viewer { reading, births: false, show: &mut show };
        while family.page(&mut cursor, &mut viewer) {}
        Snapshot { descriptor: family.descriptor(), series }
    }

    pub(crate) fn write(&self, encoder: &mut Encoder<'_>) {
        let mut head = Head::new(self.descriptor, encoder.format());
        for Sample { labels, created, value, exemplars } in &self.series {
            let shown = Shown { labels, created: *created, value: value.clone(), exemplars };
            encoder.series(&mut head, &shown);
            encoder.pause();
        }
    }
}

/// The text (0.0.4) of the metrics, in the order of their names. One without series writes nothing.
#[cfg_attr(not(any(test, feature = "testing")), allow(dead_code))]
pub(crate) fn encode(mut snapshots: Vec<Snapshot>) -> String {
    snapshots.sort_by_key(|snapshot| snapshot.descriptor.name);
    let mut out = String::new();
    let mut flush = |piece: &mut String| {
        out.push_str(piece);
        true
    };
    let mut encoder = Encoder::new(Format::Text, &mut flush);
    snapshots.iter().for_each(|snapshot| snapshot.write(&mut encoder));
    encoder.finish();
    out
}

/// The sum of the lines called `name` that bear all of `labels`; `None` if there is none.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) fn value(snapshots: &[Snapshot], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut sum = None;
    for (snapshot, suffix) in
        snapshots.iter().filter_map(|snapshot| Some((snapshot, name.strip_prefix(snapshot.descriptor.name)?)))
    {
        for sample in &snapshot.series {
            let values = text::values(&sample.labels);
            let own = || snapshot.descriptor.labels.iter().map(|label| label.name).zip(&values);
            let has = |name: &str, value: &str| own().any(|(label, own)| label == name && own == value);
            let le = labels.iter().find(|(label, _)| *label == "le").map(|(_, le)| *le);
            if labels.iter().all(|(label, value)| *label == "le" || has(label, value))
                && let Some(value) = part(&sample.value, suffix, le)
            {
                sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
    }
    sum
}

/// The sum of the lines of one series that end in `suffix`, those of the bucket `le` if one is asked for.
fn part(value: &Value, suffix: &str, le: Option<&str>) -> Option<f64> {
    match (value, suffix) {
        (Value::Whole(value), "") if le.is_none() => Some(*value as f64),
        (Value::Number(value), "") if le.is_none() => Some(*value),
        (Value::Histogram { sum, .. }, "_sum") if le.is_none() => Some(*sum),
        (Value::Histogram { counts, .. }, "_count") if le.is_none() => Some(counts.iter().sum::<u64>() as f64),
        (Value::Histogram { bounds, counts, .. }, "_bucket") => {
            let mut total = 0;
            let lines = counts.iter().enumerate().map(|(at, count)| {
                total += count;
                let mut spelled = String::new();
                text::number(&mut spelled, bounds.get(at).copied().unwrap_or(f64::INFINITY));
                (spelled, total as f64)
            });
            let found: Vec<f64> =
                lines.filter(|(spelled, _)| le.is_none_or(|le| le == spelled)).map(|(_, total)| total).collect();
            if found.is_empty() { None } else { Some(found.iter().sum()) }
        }
        _ => None,
    }
}
