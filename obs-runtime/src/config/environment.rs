#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]

use std::collections::BTreeMap;

use crate::names;

/// The variable that chooses the clock, and what it says for that of the system.
pub(super) const CLOCK: &str = "OBS_CLOCK";
pub(super) const STD: &str = "std";

/// The variables that carry the context of whoever started this process, under the names that they bear as headers:
/// `TRACEPARENT` is `traceparent`, `X_REQUEST_ID` is `x-request-id`. A carrier for `#[correlated]`.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    carrier(|name| std::env::var(name).ok())
}

fn carrier(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    names::TRAVELLING
        .into_iter()
        .filter_map(|header| {
            let value = variable(&header.to_ascii_uppercase().replace('-', "_"))?;
            (!value.is_empty()).then(|| (header.to_owned(), value))
        })
        .collect()
}

/// The variables of this process, those that are not Unicode with replacement characters.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

/// Whether the system's clock is wanted in place of the processor's counter. By itself, as there are spans before there is a
/// configuration.
pub(crate) fn wants_system_clock() -> bool {
    std::env::var_os(CLOCK).is_some_and(|clock| clock == STD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_carried_under_the_names_of_headers() {
        let seen = carrier(|name| match name {
            "TRACEPARENT" => Some("00-1".to_owned()),
            "X_REQUEST_ID" => Some("r1".to_owned()),
            "BAGGAGE" => Some(String::new()),
            _ => None,
        });
        let expected = [("traceparent", "00-1"), ("x-request-id", "r1")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
