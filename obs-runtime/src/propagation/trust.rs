use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use serde::Deserialize;

/// How much of what a caller says is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Trust {
    /// `all`: its trace, baggage and ids are continued.
    #[default]
    All = 0,
    /// `ids`: its `x-request-id` is kept; a new trace begins, linked to the caller's.
    Ids = 1,
    /// `none`: everything begins anew.
    None = 2,
}

impl Trust {
    /// Every policy.
    pub const ALL: [Trust; 3] = [Trust::All, Trust::Ids, Trust::None];

    /// Its name in configuration and in `trust = "…"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Trust::All => "all",
            Trust::Ids => "ids",
            Trust::None => "none",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of `all`, `ids` and `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTrust;

impl fmt::Display for UnknownTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected `all`, `ids` or `none`")
    }
}

impl std::error::Error for UnknownTrust {}

impl FromStr for Trust {
    type Err = UnknownTrust;

    fn from_str(text: &str) -> Result<Self, UnknownTrust> {
        Trust::ALL.into_iter().find(|trust| trust.as_str() == text).ok_or(UnknownTrust)
    }
}

/// The policy where an annotation or a layer names none: the configuration's.
static DEFAULT: AtomicU8 = AtomicU8::new(Trust::All as u8);

pub(crate) fn default_trust() -> Trust {
    let number = DEFAULT.load(Relaxed);
    Trust::ALL.into_iter().find(|trust| *trust as u8 == number).unwrap_or_default()
}

/// Called once, when telemetry starts.
pub(crate) fn set_default_trust(trust: Trust) {
    DEFAULT.store(trust as u8, Relaxed);
}
