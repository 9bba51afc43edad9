//! Checks that the compiler makes while it builds the user's crate: `const fn`s that say what is wrong.

use crate::metrics::cell::MOST_BUCKETS;
use crate::metrics::descriptor::{Descriptor, LabelDescriptor, closed_series};
use crate::text::{Text, same};

/// Buckets are finite and increase, and there is room for them.
#[must_use]
pub const fn buckets(bounds: &[f64]) -> Option<Text> {
    if bounds.is_empty() {
        return Some(Text::new("a histogram needs at least one bucket"));
    }
    if bounds.len() > MOST_BUCKETS {
        let text = Text::new("a histogram has at most ").number(MOST_BUCKETS);
        return Some(text.push(" buckets; here are ").number(bounds.len()));
    }
    let mut at = 0;
    while at < bounds.len() {
        if !bounds[at].is_finite() {
            let text = Text::new("buckets must be finite: bucket ").number(at);
            return Some(text.push(" is not; `+Inf` is always there"));
        }
        if at > 0 && bounds[at] <= bounds[at - 1] {
            let text = Text::new("buckets must increase: bucket ").number(at).push(" is not above bucket ");
            return Some(text.number(at - 1));
        }
        at += 1;
    }
    None
}

/// A metric whose labels are all closed has no more series than it says.
#[must_use]
pub const fn series(labels: &[LabelDescriptor], max: usize) -> Option<Text> {
    match closed_series(labels) {
        Some(series) if series > max => {
            let text = Text::new("this metric could have ").number(series).push(" series; max_series is ").number(max);
            Some(text)
        }
        _ => None,
    }
}

/// No name is there twice.
#[must_use]
pub const fn names(descriptors: &[Descriptor]) -> Option<Text> {
    let mut second = 0;
    while second < descriptors.len() {
        let mut first = 0;
        while first < second {
            let (a, b) = (&descriptors[first], &descriptors[second]);
            if same(a.name, b.name) {
                let text = Text::new("metric `").push(a.name).push("` is declared twice: at ").push(a.file).push(":");
                let text = text.number(a.line as usize).push(" and at ").push(b.file).push(":");
                return Some(text.number(b.line as usize));
            }
            first += 1;
        }
        second += 1;
    }
    None
}

/// How many descriptors there are in all.
#[must_use]
pub const fn count(parts: &[&[Descriptor]]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < parts.len() {
        count += parts[at].len();
        at += 1;
    }
    count
}

/// The descriptors of a set and of those nested in it, one after the other. `N` is their [`count`].
#[must_use]
pub const fn flatten<const N: usize>(parts: &[&[Descriptor]]) -> [Descriptor; N] {
    let mut all = [Descriptor::NONE; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut within = 0;
        while within < parts[part].len() {
            all[at] = parts[part][within];
            at += 1;
            within += 1;
        }
        part += 1;
    }
    all
}
