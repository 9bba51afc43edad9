/// How an observed operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ended {
    /// It returned, and the value is not a failure.
    Ok = 0,
    /// It returned a failure.
    Error = 1,
    /// Its future was dropped before it was done.
    Cancelled = 2,
    /// It unwound.
    Panicked = 3,
}

impl Ended {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Ended; 4] = [Ended::Ok, Ended::Error, Ended::Cancelled, Ended::Panicked];

    /// The text that spans, log lines and labels bear.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ended::Ok => "ok",
            Ended::Error => "error",
            Ended::Cancelled => "cancelled",
            Ended::Panicked => "panicked",
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
