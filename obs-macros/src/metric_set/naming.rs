//! The conventions of Prometheus for names: <https://prometheus.io/docs/practices/naming/>, as `promtool check metrics`
//! asks for them.

use super::Kind;

/// The base units, as a name ends in them.
const UNITS: [&str; 10] =
    ["seconds", "bytes", "celsius", "joules", "grams", "meters", "volts", "amperes", "ratio", "percent"];

/// Other units, and the base unit to use instead.
const OTHER_UNITS: [(&str, &str); 34] = [
    ("ms", "seconds"),
    ("msec", "seconds"),
    ("msecs", "seconds"),
    ("millis", "seconds"),
    ("millisecond", "seconds"),
    ("milliseconds", "seconds"),
    ("us", "seconds"),
    ("micros", "seconds"),
    ("microsecond", "seconds"),
    ("microseconds", "seconds"),
    ("ns", "seconds"),
    ("nanos", "seconds"),
    ("nanosecond", "seconds"),
    ("nanoseconds", "seconds"),
    ("sec", "seconds"),
    ("secs", "seconds"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kb", "bytes"),
    ("mb", "bytes"),
    ("gb", "bytes"),
    ("kib", "bytes"),
    ("mib", "bytes"),
    ("gib", "bytes"),
    ("kilobytes", "bytes"),
    ("megabytes", "bytes"),
    ("gigabytes", "bytes"),
    ("bits", "bytes"),
    ("fahrenheit", "celsius"),
    ("kelvin", "celsius"),
    ("kilometers", "meters"),
    ("milligrams", "grams"),
];

/// The unit that a name ends in.
pub(super) fn unit(name: &str) -> Option<&'static str> {
    let last = name.strip_suffix("_total").unwrap_or(name).rsplit('_').next()?;
    UNITS.iter().find(|unit| **unit == last).copied()
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: colons are for recording rules.
pub(super) fn is_grammatical(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// What is against the conventions, and what to write instead.
pub(super) fn mistake(name: &str, kind: Kind, unit: Option<&str>) -> Option<String> {
    let is_counter = kind == Kind::Counter;
    let base = name.strip_suffix("_total");
    if is_counter && base.is_none() {
        return Some(format!("a counter ends in `_total`: `{name}_total`"));
    }
    if let (false, Some(base)) = (is_counter, base) {
        return Some(format!("only counters end in `_total`: `{base}`"));
    }
    if kind == Kind::Info && !name.ends_with("_info") {
        return Some(format!("an `Info` ends in `_info`: `{name}_info`"));
    }
    if let Some(suffix) = ["_bucket", "_count", "_sum"].into_iter().find(|suffix| name.ends_with(suffix)) {
        return Some(format!("`{suffix}` is what histograms add to their names; leave it out"));
    }
    if name.chars().any(|char| char.is_ascii_uppercase()) {
        return Some(format!("names are in `snake_case`: `{}`", name.to_ascii_lowercase()));
    }
    let words = || base.unwrap_or(name).split('_');
    if let Some(word) = words().find(|word| ["counter", "gauge", "histogram"].contains(word)) {
        return Some(format!("the name need not say that it is a {word}; leave `{word}` out"));
    }
    if let Some((word, base)) = OTHER_UNITS.iter().find(|(word, _)| words().any(|other| other == *word)) {
        return Some(format!("`{word}` is not a base unit; measure in `{base}`"));
    }
    if let Some(unit) = unit.filter(|unit| !base.unwrap_or(name).ends_with(&format!("_{unit}"))) {
        return Some(format!("the name does not end in its unit, `{unit}`"));
    }
    None
}
