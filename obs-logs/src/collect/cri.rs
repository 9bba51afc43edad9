//! One line as the container runtime writes it: `<RFC 3339 with nanoseconds> stdout|stderr P|F[:tags] <content>`.

use jiff::Timestamp;

use crate::model::{Stream, nanoseconds};

/// A physical line, without its line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CriLine<'a> {
    /// Nanoseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) stream: Stream,
    /// The logical line goes on in the next physical one of this stream.
    pub(crate) partial: bool,
    pub(crate) content: &'a [u8],
}

/// The line is not in the CRI's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> CriLine<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        let (time, rest) = word(line)?;
        let (stream, rest) = word(rest)?;
        // A runtime may leave out the space before an empty content.
        let (tags, content) = word(rest).unwrap_or((rest, b""));
        let time: Timestamp = str::from_utf8(time).ok().and_then(|time| time.parse().ok()).ok_or(Malformed)?;
        let stream = match stream {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return Err(Malformed),
        };
        // Further tags follow the first behind colons; none is defined yet.
        let partial = match tags.split(|byte| *byte == b':').next() {
            Some(b"P") => true,
            Some(b"F") => false,
            _ => return Err(Malformed),
        };
        Ok(CriLine { timestamp: nanoseconds(time), stream, partial, content })
    }
}

/// The text before the first space, and what follows the space.
fn word(line: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let at = memchr::memchr(b' ', line).ok_or(Malformed)?;
    Ok((&line[..at], &line[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(i64, Stream, bool, &str), Malformed> {
        let line = CriLine::parse(line.as_bytes())?;
        Ok((line.timestamp, line.stream, line.partial, str::from_utf8(line.content).unwrap()))
    }

    #[test]
    fn lines_of_the_format_are_read() {
        assert_eq!(
            parse("1970-01-01T00:00:01.000000002Z stdout F hello  world"),
            Ok((1_000_000_002, Stream::Stdout, false, "hello  world"))
        );
        assert_eq!(parse("1970-01-01T01:00:00+01:00 stderr P half"), Ok((0, Stream::Stderr, true, "half")));
        assert_eq!(parse("1970-01-01T00:00:00Z stdout F:a:b x"), Ok((0, Stream::Stdout, false, "x")));
        assert_eq!(parse("1970-01-01T00:00:00Z stdout F "), Ok((0, Stream::Stdout, false, "")));
        assert_eq!(parse("1970-01-01T00:00:00Z stdout F"), Ok((0, Stream::Stdout, false, "")));
    }

    #[test]
    fn all_else_is_malformed() {
        for line in [
            "",
            " ",
            "hello",
            "2026-01-15T10:30:00Z",
            "2026-01-15T10:30:00Z stdout",
            "2026-01-15T10:30:00Z stdin F x",
            "2026-01-15T10:30:00Z stdout X x",
            "2026-01-15T10:30:00Z stdout FP x",
            "2026-13-15T10:30:00Z stdout F x",
            "yesterday stdout F x",
            "{\"log\":\"docker\",\"stream\":\"stdout\"}",
        ] {
            assert_eq!(parse(line), Err(Malformed), "{line}");
        }
    }
}
