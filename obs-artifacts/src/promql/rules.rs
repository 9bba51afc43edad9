//! The rules, over plain borrowed data and in `const fn`: they run over a catalogue when files are written, and can run over
//! `DESCRIPTORS` while a program is compiled.

use obs_runtime::Descriptor;
use obs_runtime::metrics::{Kind, LabelDescriptor};

use crate::catalogue::Label;
use crate::promql::text::{among, is_edge, is_suffixed, matches, same};

/// One selector of a query, with what the query does around it.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The name that is selected: of a metric, or of one of a histogram's three.
    pub name: &'a str,
    /// Its matchers.
    pub matchers: &'a [Matcher<'a>],
    /// The labels that must be there for what stands around it: those of `by`, `on`, `group_left`, of a legend or a template.
    pub wanted: &'a [&'a str],
    /// The function that takes its range, if one does.
    pub range: Option<&'a str>,
    /// Whether `histogram_quantile` is taken of it.
    pub quantile: bool,
}

/// A matcher of a selector.
#[derive(Clone, Copy, Debug)]
pub struct Matcher<'a> {
    /// The label.
    pub label: &'a str,
    /// The texts that it names: one for `=` and `!=`, the alternatives of a regular expression for `=~` and `!~`. In those a `.`
    /// stands for any character, and a `.*` or `.+` at the end for any rest; those that need more are not in the list.
    pub values: &'a [&'a str],
    /// Whether a `.` is a dot.
    pub literal: bool,
}

/// A metric as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, without those that every scraped series has.
    pub labels: Labels<'a>,
    /// The upper bounds of a histogram.
    pub buckets: &'a [f64],
    /// Whether its series are scraped, and so have the labels of their targets. What a rule records has only its own.
    pub scraped: bool,
}

/// The labels of a metric, wherever they are written down.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// With a type in the program.
    Described(&'a [LabelDescriptor]),
    /// In a catalogue.
    Listed(&'a [Label]),
}

impl<'a> Seen<'a> {
    /// The metric of a descriptor.
    #[must_use]
    pub const fn of(descriptor: &'a Descriptor) -> Self {
        let Descriptor { name, kind, labels, buckets, .. } = *descriptor;
        Seen { name, kind, labels: Labels::Described(labels), buckets, scraped: true }
    }
}

impl<'a> Labels<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Labels::Described(labels) => labels.len(),
            Labels::Listed(labels) => labels.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The name of the one at `at`.
    #[must_use]
    pub const fn name(self, at: usize) -> &'a str {
        match self {
            Labels::Described(labels) => labels[at].name,
            Labels::Listed(labels) => labels[at].name.as_str(),
        }
    }

    /// How many values the one at `at` can have; `None` if they are not known.
    #[must_use]
    pub const fn values(self, at: usize) -> Option<usize> {
        match self {
            Labels::Described(labels) => match labels[at].values {
                Some(values) => Some(values.len()),
                None => None,
            },
            Labels::Listed(labels) => match &labels[at].values {
                Some(values) => Some(values.len()),
                None => None,
            },
        }
    }

    /// The value number `value` of the label at `at`; empty if there is none.
    #[must_use]
    pub const fn value(self, at: usize, value: usize) -> &'a str {
        match self {
            Labels::Described(labels) => match labels[at].values {
                Some(values) => values[value],
                None => "",
            },
            Labels::Listed(labels) => match &labels[at].values {
                Some(values) => values.as_slice()[value].as_str(),
                None => "",
            },
        }
    }

    /// Where the label called `name` is.
    #[must_use]
    pub const fn find(self, name: &str) -> Option<usize> {
        let mut at = 0;
        while at < self.len() {
            if same(self.name(at), name) {
                return Some(at);
            }
            at += 1;
        }
        None
    }
}

/// What is wrong with a selector.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Fault<'a> {
    /// There is no such metric.
    NoMetric {
        /// What was asked for.
        name: &'a str,
    },
    /// A histogram is selected by its own name: it has no such series.
    Bare {
        /// The histogram.
        metric: Seen<'a>,
    },
    /// The metric has no such label.
    NoLabel {
        /// The metric.
        metric: Seen<'a>,
        /// What was asked for.
        label: &'a str,
    },
    /// The label cannot have this value.
    NoValue {
        /// The metric.
        metric: Seen<'a>,
        /// Where the label is in [`Seen::labels`].
        label: usize,
        /// What was asked for.
        value: &'a str,
    },
    /// The histogram has no bucket that ends there.
    NoEdge {
        /// The histogram.
        metric: Seen<'a>,
        /// What was asked for.
        value: &'a str,
    },
    /// A rate of what goes up and down.
    RateOfGauge {
        /// The metric.
        metric: Seen<'a>,
        /// The function.
        function: &'a str,
    },
    /// A function of gauges over what only grows.
    DeltaOfCounter {
        /// The metric.
        metric: Seen<'a>,
        /// The function.
        function: &'a str,
    },
    /// `histogram_quantile` of the counts since the process began.
    NoRate {
        /// The metric.
        metric: Seen<'a>,
    },
    /// `histogram_quantile` of what has no buckets.
    NoHistogram {
        /// The metric.
        metric: Seen<'a>,
        /// What was asked for.
        name: &'a str,
    },
}

/// The faults of one selector, at most [`Faults::MOST`].
#[derive(Clone, Copy, Debug)]
pub struct Faults<'a> {
    list: [Option<Fault<'a>>; Faults::MOST],
    len: usize,
}

impl<'a> Faults<'a> {
    /// How many are told of one selector.
    pub const MOST: usize = 8;

    const fn push(&mut self, fault: Fault<'a>) {
        if self.len < Faults::MOST {
            self.list[self.len] = Some(fault);
            self.len += 1;
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fault at `at`, if there are so many.
    #[must_use]
    pub const fn get(&self, at: usize) -> Option<Fault<'a>> {
        if at < self.len { self.list[at] } else { None }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Fault<'a>> {
        self.list.into_iter().flatten()
    }
}

/// The series of a histogram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Series {
    Itself,
    Bucket,
    Sum,
    Count,
}

/// Judges one selector by the metrics that there are. `always` are labels that every series has: `job`, `instance`.
#[must_use]
pub const fn judge<'a>(used: &Use<'a>, metrics: &[Seen<'a>], always: &[&str]) -> Faults<'a> {
    let mut faults = Faults { list: [None; Faults::MOST], len: 0 };
    let Some((metric, series)) = find(used.name, metrics) else {
        faults.push(Fault::NoMetric { name: used.name });
        return faults;
    };
    let always = if metric.scraped { always } else { &[] };
    // What `_sum`, `_count` and `_bucket` hold only grows; a recorded `…:p99` goes up and down.
    let grows = matches!(metric.kind, Kind::Counter | Kind::Histogram);
    if matches!(metric.kind, Kind::Histogram) && matches!(series, Series::Itself) {
        faults.push(Fault::Bare { metric });
    }
    if let Some(function) = used.range {
        if is_rate(function) && !grows {
            faults.push(Fault::RateOfGauge { metric, function });
        }
        if is_delta(function) && grows {
            faults.push(Fault::DeltaOfCounter { metric, function });
        }
    }
    if used.quantile {
        // A recorded rate of buckets keeps their label.
        let recorded = !grows && metric.labels.find("le").is_some();
        if !matches!(series, Series::Bucket) && !recorded {
            faults.push(Fault::NoHistogram { metric, name: used.name });
        } else if !recorded && !matches!(used.range, Some(function) if is_rate(function)) {
            faults.push(Fault::NoRate { metric });
        }
    }
    let mut at = 0;
    while at < used.matchers.len() {
        let matcher = used.matchers[at];
        if !same(matcher.label, "__name__") && !among(matcher.label, always) {
            judge_matcher(&matcher, metric, series, &mut faults);
        }
        at += 1;
    }
    let mut at = 0;
    while at < used.wanted.len() {
        let label = used.wanted[at];
        let known = among(label, always) || (same(label, "le") && matches!(series, Series::Bucket));
        // A histogram by its own name is wrong enough without the labels of its buckets.
        let bare = same(label, "le") && !matches!(series, Series::Bucket) && used.quantile;
        if !known && !bare && metric.labels.find(label).is_none() && !matched(label, used.matchers, at, used.wanted) {
            faults.push(Fault::NoLabel { metric, label });
        }
        at += 1;
    }
    faults
}

/// Whether a matcher or an earlier wish already named the label: each mistake is told once.
const fn matched(label: &str, matchers: &[Matcher<'_>], before: usize, wanted: &[&str]) -> bool {
    let mut at = 0;
    while at < matchers.len() {
        if same(matchers[at].label, label) {
            return true;
        }
        at += 1;
    }
    let mut at = 0;
    while at < before {
        if same(wanted[at], label) {
            return true;
        }
        at += 1;
    }
    false
}

const fn judge_matcher<'a>(matcher: &Matcher<'a>, metric: Seen<'a>, series: Series, faults: &mut Faults<'a>) {
    if same(matcher.label, "le") && matches!(series, Series::Bucket) {
        let mut at = 0;
        while at < matcher.values.len() {
            if !is_edge(matcher.values[at], metric.buckets) {
                faults.push(Fault::NoEdge { metric, value: matcher.values[at] });
            }
            at += 1;
        }
        return;
    }
    let Some(label) = metric.labels.find(matcher.label) else {
        faults.push(Fault::NoLabel { metric, label: matcher.label });
        return;
    };
    let Some(known) = metric.labels.values(label) else { return };
    let mut at = 0;
    while at < matcher.values.len() {
        let value = matcher.values[at];
        let mut fits = value.is_empty();
        let mut which = 0;
        while which < known && !fits {
            fits = if matcher.literal {
                same(value, metric.labels.value(label, which))
            } else {
                matches(value, metric.labels.value(label, which))
            };
            which += 1;
        }
        if !fits {
            faults.push(Fault::NoValue { metric, label, value });
        }
        at += 1;
    }
}

const fn find<'a>(name: &str, metrics: &[Seen<'a>]) -> Option<(Seen<'a>, Series)> {
    let mut at = 0;
    while at < metrics.len() {
        let metric = metrics[at];
        if same(metric.name, name) {
            return Some((metric, Series::Itself));
        }
        if matches!(metric.kind, Kind::Histogram) {
            if is_suffixed(name, metric.name, "_bucket") {
                return Some((metric, Series::Bucket));
            }
            if is_suffixed(name, metric.name, "_sum") {
                return Some((metric, Series::Sum));
            }
            if is_suffixed(name, metric.name, "_count") {
                return Some((metric, Series::Count));
            }
        }
        at += 1;
    }
    None
}

const fn is_rate(function: &str) -> bool {
    among(function, &["rate", "irate", "increase", "resets"])
}

const fn is_delta(function: &str) -> bool {
    among(function, &["delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing", "holt_winters"])
}
