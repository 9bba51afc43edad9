//! What a log is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use obs_runtime::LabelValue;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest id, in bytes.
const MAX_ID: usize = 128;

/// The text is no id: ids have 1 to 128 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 128 visible ASCII characters")]
pub struct InvalidId;

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text of 1 to 128 visible ASCII characters.
            ///
            /// # Errors
            ///
            /// Every other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let sound = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                if sound { Ok(Self(text.into())) } else { Err(InvalidId) }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Whose log it is.
    AgentId
}
id! {
    /// Who owns agents, and who asks for their logs.
    UserId
}

/// How bad it is; the later, the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For developers only.
    Trace,
    /// For who looks for a mistake.
    Debug,
    /// The usual; also what says nothing of its level.
    #[default]
    Info,
    /// Something that one gets over.
    Warn,
    /// Something that needs attention.
    Error,
}

impl Level {
    /// Every level, the least first.
    pub const ALL: [Level; 5] = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];

    /// Its name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ["trace", "debug", "info", "warn", "error"][self as usize]
    }

    /// The level of that name, in any case of letters, by the names that loggers of many languages use.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Level); 18] = [
            ("trace", Level::Trace),
            ("verbose", Level::Trace),
            ("debug", Level::Debug),
            ("info", Level::Info),
            ("information", Level::Info),
            ("notice", Level::Info),
            ("warn", Level::Warn),
            ("warning", Level::Warn),
            ("error", Level::Error),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("fatal", Level::Error),
            ("critical", Level::Error),
            ("crit", Level::Error),
            ("alert", Level::Error),
            ("emerg", Level::Error),
            ("emergency", Level::Error),
            ("panic", Level::Error),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the agent wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

impl Stream {
    fn is_stdout(&self) -> bool {
        *self == Stream::Stdout
    }
}

/// The id of a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub(crate) u128);

impl TraceId {
    /// Reads 32 hexadecimal digits that are not all zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = if hex { u128::from_str_radix(text, 16).ok()? } else { 0 };
        (id != 0).then_some(TraceId(id))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A line on its way into a store.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When it was written: nanoseconds since 1970.
    pub timestamp: i64,
    /// Where it was written.
    pub stream: Stream,
    /// How bad it is.
    pub level: Level,
    /// Its text.
    pub message: &'a str,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// What else a JSON line said: the text of a JSON object, or empty.
    pub fields: &'a str,
    /// It was longer than what is kept.
    pub cut: bool,
}

/// A line as its reader sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LogEntry)]
pub struct Entry {
    /// When the agent wrote it, by RFC 3339 in UTC.
    #[serde(serialize_with = "by_display")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    pub timestamp: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// Its text.
    #[schema(example = "Processing user message")]
    pub message: String,
    /// Its number among the lines of this agent: later lines have greater ones.
    #[schema(minimum = 0, example = 123)]
    pub seq: u64,
    /// Where the agent wrote it; left out for the standard output.
    #[serde(skip_serializing_if = "Stream::is_stdout")]
    pub stream: Stream,
    /// The trace it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_by_display")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[0-9a-f]{32}$")]
    pub trace_id: Option<TraceId>,
    /// What else a line of JSON said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub fields: Option<Box<RawValue>>,
    /// The line was longer than what is kept: this is its beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

fn by_display<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn some_by_display<S: Serializer>(value: &Option<TraceId>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// A time in nanoseconds since 1970, held at the ends of what 64 bits can say (the years 1677 and 2262).
pub(crate) fn nanoseconds(time: Timestamp) -> i64 {
    let exact = time.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The reverse.
pub(crate) fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}
