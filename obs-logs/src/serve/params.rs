//! What a client may write behind the question mark.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::model::{Level, TraceId};
use crate::store::Filter;

/// How many lines are given if nothing is said.
pub(crate) const TAIL: usize = 100;
/// How many lines are given at most.
pub(crate) const MOST: usize = 1000;
/// The longest text that is searched for, in bytes.
const LONGEST_Q: usize = 256;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Params {
    pub(crate) tail: usize,
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) next_token: Option<String>,
    pub(crate) follow: bool,
}

/// In which order the lines stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Order {
    /// The oldest first; reads on to newer ones.
    #[default]
    Asc,
    /// The newest first; reads on to older ones.
    Desc,
}

/// Which query it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Logs,
    Download,
}

/// A parameter that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Mistake {
    /// Its name.
    #[schema(example = "tail")]
    pub(crate) parameter: String,
    /// What is wrong with it.
    #[schema(example = "is a number from 0 to 1000")]
    pub(crate) detail: String,
}

/// Which lines are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the description alone; `parse` is what reads them")]
pub(crate) struct FilterParams {
    /// Lines that were written then or later, by RFC 3339. A `+` in it is written `%2B`.
    #[param(format = DateTime, example = "2026-01-15T10:00:00Z")]
    since: Option<String>,
    /// Lines that were written earlier, by RFC 3339.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lines of this level or a worse one.
    #[param(inline)]
    level: Option<Level>,
    /// Lines with this text in their message or their fields, letter by letter.
    #[param(min_length = 1, max_length = 256)]
    q: Option<String>,
    /// Lines of this trace: 32 hexadecimal digits.
    #[param(pattern = "^[0-9a-fA-F]{32}$")]
    trace_id: Option<String>,
}

/// How many lines are wanted, and which part.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the description alone; `parse` is what reads them")]
pub(crate) struct PageParams {
    /// So many lines at most: the newest that match, or with `next_token` the next ones.
    #[param(minimum = 0, maximum = 1000, default = 100)]
    tail: Option<u32>,
    /// Where to read on: right behind the last line of an earlier answer to the same query.
    next_token: Option<String>,
    /// The order of the lines: `asc` is the oldest first and reads on to newer ones, `desc` the reverse.
    #[param(inline)]
    order: Option<Order>,
    /// `1`: stays, and sends new lines as server-sent events. Not with `until` or `order=desc`.
    #[param(pattern = "^(0|1|true|false)$")]
    follow: Option<String>,
}

/// Reads the query; all that is wrong with it is told at once.
pub(crate) fn parse(query: &str, endpoint: Endpoint) -> Result<Params, Vec<Mistake>> {
    let mut params =
        Params { tail: TAIL, filter: Filter::default(), order: Order::Asc, next_token: None, follow: false };
    let mut mistakes = Vec::new();
    let mut seen = HashSet::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let read = match &*name {
            known if !seen.insert(known.to_owned()) => Err("is given twice".to_owned()),
            _ if value.is_empty() => Err("has no value".to_owned()),
            "since" => time(&value).map(|time| params.filter.since = Some(time)),
            "until" => time(&value).map(|time| params.filter.until = Some(time)),
            "level" => level(&value).map(|level| params.filter.level = Some(level)),
            "q" if value.len() > LONGEST_Q => Err(format!("has at most {LONGEST_Q} bytes")),
            "q" => {
                params.filter.q = Some(value.into_owned());
                Ok(())
            }
            "trace_id" => match TraceId::parse(&value) {
                Some(id) => {
                    params.filter.trace_id = Some(id);
                    Ok(())
                }
                None => Err("is 32 hexadecimal digits that are not all zero".to_owned()),
            },
            "tail" if endpoint == Endpoint::Logs => tail(&value).map(|tail| params.tail = tail),
            "order" if endpoint == Endpoint::Logs => order(&value).map(|order| params.order = order),
            "follow" if endpoint == Endpoint::Logs => follow(&value).map(|follow| params.follow = follow),
            "next_token" if endpoint == Endpoint::Logs => {
                params.next_token = Some(value.into_owned());
                Ok(())
            }
            _ => Err("is not known here".to_owned()),
        };
        if let Err(detail) = read {
            mistakes.push(mistake(&shown(&name), detail));
        }
    }
    together(&params, &mut mistakes);
    if mistakes.is_empty() { Ok(params) } else { Err(mistakes) }
}

/// Mistakes that need more than one parameter.
fn together(params: &Params, mistakes: &mut Vec<Mistake>) {
    if let (Some(since), Some(until)) = (params.filter.since, params.filter.until)
        && until < since
    {
        mistakes.push(mistake("until", "is before `since`"));
    }
    if params.follow && params.filter.until.is_some() {
        mistakes.push(mistake("until", "ends what `follow` never ends"));
    }
    if params.follow && params.order == Order::Desc {
        mistakes.push(mistake("order", "is `asc` with `follow`: new lines come last"));
    }
}

pub(crate) fn mistake(parameter: &str, detail: impl Into<String>) -> Mistake {
    Mistake { parameter: parameter.to_owned(), detail: detail.into() }
}

/// A name that a client made up, at a length that can be shown.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn time(value: &str) -> Result<Timestamp, String> {
    value
        .parse()
        .map_err(|_| "is a time by RFC 3339, as `2026-01-15T10:00:00Z`; a `+` in it is written `%2B`".to_owned())
}

fn level(value: &str) -> Result<Level, String> {
    let level = Level::ALL.into_iter().find(|level| level.as_str() == value);
    level.ok_or_else(|| "is `trace`, `debug`, `info`, `warn` or `error`".to_owned())
}

fn tail(value: &str) -> Result<usize, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let tail = value.parse().ok().filter(|tail| digits && *tail <= MOST);
    tail.ok_or_else(|| format!("is a number from 0 to {MOST}"))
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "asc" => Ok(Order::Asc),
        "desc" => Ok(Order::Desc),
        _ => Err("is `asc` or `desc`".to_owned()),
    }
}

fn follow(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("is `1` or `0`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mistakes(query: &str) -> Vec<(String, String)> {
        let mistakes = parse(query, Endpoint::Logs).unwrap_err();
        mistakes.into_iter().map(|mistake| (mistake.parameter, mistake.detail)).collect()
    }

    #[test]
    fn every_parameter_is_read() {
        let params = parse(
            "tail=7&since=2026-01-15T10:00:00Z&until=2026-01-15T11:00:00%2B01:00&level=warn&q=a+b%26c&order=desc\
             &trace_id=0AF7651916CD43DD8448EB211C80319C&next_token=abc&follow=0",
            Endpoint::Logs,
        )
        .unwrap();
        assert_eq!((params.tail, params.order, params.follow), (7, Order::Desc, false));
        assert_eq!(params.next_token.as_deref(), Some("abc"));
        assert_eq!(params.filter.since, params.filter.until);
        assert_eq!(params.filter.level, Some(Level::Warn));
        assert_eq!(params.filter.q.as_deref(), Some("a b&c"));
        assert_eq!(params.filter.trace_id.unwrap().to_string(), "0af7651916cd43dd8448eb211c80319c");
        let plain = parse("", Endpoint::Logs).unwrap();
        assert_eq!((plain.tail, plain.order, plain.filter), (100, Order::Asc, Filter::default()));
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_by_its_name() {
        let names: Vec<_> = mistakes(
            "tail=1001&since=yesterday&until=&level=loud&q=&order=up&trace_id=0&follow=maybe&sicne=1&tail=1&next_token=",
        )
        .into_iter()
        .map(|(name, _)| name)
        .collect();
        assert_eq!(
            names,
            ["tail", "since", "until", "level", "q", "order", "trace_id", "follow", "sicne", "tail", "next_token"]
        );
    }

    #[test]
    fn numbers_are_digits() {
        for tail in ["-1", "+1", "1.0", "1e2", "0x1", "1001", "99999999999999999999", "%EF%BC%91"] {
            assert_eq!(
                mistakes(&format!("tail={tail}")),
                [("tail".to_owned(), "is a number from 0 to 1000".to_owned())]
            );
        }
    }

    #[test]
    fn what_excludes_each_other_is_told() {
        let swapped = "since=2026-01-15T10:00:00Z&until=2026-01-15T09:00:00Z";
        assert_eq!(mistakes(swapped), [("until".to_owned(), "is before `since`".to_owned())]);
        let names = |query: &str| mistakes(query).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("follow=1&order=desc&until=2026-01-15T09:00:00Z"), ["until", "order"]);
    }

    #[test]
    fn a_download_has_no_pages() {
        let mistakes = parse("tail=1&q=x&order=asc&next_token=a&follow=1", Endpoint::Download).unwrap_err();
        let names: Vec<_> = mistakes.iter().map(|mistake| mistake.parameter.as_str()).collect();
        assert_eq!(names, ["tail", "order", "next_token", "follow"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_query_is_read_without_panic(query in ".{0,200}") {
            let _ = parse(&query, Endpoint::Logs);
        }
    }
}
