//! YAML out.

use serde::Serialize;

/// `value` as YAML. Only types of this crate are written, all of which have a form in YAML.
pub(crate) fn text<T: Serialize>(value: &T) -> String {
    yaml_serde::to_string(value).unwrap_or_else(|err| format!("# {err}\n"))
}
