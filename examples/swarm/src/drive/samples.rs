//! Prometheus' text format, as far as one needs it to look a number up.

use std::collections::BTreeMap;

/// What a `/metrics` page says.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

/// One line of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Samples {
    /// Reads a page; comments and lines that are not samples are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Samples(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// Every sample of that name that has these labels, and maybe more.
    pub fn find<'a>(&'a self, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|found| found == value))
        };
        self.0.iter().filter(move |sample| sample.name == name && has(sample))
    }

    /// Their sum; `None` if there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.find(name, labels).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, quoted) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = unquote(quoted)?;
            labels.insert(key.to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[position + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_every_character() {
        let samples =
            Samples::parse("# TYPE a counter\na{x=\"}, \\\"\\\\\\n\",y=\"2\"} 3\na{x=\"\"} 4 1700000000\nb NaN\n");
        assert_eq!(samples.sum("a", &[("x", "}, \"\\\n")]), Some(3.0));
        assert_eq!(samples.sum("a", &[]), Some(7.0));
        assert!(samples.sum("b", &[]).is_some_and(f64::is_nan));
        assert_eq!(samples.sum("c", &[]), None);
    }
}
