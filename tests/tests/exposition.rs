//! The exposition text: what is escaped, what stays apart, and what the checker of Prometheus says of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use obs_runtime::testing::capture;
use obs_runtime::{
    Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet, Registry, StateMachine, Tracked, observed,
};
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

#[derive(StateMachine, LabelValue)]
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

#[derive(LabelValue)]
#[label(max = 10_000)]
pub struct Id(&'static str);

#[derive(LabelValue)]
pub enum Direction {
    Input,
    Output,
}

#[derive(LabelSet)]
pub struct OfUser {
    user_id: Id,
}

#[derive(LabelSet)]
pub struct OfAgent {
    agent_id: Id,
}

#[derive(LabelSet)]
pub struct Status {
    agent_id: Id,
    status: AgentStatus,
}

#[derive(LabelSet)]
pub struct Requests {
    user_id: Id,
    outcome: Outcome,
}

#[derive(LabelValue)]
pub enum Outcome {
    Ok,
}

#[derive(LabelSet)]
pub struct Tokens {
    agent_id: Id,
    direction: Direction,
}

#[derive(LabelSet)]
pub struct Column {
    cf: Id,
}

const ROCKSDB: [f64; 10] = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// What the platform has published, but for what the HTTP layer and the state machine own.
#[derive(MetricSet)]
pub struct Published {
    /// Sessions that are open.
    pub sessions_active: Gauge,
    /// Sessions that were opened.
    pub sessions_total: Counter,
    /// How long sessions lasted.
    #[metric(buckets = [1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0])]
    pub session_duration_seconds: Histogram,
    /// Agents of a user.
    #[metric(allow(naming))]
    pub user_agents_count: Gauge<OfUser>,
    /// Open sessions of a user.
    pub user_sessions_active: Gauge<OfUser>,
    /// CPU that an agent uses.
    pub agent_cpu_usage_percent: Gauge<OfAgent>,
    /// Memory that an agent uses.
    pub agent_memory_usage_bytes: Gauge<OfAgent>,
    /// How long an agent has been up.
    pub agent_uptime_seconds: Gauge<OfAgent>,
    /// Whether an agent is in a status.
    pub agent_status: Gauge<Status>,
    /// Errors of an agent.
    pub agent_errors_total: Counter<OfAgent>,
    /// Sessions of an agent.
    pub agent_sessions_total: Counter<OfAgent>,
    /// Requests of a user.
    pub user_api_requests_total: Counter<Requests>,
    /// How long reads of the store took.
    #[metric(buckets = &ROCKSDB)]
    pub rocksdb_get_latency_seconds: Histogram<Column>,
    /// Bytes that were compacted.
    pub rocksdb_compaction_bytes_total: Counter,
    /// Tokens of a model.
    pub agent_model_tokens_total: Counter<Tokens>,
}

#[test]
fn the_published_names_can_be_declared_as_they_are() {
    let set = Published::new();
    let of_user = || OfUser { user_id: Id("u1") };
    let of_agent = || OfAgent { agent_id: Id("a1") };
    set.user_agents_count.with(of_user()).set(1.0);
    set.user_sessions_active.with(of_user()).set(1.0);
    set.agent_cpu_usage_percent.with(of_agent()).set(12.5);
    set.agent_memory_usage_bytes.with(of_agent()).set(1e9);
    set.agent_uptime_seconds.with(of_agent()).set(60.0);
    set.agent_status.with(Status { agent_id: Id("a1"), status: AgentStatus::Running }).set(1.0);
    set.agent_errors_total.with(of_agent()).inc();
    set.agent_sessions_total.with(of_agent()).inc();
    set.user_api_requests_total.with(Requests { user_id: Id("u1"), outcome: Outcome::Ok }).inc();
    set.rocksdb_get_latency_seconds.with(Column { cf: Id("agents") }).observe(0.002);
    set.agent_model_tokens_total.with(Tokens { agent_id: Id("a1"), direction: Direction::Input }).add(7);
    set.agent_model_tokens_total.with(Tokens { agent_id: Id("a1"), direction: Direction::Output }).add(9);
    let text = text_of(&set);
    for descriptor in Published::DESCRIPTORS {
        assert!(text.contains(&format!("# TYPE {} {}\n", descriptor.name, descriptor.kind)), "{text}");
    }
    assert!(text.contains("agent_status{agent_id=\"a1\",status=\"running\"} 1\n"), "{text}");
    if let Some(findings) = findings(&text) {
        let expected = r#"user_agents_count non-histogram and non-summary metrics should not have "_count" suffix"#;
        assert_eq!(findings, [expected], "{text}");
    }
}

#[observed]
fn divide(by: u32) -> Result<u32, std::num::TryFromIntError> {
    u8::try_from(1_000 / by).map(u32::from)
}

#[test]
fn promtool_accepts_what_observed_calls_and_a_capture_write() {
    let seen = capture(|| {
        Texts::global().text_seen_total.with(pair("a", "b")).inc();
        (divide(10).is_ok(), divide(1).is_ok())
    });
    assert_eq!(seen.value, (true, false));
    let text = seen.metrics();
    for line in [
        r#"operation_duration_seconds_count{operation="divide",target="exposition",outcome="error"} 1"#,
        r#"operation_duration_seconds_count{operation="divide",target="exposition",outcome="ok"} 1"#,
        r#"operations_in_flight{operation="divide",target="exposition"} 0"#,
        r#"text_seen_total{first="a",second="b"} 1"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
    if let Some(findings) = findings(&text) {
        assert!(findings.is_empty(), "{findings:?}\n{text}");
    }
}

#[test]
fn promtool_does_find_what_is_wrong() {
    if let Some(findings) = findings("# TYPE requests counter\nrequests{le=\"1} 1\n") {
        assert!(!findings.is_empty());
    }
}
