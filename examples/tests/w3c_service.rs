//! W3C Trace Context, level 2, rule by rule, asked of the example `w3c_service` as the W3C's test harness asks: a request comes in over a
//! real connection, and what counts are the headers of the calls that it makes.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";
const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";

/// The headers of the callbacks, by path.
type Callbacks = Mutex<BTreeMap<String, Vec<(String, String)>>>;

/// The example as a process, and a server that it calls back.
struct Harness {
    service: Child,
    address: String,
    callbacks: SocketAddr,
    seen: Arc<Callbacks>,
}

/// What one callback bore.
#[derive(Debug)]
struct Seen {
    trace_id: String,
    parent_id: String,
    flags: u8,
    /// The members of all its `tracestate` headers, joined by commas.
    state: String,
}

impl Harness {
    fn start() -> Self {
        let mut service = Command::new(example("w3c_service"))
            .args(["--port", "0"])
            .env("OBS_LOG_LEVEL", "info")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built with the tests");
        let mut lines = BufReader::new(service.stdout.take().expect("piped"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("readable");
        let line: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
        assert_eq!(line["message"], "Listening");
        let address = line["address"].as_str().expect("an address").to_owned();
        // Whoever writes and is not read stops one day.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));

        let seen = Arc::new(Callbacks::default());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let callbacks = listener.local_addr().expect("bound");
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = Arc::clone(&record);
                thread::spawn(move || called(stream, &record));
            }
        });
        Harness { service, address, callbacks, seen }
    }

    /// Sends a request with these headers that asks for `count` callbacks, and gives what each of them bore.
    fn ask_for(&self, count: usize, headers: &[(&str, &str)]) -> Vec<Seen> {
        let paths: Vec<String> = (0..count).map(|at| format!("/callback/{at}")).collect();
        let arguments: Vec<_> = paths
            .iter()
            .map(|path| serde_json::json!({"url": format!("http://{}{path}", self.callbacks), "arguments": []}))
            .collect();
        let body = serde_json::to_string(&arguments).expect("JSON");
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let mut head = format!(
            "POST /test HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}:{value}\r\n");
        }
        write!(stream, "{head}\r\n{body}").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (answer, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        serde_json::from_str::<serde_json::Value>(body).expect("the answer is JSON");

        let mut seen = self.seen.lock().expect("not poisoned");
        paths.iter().map(|path| Seen::of(&seen.remove(path).expect("it called back"))).collect()
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Seen {
        self.ask_for(1, headers).pop().expect("one")
    }

    /// The trace goes on after this `traceparent`.
    #[track_caller]
    fn continues(&self, traceparent: &str) {
        let seen = self.ask(&[("traceparent", traceparent)]);
        assert_eq!(seen.trace_id, TRACE, "{traceparent:?}");
        assert_ne!(seen.parent_id, PARENT, "{traceparent:?}");
    }

    /// A new trace begins after this `traceparent`, and its `tracestate` is not handed on.
    #[track_caller]
    fn restarts(&self, traceparent: &str) {
        let seen = self.ask(&[("traceparent", traceparent), ("tracestate", "foo=1")]);
        assert!(!traceparent.contains(&seen.trace_id), "{traceparent:?}: {seen:?}");
        assert_eq!(seen.state, "", "{traceparent:?}");
    }

    /// What is handed on of these `tracestate` headers, beside a good `traceparent`, which goes on whatever they say.
    #[track_caller]
    fn state(&self, values: &[&str]) -> String {
        let headers: Vec<_> =
            [("traceparent", UNSAMPLED)].into_iter().chain(values.iter().map(|value| ("tracestate", *value))).collect();
        let seen = self.ask(&headers);
        assert_eq!(seen.trace_id, TRACE, "{values:?}");
        seen.state
    }

    #[track_caller]
    fn keeps(&self, value: &str) {
        assert_eq!(self.state(&[value]), value.trim_matches([' ', '\t']));
    }

    #[track_caller]
    fn drops(&self, values: &[&str]) {
        assert_eq!(self.state(values), "", "{values:?}");
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

impl Seen {
    /// Every callback bears one `traceparent`, of version 00.
    fn of(headers: &[(String, String)]) -> Self {
        let all = |name: &str| -> Vec<&str> {
            headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
        };
        let traceparent = all("traceparent");
        assert_eq!(traceparent.len(), 1, "{headers:?}");
        let fields: Vec<&str> = traceparent[0].split('-').collect();
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lengths: Vec<usize> = fields.iter().map(|field| field.len()).collect();
        assert!(lengths == [2, 32, 16, 2] && fields.iter().all(|field| is_hex(field)), "{traceparent:?}");
        assert_eq!(fields[0], "00");
        assert!(fields[1].contains(|digit| digit != '0') && fields[2].contains(|digit| digit != '0'));
        Seen {
            trace_id: fields[1].to_owned(),
            parent_id: fields[2].to_owned(),
            flags: u8::from_str_radix(fields[3], 16).expect("hexadecimal"),
            state: all("tracestate").join(","),
        }
    }
}

/// Answers one callback, and remembers its headers.
fn called(stream: TcpStream, record: &Callbacks) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let path = line.split(' ').nth(1).expect("a path").to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end_matches(['\r', '\n']).split_once(':') else { break };
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| value.parse().expect("a number"));
    reader.read_exact(&mut vec![0; length]).expect("a body");
    record.lock().expect("not poisoned").insert(path, headers);
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").expect("answered");
}

/// Cargo builds the examples of a package with its tests, in the folder beside theirs.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("known");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// `SAMPLED` with its fields in place of others.
fn traceparent(version: &str, trace_id: &str, parent_id: &str, flags: &str) -> String {
    format!("{version}-{trace_id}-{parent_id}-{flags}")
}

/// 3.1 Relationship Between the Headers
mod relationship {
    use super::*;

    #[test]
    fn without_either_header_a_trace_begins() {
        let harness = Harness::start();
        let (first, second) = (harness.ask(&[]), harness.ask(&[]));
        assert_ne!(first.trace_id, second.trace_id);
        assert_eq!(first.state, "");
    }

    #[test]
    fn a_traceparent_alone_is_continued_under_a_new_parent_id() {
        Harness::start().continues(SAMPLED);
    }

    #[test]
    fn both_are_carried_over() {
        let harness = Harness::start();
        assert_eq!(harness.state(&["foo=1,bar=2"]), "foo=1,bar=2");
    }

    #[test]
    fn a_tracestate_alone_is_discarded() {
        let harness = Harness::start();
        for state in ["foo=1", "foo=1,bar=2"] {
            assert_eq!(harness.ask(&[("tracestate", state)]).state, "", "{state}");
        }
    }

    #[test]
    fn two_traceparents_are_as_none() {
        let other = SAMPLED.replace(TRACE, "12345678901234567890123456789011");
        let harness = Harness::start();
        for second in [other.as_str(), SAMPLED] {
            let seen = harness.ask(&[("traceparent", SAMPLED), ("traceparent", second), ("tracestate", "foo=1")]);
            assert!(!seen.trace_id.starts_with("123456789012345678901234567890"), "{seen:?}");
            assert_eq!(seen.state, "");
        }
    }
}

/// 3.2.1 Header Name
mod traceparent_header_name {
    use super::*;

    #[test]
    fn it_is_one_word() {
        let harness = Harness::start();
        for name in ["trace-parent", "trace.parent"] {
            assert_ne!(harness.ask(&[(name, SAMPLED)]).trace_id, TRACE, "{name}");
        }
    }

    #[test]
    fn it_is_expected_in_any_case() {
        let harness = Harness::start();
        for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
            assert_eq!(harness.ask(&[(name, SAMPLED)]).trace_id, TRACE, "{name}");
        }
    }

    #[test]
    fn white_space_around_the_value_is_not_part_of_it() {
        let harness = Harness::start();
        for value in [
            format!(" {SAMPLED}"),
            format!("\t{SAMPLED}"),
            format!("{SAMPLED} "),
            format!("{SAMPLED}\t"),
            format!("\t {SAMPLED} \t"),
        ] {
            harness.continues(&value);
        }
    }
}

/// 3.2.2.1 version
mod version {
    use super::*;

    #[test]
    fn ff_is_invalid() {
        Harness::start().restarts(&traceparent("ff", TRACE, PARENT, "01"));
    }

    #[test]
    fn it_is_two_lower_case_hexadecimal_digits() {
        let harness = Harness::start();
        for version in [".0", "0.", "000", "0000", "0", "", "CC"] {
            harness.restarts(&traceparent(version, TRACE, PARENT, "01"));
        }
    }
}

/// 3.2.2.2 version-format
mod version_format {
    use super::*;

    #[test]
    fn nothing_stands_behind_the_flags_in_version_00() {
        let harness = Harness::start();
        for more in [".", "-", "-what-the-future-will-be-like"] {
            harness.restarts(&format!("{SAMPLED}{more}"));
        }
    }

    #[test]
    fn the_fields_are_parted_by_dashes() {
        let harness = Harness::start();
        for at in [2, 35, 52] {
            let mut value = SAMPLED.to_owned();
            value.replace_range(at..=at, "_");
            harness.restarts(&value);
        }
        harness.restarts("");
        harness.restarts("---");
    }
}

/// 3.2.2.3 trace-id
mod trace_id {
    use super::*;

    #[test]
    fn all_zeroes_are_invalid() {
        Harness::start().restarts(&traceparent("00", &"0".repeat(32), PARENT, "01"));
    }

    #[test]
    fn it_is_thirty_two_lower_case_hexadecimal_digits() {
        let harness = Harness::start();
        for trace_id in [
            ".2345678901234567890123456789012",
            "1234567890123456789012345678901.",
            "123456789012345678901234567890123",
            "1234567890123456789012345678901",
            "1234567890123456789012345678901A",
            "",
        ] {
            harness.restarts(&traceparent("00", trace_id, PARENT, "01"));
        }
    }
}

/// 3.2.2.4 parent-id
mod parent_id {
    use super::*;

    #[test]
    fn all_zeroes_are_invalid() {
        Harness::start().restarts(&traceparent("00", TRACE, &"0".repeat(16), "01"));
    }

    #[test]
    fn it_is_sixteen_lower_case_hexadecimal_digits() {
        let harness = Harness::start();
        for parent_id in
            [".234567890123456", "123456789012345.", "12345678901234567", "123456789012345", "123456789012345A", ""]
        {
            harness.restarts(&traceparent("00", TRACE, parent_id, "01"));
        }
    }
}

/// 3.2.2.5 trace-flags
mod trace_flags {
    use super::*;

    #[test]
    fn they_are_two_lower_case_hexadecimal_digits() {
        let harness = Harness::start();
        for flags in [".0", "0.", "001", "1", "0A", ""] {
            harness.restarts(&traceparent("00", TRACE, PARENT, flags));
        }
    }

    /// 3.2.2.5.1 Sampled flag
    #[test]
    fn the_callers_decision_goes_on() {
        let harness = Harness::start();
        assert_eq!(harness.ask(&[("traceparent", SAMPLED)]).flags, 1);
        assert_eq!(harness.ask(&[("traceparent", UNSAMPLED)]).flags, 0);
    }

    /// 3.2.2.5.2 Random Trace ID Flag
    #[test]
    fn the_random_flag_is_kept_and_a_trace_of_our_own_bears_it() {
        let harness = Harness::start();
        for flags in [2, 3] {
            let seen = harness.ask(&[("traceparent", &traceparent("00", TRACE, PARENT, &format!("{flags:02x}")))]);
            assert_eq!((seen.trace_id.as_str(), seen.flags), (TRACE, flags));
        }
        assert_eq!(harness.ask(&[]).flags & 2, 2);
    }

    /// 3.2.2.5.3 Other Flags
    #[test]
    fn other_flags_are_set_to_zero() {
        let harness = Harness::start();
        for (flags, left) in [("ff", 3), ("fd", 1), ("fc", 0), ("04", 0)] {
            assert_eq!(
                harness.ask(&[("traceparent", &traceparent("00", TRACE, PARENT, flags))]).flags,
                left,
                "{flags}"
            );
        }
    }
}

/// 3.2.4 Versioning of traceparent
mod versioning {
    use super::*;

    #[test]
    fn a_higher_version_is_read_by_its_first_four_fields() {
        let harness = Harness::start();
        for version in ["cc", "01", "fe"] {
            let future = traceparent(version, TRACE, PARENT, "01");
            harness.continues(&future);
            harness.continues(&format!("{future}-what-the-future-will-be-like"));
        }
    }

    #[test]
    fn the_flags_of_a_higher_version_are_followed_by_a_dash_or_nothing() {
        let future = traceparent("cc", TRACE, PARENT, "01");
        let harness = Harness::start();
        for more in [".what-the-future-will-be-like", ".", "1"] {
            harness.restarts(&format!("{future}{more}"));
        }
        harness.restarts(&future[..54]);
    }
}

/// 3.3.1 Header Name
mod tracestate_header_name {
    use super::*;

    #[test]
    fn it_is_one_word() {
        let harness = Harness::start();
        for name in ["trace-state", "trace.state"] {
            assert_eq!(harness.ask(&[("traceparent", UNSAMPLED), (name, "foo=1")]).state, "", "{name}");
        }
    }

    #[test]
    fn it_is_expected_in_any_case() {
        let harness = Harness::start();
        for name in ["TraceState", "TrAcEsTaTe", "TRACESTATE"] {
            assert_eq!(harness.ask(&[("traceparent", UNSAMPLED), (name, "foo=1")]).state, "foo=1", "{name}");
        }
    }
}

/// 3.3.1.1 tracestate Header Field Values
mod tracestate_header_field_values {
    use super::*;

    #[test]
    fn several_headers_are_one_list_in_order() {
        let harness = Harness::start();
        let state = harness.state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]);
        assert_eq!(state, "foo=1,bar=2,rojo=1,congo=2,baz=3");
    }

    #[test]
    fn empty_headers_are_accepted_and_not_sent() {
        let harness = Harness::start();
        harness.drops(&[""]);
        assert_eq!(harness.state(&["foo=1", ""]), "foo=1");
        assert_eq!(harness.state(&["", "foo=1"]), "foo=1");
        assert_eq!(harness.state(&[" ", "foo=1,,bar=2,\t"]), "foo=1,bar=2");
    }

    #[test]
    fn white_space_around_members_is_ignored() {
        let harness = Harness::start();
        assert_eq!(harness.state(&["foo=1 \t , \t bar=2, \t baz=3"]), "foo=1,bar=2,baz=3");
        assert_eq!(harness.state(&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"]), "foo=1,bar=2,baz=3");
        for value in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
            harness.keeps(value);
        }
    }
}

/// 3.3.1.2 list
mod list {
    use super::*;

    fn members(count: usize) -> Vec<String> {
        let all: Vec<String> = (1..=count).map(|at| format!("bar{at:02}={at:02}")).collect();
        all.chunks(10).map(|part| part.join(",")).collect()
    }

    #[test]
    fn thirty_two_members_are_kept_and_thirty_three_are_not() {
        let harness = Harness::start();
        let (good, bad) = (members(32), members(33));
        assert_eq!(harness.state(&good.iter().map(String::as_str).collect::<Vec<_>>()), good.join(","));
        harness.drops(&bad.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// 3.3.1.3.1 Key
mod key {
    use super::*;

    pub(super) const ALL: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";

    #[test]
    fn every_character_that_is_allowed_is_kept() {
        let harness = Harness::start();
        harness.keeps(&format!("{ALL}=1"));
        harness.keeps(&format!("{ALL}@a-z0-9_-*/=1"));
        harness.keeps("0=1");
    }

    #[test]
    fn other_characters_drop_the_list() {
        let harness = Harness::start();
        for member in ["foo =1", "FOO=1", "foo.bar=1", "_foo=1", "=1", "foo"] {
            harness.drops(&[&format!("{member},bar=2")]);
        }
    }

    #[test]
    fn there_is_one_tenant_and_one_system() {
        let harness = Harness::start();
        for member in ["foo@=1", "@foo=1", "foo@@bar=1", "foo@bar@baz=1"] {
            harness.drops(&[&format!("{member},bar=2")]);
        }
    }

    #[test]
    fn it_ends_at_its_limits() {
        let harness = Harness::start();
        for key in ["z".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(14))] {
            assert_eq!(harness.state(&["foo=1", &format!("{key}=1")]), format!("foo=1,{key}=1"));
        }
        for key in ["z".repeat(257), format!("{}@v", "t".repeat(242)), format!("t@{}", "v".repeat(15))] {
            harness.drops(&["foo=1", &format!("{key}=1")]);
        }
    }

    #[test]
    fn one_given_twice_drops_the_list() {
        let harness = Harness::start();
        let cases: [&[&str]; 4] = [&["foo=1,foo=1"], &["foo=1,foo=2"], &["foo=1", "foo=1"], &["foo=1", "foo=2"]];
        for values in cases {
            harness.drops(values);
        }
    }
}

/// 3.3.1.3.2 Value
mod value {
    use super::*;

    #[test]
    fn every_character_that_is_allowed_is_kept() {
        let all: String = (' '..='~').filter(|c| !matches!(c, ',' | '=')).collect();
        let harness = Harness::start();
        for key in ["foo", key::ALL, &format!("{}@a-z0-9_-*/", key::ALL)] {
            harness.keeps(&format!("{key}={all}"));
        }
    }

    #[test]
    fn an_equals_sign_or_nothing_drops_the_list() {
        let harness = Harness::start();
        harness.drops(&["foo=bar=baz"]);
        harness.drops(&["foo=,bar=3"]);
        harness.drops(&["foo=a\tb"]);
    }

    #[test]
    fn it_ends_at_256_characters() {
        let harness = Harness::start();
        harness.keeps(&format!("foo={}", "v".repeat(256)));
        harness.drops(&[&format!("foo={}", "v".repeat(257))]);
    }
}

/// 3.3.1.5 tracestate Limits
mod limits {
    use super::*;

    #[test]
    fn more_than_512_characters_are_handed_on_whole() {
        let state: Vec<String> = (0..32).map(|at| format!("key{at}={}", "v".repeat(100))).collect();
        Harness::start().keeps(&state.join(","));
    }
}

/// 3.4 Mutating the traceparent Field
mod mutating {
    use super::*;

    fn ids(seen: &[Seen]) -> (HashSet<&str>, HashSet<&str>) {
        (
            seen.iter().map(|seen| seen.trace_id.as_str()).collect(),
            seen.iter().map(|seen| seen.parent_id.as_str()).collect(),
        )
    }

    #[test]
    fn each_call_has_a_parent_id_of_its_own_in_the_trace_that_came() {
        let seen = Harness::start().ask_for(3, &[("traceparent", SAMPLED)]);
        let (traces, parents) = ids(&seen);
        assert_eq!((traces, parents.len()), (HashSet::from([TRACE]), 3));
    }

    #[test]
    fn each_call_has_a_parent_id_of_its_own_in_a_trace_of_our_own() {
        let seen = Harness::start().ask_for(3, &[]);
        let (traces, parents) = ids(&seen);
        assert_eq!((traces.len(), parents.len()), (1, 3));
    }

    #[test]
    fn after_an_illegal_traceparent_all_calls_are_in_one_new_trace() {
        let bad = traceparent("00", &"0".repeat(32), PARENT, "01");
        let seen = Harness::start().ask_for(3, &[("traceparent", &bad)]);
        let (traces, parents) = ids(&seen);
        assert_eq!((traces.len(), parents.len()), (1, 3));
    }
}

/// 5 Security considerations: what nobody honest sends.
mod hostile {
    use super::*;

    #[test]
    fn thousands_of_members_and_broken_bytes_leave_the_trace_alone() {
        let harness = Harness::start();
        let many: Vec<String> = (0..2_000).map(|at| format!("k{at}=1")).collect();
        harness.drops(&[&many.join(",")]);
        harness.drops(&["foo=\u{e9}"]);
        harness.restarts(&format!("{SAMPLED}\u{e9}"));
        harness.restarts(&"0".repeat(60_000));
    }
}
