//! An output that stays in memory.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Keeps what is written. All clones write to the same place.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text so far.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.lock().clone()).expect("UTF-8")
    }

    /// The text so far, which is forgotten here.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.lock())).expect("UTF-8")
    }

    /// The lines so far.
    ///
    /// # Panics
    /// When one of them is not JSON.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err} in {line}"));
        self.text().lines().map(parsed).collect()
    }
}

impl Write for Written {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
