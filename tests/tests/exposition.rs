//! The exposition text: what is escaped, what stays apart, and what the checker of Prometheus says of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet, Registry, StateMachine, Tracked};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(LabelValue, Clone)]
#[label(max = 1_000)]
pub struct Text(Arc<str>);

#[derive(LabelSet)]
pub struct Pair {
    first: Text,
    second: Text,
}

#[derive(MetricSet)]
pub struct Texts {
    /// What "quotes" and back\slashes do to HELP:
    /// lines are joined.
    ///
    /// This paragraph is for readers of the source.
    pub text_seen_total: Counter<Pair>,
    /// How long it took.
    pub text_duration_seconds: Histogram<Pair>,
    /// How much there is.
    pub text_bytes: Gauge,
}

fn pair(first: &str, second: &str) -> Pair {
    Pair { first: Text(first.into()), second: Text(second.into()) }
}

fn text_of<T: MetricSet>(set: &T) -> String {
    let registry = Registry::new();
    registry.register(set).unwrap();
    registry.encode()
}

#[test]
fn quotes_backslashes_and_line_ends_are_escaped() {
    let set = Texts::new();
    set.text_seen_total.with(pair("a \"b\"\\", "c\nd\re\u{0}é")).inc();
    let text = text_of(&set);
    let line = "text_seen_total{first=\"a \\\"b\\\"\\\\\",second=\"c\\nd\re\u{0}é\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(
        text.contains("# HELP text_seen_total What \"quotes\" and back\\\\slashes do to HELP: lines are joined.\n")
    );
}

#[test]
fn two_tuples_are_never_one_series() {
    let set = Texts::new();
    set.text_seen_total.with(pair("ab", "c")).inc();
    set.text_seen_total.with(pair("a", "bc")).add(2);
    set.text_seen_total.with(pair("", "abc")).add(3);
    let text = text_of(&set);
    for line in [
        r#"text_seen_total{first="ab",second="c"} 1"#,
        r#"text_seen_total{first="a",second="bc"} 2"#,
        r#"text_seen_total{first="",second="abc"} 3"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
}

#[test]
fn numbers_are_spelled_as_the_format_asks() {
    let set = Texts::new();
    for (value, spelled) in [
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.5, "-0.5"),
        (1e21, "1000000000000000000000"),
    ] {
        set.text_bytes.set(value);
        assert!(text_of(&set).contains(&format!("text_bytes {spelled}\n")), "{value}");
    }
}

#[test]
fn the_same_numbers_are_the_same_text() {
    let (one, other) = (Texts::new(), Texts::new());
    let pairs = [("b", "1"), ("a", "2"), ("a", "1"), ("c", "")];
    pairs.iter().for_each(|(first, second)| one.text_seen_total.with(pair(first, second)).inc());
    pairs.iter().rev().for_each(|(first, second)| other.text_seen_total.with(pair(first, second)).inc());
    assert_eq!(text_of(&one), text_of(&other));
}

/// Reads the labels of a line back, by the words of the format's own description.
fn parsed(line: &str) -> (BTreeMap<String, String>, u64) {
    let (_, rest) = line.split_once('{').unwrap();
    let mut labels = BTreeMap::new();
    let mut chars = rest.chars();
    loop {
        let name: String = chars.by_ref().take_while(|char| *char != '=').collect();
        assert_eq!(chars.next(), Some('"'));
        let mut value = String::new();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => value.push(match chars.next().unwrap() {
                    'n' => '\n',
                    char @ ('"' | '\\') => char,
                    char => panic!("`\\{char}` means nothing"),
                }),
                char => value.push(char),
            }
        }
        labels.insert(name, value);
        match chars.next() {
            Some(',') => {}
            Some('}') => break,
            other => panic!("{other:?}"),
        }
    }
    (labels, chars.as_str().trim().parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_labels_are_they_can_be_read_back(pairs in vec(("[ab\"\\\\\n{},= é]{0,4}", "[ab\"\\\\\n{},= é]{0,4}"), 0..20)) {
        let set = Texts::new();
        let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (first, second) in &pairs {
            set.text_seen_total.with(pair(first, second)).inc();
            *expected.entry((first.clone(), second.clone())).or_default() += 1;
        }
        let text = text_of(&set);
        let found: BTreeMap<_, _> = text
            .split('\n')
            .filter(|line| line.starts_with("text_seen_total{"))
            .map(parsed)
            .map(|(labels, count)| ((labels["first"].clone(), labels["second"].clone()), count))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

#[derive(StateMachine)]
#[state_machine(name = "agent", label = "status")]
pub enum AgentStatus {
    #[initial]
    #[to(Running)]
    Provisioning,
    #[terminal]
    Running,
}

/// What `promtool check metrics` finds in `text`; `None` where it is not installed.
fn findings(text: &str) -> Option<Vec<String>> {
    let promtool = tests::engine("promtool")?;
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn promtool_accepts_what_a_process_writes_but_for_the_published_names() {
    let set = Texts::global();
    set.text_seen_total.with(pair("a \"b\"\\", "c\nd")).inc();
    set.text_duration_seconds.with(pair("a", "b")).observe(0.2);
    let mut agent = Tracked::new(AgentStatus::Provisioning);
    agent.transition(AgentStatus::Running).unwrap();
    let text = obs_runtime::metrics::encode();
    assert!(text.contains("# TYPE obs_dropped_total counter\n"), "{text}");
    if let Some(findings) = findings(&text) {
        assert_eq!(findings, [r#"agents_total non-counter metrics should not have "_total" suffix"#], "{text}");
    }
}

#[test]
fn promtool_does_find_what_is_wrong() {
    if let Some(findings) = findings("# TYPE requests counter\nrequests{le=\"1} 1\n") {
        assert!(!findings.is_empty());
    }
}
