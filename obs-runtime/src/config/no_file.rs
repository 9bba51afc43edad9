//! What stands for the file in a build without it.

use super::error::{Mistake, Place};
use super::value::Value;

/// Nothing, and a mistake if a file was asked for.
pub(super) fn read(named: Option<&str>, mistakes: &mut Vec<Mistake>) -> Vec<(Place, String, Value)> {
    mistakes.extend(named.map(|path| Mistake {
        place: Place::Variable("OBS_CONFIG".to_owned()),
        key: None,
        message: format!("`{path}` is not read: this build has no feature `config-file`"),
    }));
    Vec::new()
}
