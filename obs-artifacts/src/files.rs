use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

/// Files that were made and not written yet.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: BTreeMap<String, String>,
}

/// How a directory differs from what was made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A file is not there.
    Missing(String),
    /// A file has another text.
    Changed(String),
    /// A file is there that was not made.
    Stranger(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing(path) => write!(f, "{path} is missing"),
            Difference::Changed(path) => write!(f, "{path} differs"),
            Difference::Stranger(path) => write!(f, "{path} is not made any more"),
        }
    }
}

impl Files {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file: its path below the directory, with `/`, and its text.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.files.insert(path.into(), text);
        self
    }

    /// The text of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Paths and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Writes them below `directory`. What is there and was not made stays.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        for (path, text) in &self.files {
            let path = directory.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, text)?;
        }
        Ok(())
    }

    /// How `directory` differs from them, for a test that holds it fresh.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn differences(&self, directory: &Path) -> io::Result<Vec<Difference>> {
        let mut there = BTreeMap::new();
        if directory.is_dir() {
            read(directory, "", &mut there)?;
        }
        let mut differences = Vec::new();
        for (path, text) in &self.files {
            match there.remove(path) {
                None => differences.push(Difference::Missing(path.clone())),
                Some(found) if found != text.as_bytes() => differences.push(Difference::Changed(path.clone())),
                Some(_) => {}
            }
        }
        differences.extend(there.into_keys().map(Difference::Stranger));
        Ok(differences)
    }
}

fn read(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}
