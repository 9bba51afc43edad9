//! The header `tracestate`, by W3C Trace Context level 2, section 3.3.

use std::sync::Arc;

use crate::propagation::trim_ows;

/// The most members that a list may have.
const MAX_MEMBERS: usize = 32;

/// The most bytes looked at. The longest valid list without white space has 16,447.
const MAX_BYTES: usize = 32 * 1024;

/// The list is not one that may be handed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// The list that the `values` of the headers make together, in one text without white space around its members; nothing if it has no member.
pub(super) fn join<'c>(values: impl Iterator<Item = &'c [u8]>) -> Result<Option<Arc<str>>, Invalid> {
    let mut members = Members { members: [("", ""); MAX_MEMBERS], count: 0 };
    let mut bytes = 0;
    for value in values {
        bytes += value.len() + 1;
        if bytes > MAX_BYTES {
            return Err(Invalid);
        }
        value.split(|byte| *byte == b',').map(trim_ows).try_for_each(|member| members.add(member))?;
    }
    Ok(members.text())
}

/// The members so far.
struct Members<'c> {
    /// Each with its key.
    members: [(&'c str, &'c str); MAX_MEMBERS],
    count: usize,
}

impl<'c> Members<'c> {
    fn add(&mut self, member: &'c [u8]) -> Result<(), Invalid> {
        if member.is_empty() {
            return Ok(());
        }
        let member = std::str::from_utf8(member).map_err(|_| Invalid)?;
        let (key, value) = member.split_once('=').ok_or(Invalid)?;
        let is_known = self.all().iter().any(|(known, _)| *known == key);
        if !is_key(key.as_bytes()) || !is_value(value.as_bytes()) || is_known || self.count == MAX_MEMBERS {
            return Err(Invalid);
        }
        self.members[self.count] = (key, member);
        self.count += 1;
        Ok(())
    }

    fn all(&self) -> &[(&'c str, &'c str)] {
        &self.members[..self.count]
    }

    fn text(&self) -> Option<Arc<str>> {
        match self.all() {
            [] => None,
            [(_, only)] => Some((*only).into()),
            several => {
                let length = several.iter().map(|(_, member)| member.len() + 1).sum();
                let mut text = String::with_capacity(length);
                for (_, member) in several {
                    text.push_str(member);
                    text.push(',');
                }
                text.pop();
                Some(text.into())
            }
        }
    }
}

/// The member of OpenTelemetry, by its specification "TraceState handling".
const OPENTELEMETRY: &str = "ot";

/// By which threshold a trace was sampled: `th` in the member of OpenTelemetry, of 56 bits. `None` where nothing, or nothing
/// that makes sense, is said.
pub(crate) fn threshold(state: &str) -> Option<u64> {
    let (_, member) =
        state.split(',').filter_map(|member| member.split_once('=')).find(|(key, _)| *key == OPENTELEMETRY)?;
    let (_, digits) = member.split(';').filter_map(|part| part.split_once(':')).find(|(key, _)| *key == "th")?;
    if !(1..=14).contains(&digits.len()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().map(|threshold| threshold << (4 * (14 - digits.len())))
}

/// The list with this threshold in it. The member of OpenTelemetry keeps what else it says, and moves to the front, as one
/// that was changed does.
pub(crate) fn with_threshold(state: &str, threshold: u64) -> String {
    let digits = format!("{threshold:014x}");
    let digits = digits.trim_end_matches('0');
    let mut text = format!("{OPENTELEMETRY}=th:{}", if digits.is_empty() { "0" } else { digits });
    let is_own = |member: &&str| member.split_once('=').is_some_and(|(key, _)| key == OPENTELEMETRY);
    let own = state.split(',').find(is_own).and_then(|member| member.split_once('='));
    for part in own.into_iter().flat_map(|(_, parts)| parts.split(';')).filter(|part| !part.starts_with("th:")) {
        text.push(';');
        text.push_str(part);
    }
    let others = state.split(',').filter(|member| !member.is_empty() && !is_own(member));
    for member in others.take(MAX_MEMBERS - 1) {
        text.push(',');
        text.push_str(member);
    }
    text
}

/// `vendor`, of at most 256 characters, or `tenant@system`, of at most 241 and 14.
fn is_key(key: &[u8]) -> bool {
    let mut parts = key.split(|byte| *byte == b'@');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(vendor), None, None) => is_name(vendor, 256),
        (Some(tenant), Some(system), None) => {
            is_name(tenant, 241) && is_name(system, 14) && !system[0].is_ascii_digit()
        }
        _ => false,
    }
}

fn is_name(name: &[u8], max: usize) -> bool {
    let first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=max).contains(&name.len())
        && name.first().is_some_and(first)
        && name.iter().all(|byte| first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/'))
}

/// At most 256 printable ASCII characters without `,` and `=`. A space at its end is already gone with the white space around the member.
fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
        && !value.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(values: &[&str]) -> Result<Option<Arc<str>>, Invalid> {
        super::join(values.iter().map(|value| value.as_bytes()))
    }

    fn kept(values: &[&str]) -> String {
        join(values).expect("valid").expect("not empty").to_string()
    }

    #[test]
    fn several_headers_are_one_list_in_order() {
        assert_eq!(kept(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]), "foo=1,bar=2,rojo=1,congo=2,baz=3");
    }

    #[test]
    fn an_empty_header_beside_a_good_one_is_ignored() {
        assert_eq!(join(&[""]), Ok(None));
        assert_eq!(kept(&["foo=1", ""]), "foo=1");
        assert_eq!(kept(&["", "foo=1"]), "foo=1");
        assert_eq!(kept(&["foo=1,,bar=2,"]), "foo=1,bar=2");
    }

    #[test]
    fn white_space_around_members_is_dropped_and_inside_a_value_kept() {
        assert_eq!(kept(&["foo=1 \t , \t bar=2, \t baz=3\t"]), "foo=1,bar=2,baz=3");
        assert_eq!(kept(&["foo= a b "]), "foo= a b");
    }

    #[test]
    fn a_key_given_twice_drops_the_list() {
        assert_eq!(join(&["foo=1,foo=1"]), Err(Invalid));
        assert_eq!(join(&["foo=1", "foo=2"]), Err(Invalid));
    }

    #[test]
    fn thirty_two_members_are_kept_and_thirty_three_are_not() {
        let members = |n: usize| (0..n).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(kept(&[&members(32)]), members(32));
        assert_eq!(join(&[&members(33)]), Err(Invalid));
        assert_eq!(join(&[&members(10_000)]), Err(Invalid));
        assert_eq!(join(&vec!["k=1"; 10_000]), Err(Invalid));
    }

    #[test]
    fn keys_end_at_their_limits() {
        for key in ["z".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(14)), "0/a-b*c_d@e".to_owned()] {
            assert!(join(&[&format!("{key}=1")]).is_ok(), "{key}");
        }
        for key in [
            "z".repeat(257),
            format!("{}@{}", "t".repeat(242), "v"),
            format!("t@{}", "v".repeat(15)),
            "foo@".to_owned(),
            "@foo".to_owned(),
            "foo@@bar".to_owned(),
            "foo@bar@baz".to_owned(),
            "foo@1bar".to_owned(),
            "foo ".to_owned(),
            "FOO".to_owned(),
            "foo.bar".to_owned(),
            "_foo".to_owned(),
            String::new(),
        ] {
            assert_eq!(join(&[&format!("{key}=1,bar=2")]), Err(Invalid), "{key}");
        }
    }

    #[test]
    fn values_are_printable_ascii_of_at_most_256_characters() {
        let all: String = (' '..='~').filter(|c| !matches!(c, ',' | '=')).collect();
        assert_eq!(kept(&[&format!("foo={all}")]), format!("foo={all}"));
        assert!(join(&[&format!("foo={}", "v".repeat(256))]).is_ok());
        for value in ["v".repeat(257), "a=b".to_owned(), "a\tb".to_owned(), "\u{e9}".to_owned(), String::new()] {
            assert_eq!(join(&[&format!("foo={value}")]), Err(Invalid), "{value}");
        }
        assert_eq!(join(&["foo"]), Err(Invalid));
    }

    #[test]
    fn the_threshold_is_read_and_replaced_in_the_member_of_opentelemetry() {
        assert_eq!(threshold("foo=1,ot=rv:0123456789abcd;th:c"), Some(0xc0_0000_0000_0000));
        for none in ["", "foo=th:c", "ot=rv:1", "ot=th:", "ot=th:xyz", "ot=th:012345678901234", "ot"] {
            assert_eq!(threshold(none), None, "{none}");
        }
        assert_eq!(with_threshold("", 0), "ot=th:0");
        assert_eq!(with_threshold("foo=1,ot=th:c;rv:0123456789abcd,bar=2", 0), "ot=th:0;rv:0123456789abcd,foo=1,bar=2");
        let full = (0..32).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(join(&[&with_threshold(&full, 0)]).expect("still valid").expect("members").split(',').count(), 32);
    }

    #[test]
    fn a_megabyte_is_refused_unread() {
        assert_eq!(join(&[&",".repeat(1 << 20)]), Err(Invalid));
    }
}
