//! Hostile strings in every position where a service puts what it was sent: each line is one JSON object without a key given
//! twice, nothing is forged, and values come back as they were.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::Duration;

use obs_runtime::tracing::callsite::{Callsite, Identifier};
use obs_runtime::tracing::field::{FieldSet, Value as FieldValue};
use obs_runtime::tracing::metadata::Kind;
use obs_runtime::tracing::subscriber::Interest;
use obs_runtime::tracing::{self, Event, Level, Metadata, dispatcher};
use obs_runtime::{ObservabilityConfig, Telemetry, correlated, error, info, info_span, observed, record};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use tests::Written;

/// What a log line is: one object, flat, no key twice.
struct Line(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;
        impl<'de> Visitor<'de> for Strict {
            type Value = Line;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut line = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if value.is_object() || value.is_array() {
                        return Err(A::Error::custom(format_args!("`{key}` is not flat")));
                    }
                    if line.contains_key(&key) {
                        return Err(A::Error::custom(format_args!("`{key}` is there twice")));
                    }
                    line.insert(key, value);
                }
                Ok(Line(line))
            }
        }
        deserializer.deserialize_map(Strict)
    }
}

/// One runtime for all, and what it has written.
static BUILT: LazyLock<(Telemetry, Written)> = LazyLock::new(|| {
    let memory = Written::default();
    let config = ObservabilityConfig { log_level: "trace".to_owned(), ..ObservabilityConfig::default() };
    (Telemetry::builder("tests").config(config).log_writer(memory.clone()).build().expect("it builds"), memory)
});

/// The lines of `work`, judged.
fn lines(work: impl FnOnce()) -> Vec<BTreeMap<String, Value>> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (telemetry, memory) = &*BUILT;
    telemetry.in_scope(work);
    telemetry.flush(Duration::from_secs(10));
    let text = memory.take();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines: Vec<_> = text.split_terminator('\n').collect();
    lines
        .into_iter()
        .map(|line| {
            assert!(!line.chars().any(|c| c < ' '), "{line:?}");
            serde_json::from_str::<Line>(line).unwrap_or_else(|err| panic!("{err}: {line:?}")).0
        })
        .collect()
}

struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

#[observed(user_id, late(agent_id), shown = ?user_id, written = %user_id)]
fn observed_with(user_id: &str) -> Result<(), Failure> {
    record!(agent_id = user_id);
    info!(by_value = user_id, by_display = %user_id, by_debug = ?user_id, "{user_id}");
    Err(Failure(user_id.to_owned()))
}

#[correlated]
fn arrives(#[carrier] headers: &HashMap<String, String>) {
    let _ = headers;
    info!("arrived");
}

/// An event whose key, target and place are whatever somebody likes, as `tracing` allows it to code that makes its own
/// callsites.
fn made_by_hand(text: &'static str) {
    struct ByHand(OnceLock<Metadata<'static>>);
    impl Callsite for ByHand {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            self.0.get().expect("it is set")
        }
    }
    let site: &'static ByHand = Box::leak(Box::new(ByHand(OnceLock::new())));
    let names: &'static [&'static str] = Box::leak(Box::new([text, "value"]));
    let meta = site.0.get_or_init(|| {
        let fields = FieldSet::new(names, Identifier(site));
        Metadata::new(text, text, Level::INFO, Some(text), Some(1), Some(text), fields, Kind::EVENT)
    });
    let values = [Some(&text as &dyn FieldValue), Some(&7 as &dyn FieldValue)];
    dispatcher::get_default(|dispatch| dispatch.event(&Event::new(meta, &meta.fields().value_set_all(&values))));
}

/// What stands on a line under a key that was `key`.
fn as_key(key: &str) -> String {
    let key = key.strip_prefix("r#").unwrap_or(key);
    match ["timestamp", "level", "target", "message", "trace_id", "span_id", "file", "line"].contains(&key) {
        true => format!("{key}_"),
        false => key.to_owned(),
    }
}

/// Puts `text` everywhere, and looks at the lines.
fn everywhere(text: &str) {
    // A value is cut at 32 KiB.
    assert!(text.len() < 32 * 1024);
    let told = lines(|| {
        let _ = observed_with(text);
        info_span!("plain", user_id = text, otel.name = text).in_scope(|| {
            let failure = Failure(text.to_owned());
            error!(error = &failure as &dyn std::error::Error, "{failure}");
        });
        let headers = ["traceparent", "tracestate", "baggage", "x-request-id", "x-session-id", "x-message-id"];
        arrives(&headers.map(|header| (header.to_owned(), text.to_owned())).into());
        info!("the last one");
    });
    let messages: Vec<_> = told.iter().map(|line| line["message"].as_str().expect("text")).collect();
    let expected = [text, "observed_with failed", "observed_with finished", text, "arrived", "the last one"];
    assert_eq!(messages, expected, "no line more, none less");
    let inside = &told[0];
    for key in ["user_id", "agent_id", "written", "by_value", "by_display"] {
        assert_eq!(inside[key], text, "{key}");
    }
    for key in ["shown", "by_debug"] {
        assert_eq!(inside[key], format!("{text:?}"), "{key}");
    }
    assert_eq!(told[1]["error"], text);
    assert_eq!((&told[3]["error"], &told[3]["user_id"]), (&text.into(), &text.into()));
    for line in &told {
        assert_eq!(line["target"], "hostile");
        assert!(line["trace_id"].as_str().is_none_or(|id| id.len() == 32), "{line:?}");
    }
    let id = told[4].get("request_id").map(|id| id.as_str().expect("text"));
    assert!(id.is_none_or(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())), "{id:?}");
}

/// The same with what a program fixes when it is compiled: its keys and targets live for ever.
fn as_key_and_target(text: &'static str) {
    let told = lines(|| made_by_hand(text));
    let [line] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&line["target"], &line["file"]), (&text.into(), &text.into()));
    match text {
        // The field is the message then; or it is the other field, whose value came later.
        "message" => assert_eq!(line["message"], text),
        "value" => assert_eq!(line["value"], 7),
        _ => assert_eq!((&line[&as_key(text)], &line["value"]), (&text.into(), &7.into())),
    }
}

/// What forgers of lines send.
const FORGED: [&str; 12] = [
    "\n{\"level\":\"error\",\"message\":\"forged\"}\n",
    "\",\"level\":\"error\",\"forged\":\"",
    "\\\",\"trace_id\":\"forged",
    "}\n{",
    "\\",
    "\\u000a",
    "\u{2028}\u{2029}\u{85}",
    "\r\n\r\n",
    "\u{0}\u{1}\u{1f}\u{7f}\u{9b}31m",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "message",
    "r#trace_id",
];

#[test]
fn naughty_strings_are_values_and_nothing_else() {
    for text in FORGED.into_iter().chain(naughty_strings::BLNS.iter().copied()) {
        everywhere(text);
    }
}

#[test]
fn naughty_strings_are_keys_and_targets_and_nothing_else() {
    for text in FORGED.into_iter().chain(naughty_strings::BLNS.iter().copied()) {
        as_key_and_target(text);
    }
}

#[test]
fn a_key_that_somebody_else_chose_is_there_once() {
    let told = lines(|| {
        info_span!("outer", "a\"b" = 1, user_id = "outer").in_scope(|| {
            info_span!("inner", "a\"b" = 2, user_id = "inner").in_scope(|| {
                info!("a\"b" = 3, user_id = "line", user_id_ = "x", trace_id = "forged", "twice");
            });
        });
    });
    assert_eq!(
        (&told[0]["a\"b"], &told[0]["user_id"], &told[0]["trace_id_"]),
        (&3.into(), &"line".into(), &"forged".into())
    );
}

#[test]
fn naughty_strings_do_nothing_to_a_terminal() {
    let memory = Written::default();
    let config = ObservabilityConfig { log_json: false, ..ObservabilityConfig::default() };
    let telemetry = Telemetry::builder("tests").config(config).log_writer(memory.clone()).build().expect("it builds");
    for text in FORGED.into_iter().chain(naughty_strings::BLNS.iter().copied()) {
        telemetry.in_scope(|| {
            info_span!("plain", user_id = text).in_scope(|| info!(by_value = text, "{text}"));
            made_by_hand(text);
        });
        telemetry.flush(Duration::from_secs(10));
        let told = memory.take();
        assert_eq!(told.matches('\n').count(), 2, "{told:?}");
        // Our own colours begin and end each part; nobody else's are there.
        let mut plain = told.replace('\n', "");
        for own in [0, 1, 2, 32] {
            plain = plain.replace(&format!("\u{1b}[{own}m"), "");
        }
        assert_eq!(plain.chars().find(|c| c.is_control()), None, "{told:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_a_value_and_nothing_else(text in any::<String>()) {
        everywhere(&text);
    }

    #[test]
    fn strings_of_what_json_and_terminals_take_for_something_are_values(text in "[\"\\\\\n\r\t\u{0}-\u{1f}\u{7f}-\u{9f}\u{2028}{}\\[\\]:,a]{0,60}") {
        everywhere(&text);
    }
}

#[test]
fn no_line_speaks_of_another_file() {
    let told = lines(|| tracing::info!("here"));
    assert_eq!(told[0]["file"], file!());
}
