use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong in the file and in `OBS_*`, told at once. Its text has one line a mistake, after a title; so has its
/// `Debug`, as that is what Rust prints of an error that `main` returns.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The key that it is about, if it is about one.
    pub key: Option<String>,
    /// What is wrong and what may be written instead.
    pub message: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, and the line in it, counted from 1.
    File(PathBuf, Option<usize>),
    /// A variable of the environment.
    Variable(String),
    /// The program itself.
    Program,
}

impl ConfigError {
    /// `Ok` if there are no mistakes.
    pub(super) fn unless_empty(mistakes: Vec<Mistake>) -> Result<(), ConfigError> {
        if mistakes.is_empty() { Ok(()) } else { Err(ConfigError { mistakes }) }
    }

    /// The mistakes: those of the file in its order, then those of the variables.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => f.write_str("the configuration has a mistake")?,
            n => write!(f, "the configuration has {n} mistakes")?,
        }
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl Error for ConfigError {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Place::File(path, None) => write!(f, "{}", path.display()),
            Place::Variable(name) => f.write_str(name),
            Place::Program => f.write_str("set by the program"),
        }
    }
}
