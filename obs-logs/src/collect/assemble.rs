//! Physical lines become logical ones: partial lines are joined, stream by stream, and long ones are cut.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use super::cri::CriLine;
use crate::metrics::{Skipped, skipped};
use crate::model::Stream;

/// A physical line that is longer than this is taken piece by piece.
const PIECE: usize = 64 * 1024;

/// A logical line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole<'a> {
    /// That of its first part, in nanoseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) stream: Stream,
    pub(crate) content: &'a [u8],
    pub(crate) cut: bool,
}

/// What was read and is not yet a whole line. It is part of a checkpoint, so that a restart needs no byte a second time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assembler {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdout: Option<Begun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stderr: Option<Begun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<Within>,
}

/// The beginning of a logical line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    timestamp: i64,
    #[serde(with = "base64_text")]
    content: Vec<u8>,
    cut: bool,
}

/// In the middle of a physical line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Within {
    /// Of standard output; the line goes on behind it.
    StdoutPartial,
    Stdout,
    StderrPartial,
    Stderr,
    /// Of something that has no format.
    Malformed,
}

impl Within {
    fn of(line: &CriLine<'_>) -> Self {
        match (line.stream, line.partial) {
            (Stream::Stdout, true) => Within::StdoutPartial,
            (Stream::Stdout, false) => Within::Stdout,
            (Stream::Stderr, true) => Within::StderrPartial,
            (Stream::Stderr, false) => Within::Stderr,
        }
    }

    /// The stream, and whether the logical line goes on behind the physical one.
    fn line(self) -> Option<(Stream, bool)> {
        match self {
            Within::StdoutPartial => Some((Stream::Stdout, true)),
            Within::Stdout => Some((Stream::Stdout, false)),
            Within::StderrPartial => Some((Stream::Stderr, true)),
            Within::Stderr => Some((Stream::Stderr, false)),
            Within::Malformed => None,
        }
    }
}

impl Assembler {
    /// Takes as many lines of `data` as there are, and says how many bytes that was; the rest is to be given again, with
    /// more behind it. Of a logical line `max` bytes are kept.
    pub(crate) fn feed(&mut self, data: &[u8], max: usize, emit: &mut impl FnMut(Whole<'_>)) -> usize {
        let mut consumed = 0;
        loop {
            let rest = &data[consumed..];
            match memchr(b'\n', rest) {
                Some(end) => {
                    self.physical(&rest[..end], max, emit);
                    consumed += end + 1;
                }
                None if rest.len() > PIECE || (self.within.is_some() && !rest.is_empty()) => {
                    self.piece(rest, max);
                    return data.len();
                }
                None => return consumed,
            }
        }
    }

    /// Nothing is begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none() && self.within.is_none()
    }

    /// The file has ended: what was begun is all that will be known of it.
    pub(crate) fn finish(&mut self, emit: &mut impl FnMut(Whole<'_>)) {
        self.within = None;
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(begun) = self.begun(stream).take() {
                emit(Whole { timestamp: begun.timestamp, stream, content: &begun.content, cut: true });
            }
        }
    }

    /// A physical line, or the end of one.
    fn physical(&mut self, line: &[u8], max: usize, emit: &mut impl FnMut(Whole<'_>)) {
        if let Some(within) = self.within.take() {
            if let Some((stream, partial)) = within.line() {
                self.append(stream, 0, line, max);
                if !partial {
                    self.complete(stream, emit);
                }
            }
            return;
        }
        let Ok(line) = CriLine::parse(line) else {
            skipped(Skipped::Malformed, 1);
            return;
        };
        if !line.partial && self.begun(line.stream).is_none() {
            let (content, cut) = cut(line.content, max);
            emit(Whole { timestamp: line.timestamp, stream: line.stream, content, cut });
            return;
        }
        self.append(line.stream, line.timestamp, line.content, max);
        if !line.partial {
            self.complete(line.stream, emit);
        }
    }

    /// A part of a physical line whose end is not there yet.
    fn piece(&mut self, piece: &[u8], max: usize) {
        match self.within {
            Some(within) => {
                if let Some((stream, _)) = within.line() {
                    self.append(stream, 0, piece, max);
                }
            }
            None => match CriLine::parse(piece) {
                Ok(line) => {
                    self.append(line.stream, line.timestamp, line.content, max);
                    self.within = Some(Within::of(&line));
                }
                Err(_) => {
                    skipped(Skipped::Malformed, 1);
                    self.within = Some(Within::Malformed);
                }
            },
        }
    }

    fn begun(&mut self, stream: Stream) -> &mut Option<Begun> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn append(&mut self, stream: Stream, timestamp: i64, content: &[u8], max: usize) {
        let begun = self.begun(stream).get_or_insert_with(|| Begun { timestamp, content: Vec::new(), cut: false });
        let (content, cut) = cut(content, max.saturating_sub(begun.content.len()));
        begun.content.extend_from_slice(content);
        begun.cut |= cut;
    }

    fn complete(&mut self, stream: Stream, emit: &mut impl FnMut(Whole<'_>)) {
        if let Some(Begun { timestamp, content, cut }) = self.begun(stream).take() {
            emit(Whole { timestamp, stream, content: &content, cut });
        }
    }
}

/// Bytes within JSON.
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(bytes, &STANDARD_NO_PAD))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD_NO_PAD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn cut(content: &[u8], max: usize) -> (&[u8], bool) {
    if content.len() <= max { (content, false) } else { (&content[..max], true) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Got = (i64, Stream, String, bool);

    /// What comes out if `data` comes in pieces that end at `ends`.
    fn assemble(data: &[u8], ends: &[usize], max: usize) -> (Vec<Got>, Assembler) {
        let (mut assembler, mut got, mut kept) = (Assembler::default(), Vec::new(), Vec::new());
        let mut from = 0;
        for end in ends.iter().copied().chain([data.len()]) {
            kept.extend_from_slice(&data[from..end]);
            from = end;
            let consumed = assembler.feed(&kept, max, &mut |line| {
                got.push((line.timestamp, line.stream, String::from_utf8_lossy(line.content).into_owned(), line.cut));
            });
            kept.drain(..consumed);
            // As a restart would see it.
            assembler = serde_json::from_str(&serde_json::to_string(&assembler).unwrap()).unwrap();
        }
        (got, assembler)
    }

    fn line(nanoseconds: i64, stream: &str, tag: &str, content: &str) -> String {
        format!("1970-01-01T00:00:00.{nanoseconds:09}Z {stream} {tag} {content}\n")
    }

    #[test]
    fn partial_lines_are_joined_stream_by_stream() {
        let text = [
            line(1, "stdout", "P", "one "),
            line(2, "stderr", "P", "ein "),
            line(3, "stdout", "P", "two "),
            line(4, "stderr", "F", "zwei"),
            line(5, "stdout", "F", "three"),
            line(6, "stdout", "F", "four"),
        ]
        .concat();
        let (got, rest) = assemble(text.as_bytes(), &[], 1024);
        assert_eq!(
            got,
            [
                (2, Stream::Stderr, "ein zwei".to_owned(), false),
                (1, Stream::Stdout, "one two three".to_owned(), false),
                (6, Stream::Stdout, "four".to_owned(), false),
            ]
        );
        assert_eq!(rest, Assembler::default());
    }

    #[test]
    fn a_line_beyond_the_bound_is_cut_and_says_so() {
        let text = [
            line(1, "stdout", "F", "0123456789"),
            line(2, "stdout", "P", "01234"),
            line(3, "stdout", "F", "56789"),
            line(4, "stdout", "F", "01234567"),
        ]
        .concat();
        let (got, _) = assemble(text.as_bytes(), &[], 8);
        let kept = |timestamp, cut| (timestamp, Stream::Stdout, "01234567".to_owned(), cut);
        assert_eq!(got, [kept(1, true), kept(2, true), kept(4, false)]);
    }

    #[test]
    fn a_physical_line_of_a_megabyte_takes_no_more_memory_than_is_kept_of_it() {
        let text = line(1, "stderr", "F", &"x".repeat(1 << 20)) + &line(2, "stderr", "F", "next");
        let (mut assembler, mut got) = (Assembler::default(), Vec::new());
        let mut kept = Vec::new();
        for piece in text.as_bytes().chunks(10_000) {
            kept.extend_from_slice(piece);
            let consumed = assembler.feed(&kept, 100, &mut |line| got.push((line.content.len(), line.cut)));
            kept.drain(..consumed);
            assert!(kept.len() <= PIECE + 10_000);
            assert!(assembler.stderr.as_ref().is_none_or(|begun| begun.content.capacity() <= 200));
        }
        assert_eq!(got, [(100, true), (4, false)]);
    }

    #[test]
    fn what_has_no_format_is_skipped_up_to_its_line_feed() {
        let text = format!("{}\n{}{}", "y".repeat(PIECE * 2), "no\n", line(1, "stdout", "F", "yes"));
        let (got, _) = assemble(text.as_bytes(), &[PIECE + 5, PIECE + 6], 100);
        assert_eq!(got, [(1, Stream::Stdout, "yes".to_owned(), false)]);
    }

    #[test]
    fn what_was_begun_when_its_file_ended_is_told_as_cut() {
        let (mut got, mut assembler) = assemble(line(1, "stdout", "P", "half").as_bytes(), &[], 100);
        assembler.finish(&mut |line| got.push((line.timestamp, line.stream, "half".to_owned(), line.cut)));
        assert_eq!(got, [(1, Stream::Stdout, "half".to_owned(), true)]);
        assert_eq!(assembler, Assembler::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_the_reads_end_changes_nothing(
            lines in prop::collection::vec((any::<bool>(), any::<bool>(), "[a-z ]{0,12}"), 0..20),
            mut ends in prop::collection::vec(0..10_000_usize, 0..12),
        ) {
            let text: String = lines
                .iter()
                .enumerate()
                .map(|(at, (stdout, full, content))| {
                    line(at as i64, if *stdout { "stdout" } else { "stderr" }, if *full { "F" } else { "P" }, content)
                })
                .collect();
            ends.iter_mut().for_each(|end| *end %= text.len() + 1);
            ends.sort_unstable();
            prop_assert_eq!(assemble(text.as_bytes(), &ends, 20), assemble(text.as_bytes(), &[], 20));
        }

        #[test]
        fn any_bytes_are_read_without_panic(data in prop::collection::vec(any::<u8>(), 0..500)) {
            assemble(&data, &[data.len() / 2], 20);
        }
    }
}
