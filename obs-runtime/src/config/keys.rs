use tracing_subscriber::EnvFilter;

use super::value::{Allowed, Value};
use super::{Headers, LogPolicy, ObservabilityConfig, OtlpCompression, OtlpProtocol, SpanEvents, Trust};

/// One key: how it is called, how it is read, and what its value must be besides its type. The only place to add one.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) set: fn(&mut ObservabilityConfig, &Value) -> Result<(), Allowed>,
    pub(super) check: fn(&ObservabilityConfig) -> Result<(), Allowed>,
    /// Its value may not be shown.
    pub(super) secret: bool,
}

/// A key whose type says all.
const fn key(name: &'static str, set: fn(&mut ObservabilityConfig, &Value) -> Result<(), Allowed>) -> Key {
    Key { name, set, check: |_| Ok(()), secret: false }
}

impl Key {
    const fn checked(self, check: fn(&ObservabilityConfig) -> Result<(), Allowed>) -> Key {
        Key { check, ..self }
    }

    const fn secret(self) -> Key {
        Key { secret: true, ..self }
    }

    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("OBS_{}", self.name.to_ascii_uppercase())
    }
}

pub(super) const KEYS: [Key; 35] = [
    key("log_level", |config, value| value.text().map(|it| config.log_level = it))
        .checked(|config| level(&config.log_level)),
    key("log_json", |config, value| value.boolean().map(|it| config.log_json = it)),
    key("metrics_port", |config, value| value.port().map(|it| config.metrics_port = it)),
    key("otlp_endpoint", |config, value| {
        config.otlp_endpoint_is_whole = false;
        value.text().map(|it| config.otlp_endpoint = Some(it))
    })
    .checked(|config| config.otlp_endpoint.as_deref().map_or(Ok(()), endpoint)),
    key("trace_sample_rate", |config, value| value.number().map(|it| config.trace_sample_rate = it))
        .checked(|config| rate(config.trace_sample_rate)),
    key("service_name", |config, value| value.text().map(|it| config.service_name = Some(it))),
    key("resource", |config, value| value.map::<_, Vec<_>>(Value::text).map(|it| config.resource.extend(it))),
    key("log_policy", |config, value| {
        value.choice(&[("drop", LogPolicy::Drop), ("block", LogPolicy::Block)]).map(|it| config.log_policy = it)
    }),
    key("log_queue_bytes", |config, value| value.bytes().map(|it| config.log_queue_bytes = it)),
    key("log_rate", |config, value| value.count().map(|it| config.log_rate = it)),
    key("metrics_address", |config, value| value.parsed(ADDRESS).map(|it| config.metrics_address = it)),
    key("admin_port", |config, value| value.port().map(|it| config.admin_port = it)),
    key("admin_address", |config, value| value.parsed(ADDRESS).map(|it| config.admin_address = it)),
    key("admin_token_file", |config, value| value.text().map(|it| config.admin_token_file = Some(it.into()))),
    key("otlp_protocol", |config, value| value.choice(&PROTOCOLS).map(|it| config.otlp_protocol = it)),
    key("otlp_headers", |config, value| value.map(Value::text).map(|it| config.otlp_headers = Headers(it)))
        .checked(|config| headers(&config.otlp_headers))
        .secret(),
    key("otlp_timeout", |config, value| value.duration().map(|it| config.otlp_timeout = it)),
    key("otlp_queue_bytes", |config, value| value.bytes().map(|it| config.otlp_queue_bytes = it)),
    key("otlp_compression", |config, value| value.choice(&COMPRESSIONS).map(|it| config.otlp_compression = it)),
    key("otlp_delay", |config, value| value.duration().map(|it| config.otlp_delay = it)),
    key("otlp_batch", |config, value| value.count().map(|it| config.otlp_batch = it))
        .checked(|config| at_least_one(config.otlp_batch)),
    key("otlp_certificate", |config, value| value.text().map(|it| config.otlp_certificate = Some(it.into()))),
    key("otlp_client_certificate", |config, value| {
        value.text().map(|it| config.otlp_client_certificate = Some(it.into()))
    }),
    key("otlp_client_key", |config, value| value.text().map(|it| config.otlp_client_key = Some(it.into()))),
    key("span_attribute_limit", |config, value| value.count().map(|it| config.span_attribute_limit = it)),
    key("span_events", |config, value| value.choice(&SPAN_EVENTS).map(|it| config.span_events = it)),
    key("span_event_limit", |config, value| value.count().map(|it| config.span_event_limit = it)),
    key("span_link_limit", |config, value| value.count().map(|it| config.span_link_limit = it)),
    key("event_attribute_limit", |config, value| value.count().map(|it| config.event_attribute_limit = it)),
    key("attribute_length_limit", |config, value| value.count().map(|it| config.attribute_length_limit = it)),
    key("sample_operations", |config, value| value.map(Value::number).map(|it| config.sample_operations = it))
        .checked(|config| config.sample_operations.values().try_for_each(|it| rate(*it))),
    key("tail_sampling", |config, value| value.boolean().map(|it| config.tail_sampling = it)),
    key("tail_budget_bytes", |config, value| value.bytes().map(|it| config.tail_budget_bytes = it)),
    key("trust", |config, value| {
        value.choice(&[("all", Trust::All), ("ids", Trust::Ids), ("none", Trust::None)]).map(|it| config.trust = it)
    }),
    key("baggage_fields", |config, value| value.list().map(|it| config.baggage_fields = it)),
];

pub(super) const PROTOCOLS: [(&str, OtlpProtocol); 2] =
    [("grpc", OtlpProtocol::Grpc), ("http/protobuf", OtlpProtocol::HttpProtobuf)];

pub(super) const COMPRESSIONS: [(&str, OtlpCompression); 2] =
    [("none", OtlpCompression::None), ("gzip", OtlpCompression::Gzip)];

const SPAN_EVENTS: [(&str, SpanEvents); 6] = [
    ("off", SpanEvents::Off),
    ("error", SpanEvents::Error),
    ("warn", SpanEvents::Warn),
    ("info", SpanEvents::Info),
    ("debug", SpanEvents::Debug),
    ("trace", SpanEvents::Trace),
];

/// Whether a collector behind `https` can be reached.
const TLS: bool = cfg!(feature = "otlp-tls");

const ADDRESS: &str = "an IP address like `127.0.0.1` or `::1`";

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// A filter that means something. A single word that is not a level would be read as a target and silence all others: nobody
/// who sets a level wants that.
pub(super) fn level(text: &str) -> Result<(), Allowed> {
    let is_level =
        |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)) || word.parse::<u8>().is_ok();
    let word = text.trim();
    let single = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'));
    match filter(text) {
        Ok(()) if single && !is_level(word) => {
            let advice = did_you_mean(&word.to_ascii_lowercase(), LEVELS).map_or_else(
                || format!("; for the target alone write `{word}=trace`"),
                |level| format!("; did you mean `{level}`?"),
            );
            Err(format!("a level ({}) or directives like `info,my_crate=debug`{advice}", LEVELS.join(", ")))
        }
        otherwise => otherwise,
    }
}

/// What `EnvFilter` can read.
pub(super) fn filter(text: &str) -> Result<(), Allowed> {
    match EnvFilter::builder().parse(text) {
        Ok(_) if !text.trim().is_empty() => Ok(()),
        Ok(_) => Err("directives like `info,my_crate=debug`".to_owned()),
        Err(err) => Err(format!("directives like `info,my_crate=debug` ({err})")),
    }
}

fn rate(rate: f64) -> Result<(), Allowed> {
    if (0.0..=1.0).contains(&rate) { Ok(()) } else { Err("a number from 0.0 to 1.0".to_owned()) }
}

pub(super) fn endpoint(text: &str) -> Result<(), Allowed> {
    match text.parse::<http::Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") && uri.authority().is_some() => Ok(()),
        Ok(uri) if uri.scheme_str() == Some("https") && uri.authority().is_some() => match TLS {
            true => Ok(()),
            false => Err("`http://host:4317`; TLS needs the feature `otlp-tls` of obs-runtime".to_owned()),
        },
        _ => Err("`http://host:4317`".to_owned()),
    }
}

fn at_least_one(count: usize) -> Result<(), Allowed> {
    if count > 0 { Ok(()) } else { Err("a whole number, at least 1".to_owned()) }
}

pub(super) fn headers(headers: &Headers) -> Result<(), Allowed> {
    headers.0.iter().try_for_each(|(name, value)| {
        let name_is_good = http::HeaderName::try_from(name.as_str()).is_ok() && !name.ends_with("-bin");
        match name_is_good && http::HeaderValue::try_from(value.as_str()).is_ok_and(|value| value.to_str().is_ok()) {
            true => Ok(()),
            false => {
                Err(format!("names and values of HTTP headers in visible ASCII, unlike `{}`", name.escape_debug()))
            }
        }
    })
}

/// The candidate nearest to `word`, if it is near enough to be what was meant.
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_a_level_is_not_taken_for_a_target() {
        for good in ["info", "WARN", "off", "info,swarm=debug", "swarm::lifecycle=trace", "[span{a=1}]=debug", "3"] {
            assert_eq!(level(good), Ok(()), "{good}");
        }
        assert!(level("debgu").is_err_and(|allowed| allowed.ends_with("did you mean `debug`?")));
        assert!(level("swarm").is_err_and(|allowed| allowed.ends_with("write `swarm=trace`")));
        for wrong in ["", " ", "info=loud", "a=b=c", "[span{"] {
            assert!(level(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn neighbours_swapped_are_one_step() {
        assert_eq!(distance("log_levle", "log_level"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(did_you_mean("colour", ["log_level", "trust"]), None);
    }

    #[test]
    fn every_field_of_the_configuration_is_a_key() {
        let text = format!("{:?}", ObservabilityConfig::default());
        for key in &KEYS {
            assert!(text.contains(&format!("{}: ", key.name)), "{}", key.name);
        }
        assert_eq!(text.matches(": ").count(), KEYS.len() + ["otlp_endpoint_is_whole", "warnings"].len());
    }
}
